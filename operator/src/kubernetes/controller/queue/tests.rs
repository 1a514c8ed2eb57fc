use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn key(name: &str) -> Key {
    Key {
        namespace: "n".to_owned(),
        name: name.to_owned(),
    }
}

/// A queue whose time is told in milliseconds, and whose keys are one letter.
struct Told {
    queue: Queue,
    start: Instant,
}

impl Told {
    fn new() -> Self {
        Self {
            queue: Queue::default(),
            start: Instant::now(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn wake(&mut self, name: &str, wake: Wake, at: u64) {
        self.queue.wake(key(name), wake, self.at(at));
    }

    fn take(&mut self, at: u64) -> Option<String> {
        self.queue.take(self.at(at)).map(|key| key.name)
    }

    /// Takes it and is done with it at once.
    fn work(&mut self, outcome: Outcome, at: u64) -> Option<String> {
        let name = self.take(at)?;
        self.queue.done(&key(&name), outcome, self.at(at), 1.0);
        Some(name)
    }

    fn next(&self, at: u64) -> Option<u64> {
        let next = self.queue.next(self.at(at))?;
        u64::try_from((next - self.start).as_nanos().div_ceil(1_000_000)).ok()
    }
}

const CHANGES: Outcome = Outcome::Done(Next::WhenSomethingChanges);

#[test]
fn waking_twice_is_once_and_the_first_come_first() {
    let mut told = Told::new();
    for (name, at) in [("b", 0), ("a", 1), ("b", 2)] {
        told.wake(name, Wake::Stirred, at);
    }
    assert_eq!(told.queue.depth(told.at(2)), 2);
    assert_eq!(told.work(CHANGES, 2).as_deref(), Some("b"));
    assert_eq!(told.work(CHANGES, 2).as_deref(), Some("a"));
    assert_eq!((told.take(2), told.next(2)), (None, None));
    assert!(told.queue.turns.is_empty());
}

#[test]
fn one_that_is_worked_on_is_taken_again_only_afterwards() {
    let mut told = Told::new();
    told.wake("a", Wake::Changed, 0);
    assert_eq!(told.take(0).as_deref(), Some("a"));
    told.wake("a", Wake::Stirred, 1);
    told.wake("a", Wake::Stirred, 2);
    assert_eq!((told.take(3), told.next(3)), (None, None));
    told.queue.done(&key("a"), Outcome::Gone, told.at(4), 0.0);
    assert_eq!(told.work(CHANGES, 4).as_deref(), Some("a"));
    assert_eq!(told.take(5), None);
}

#[test]
fn one_that_asks_for_it_is_looked_at_again() {
    let mut told = Told::new();
    told.wake("a", Wake::Changed, 0);
    told.work(Outcome::Done(Next::After(Duration::from_secs(5))), 0);
    assert_eq!((told.take(4_999), told.next(0)), (None, Some(5_000)));
    told.wake("a", Wake::Stirred, 1_000);
    assert_eq!(told.work(CHANGES, 1_000).as_deref(), Some("a"));
    assert_eq!(told.next(1_000), None);
}

#[test]
fn failures_wait_longer_each_time_until_one_succeeds() {
    let mut told = Told::new();
    told.wake("a", Wake::Changed, 0);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..7 {
        assert!(told.work(Outcome::Failed, now).is_some());
        let next = told.next(now).expect("a turn");
        waits.push(next - now);
        now = next;
    }
    expect!["[500, 1000, 2000, 4000, 8000, 8000, 8000]"].assert_eq(&format!("{waits:?}"));
    assert!(told.work(CHANGES, now).is_some());
    told.wake("a", Wake::Changed, now);
    assert!(told.work(Outcome::Failed, now).is_some());
    assert_eq!(told.next(now), Some(now + 500));
}

#[test]
fn only_what_somebody_did_cuts_the_wait_of_a_failed_one_short() {
    let mut told = Told::new();
    told.wake("a", Wake::Changed, 0);
    told.take(0);
    told.wake("a", Wake::Stirred, 1);
    told.queue.done(&key("a"), Outcome::Failed, told.at(2), 0.0);
    assert_eq!(told.next(2), Some(252));
    told.wake("a", Wake::Stirred, 3);
    assert_eq!(told.take(3), None);
    told.wake("a", Wake::Changed, 4);
    assert_eq!(told.take(4).as_deref(), Some("a"));
    told.wake("a", Wake::Changed, 5);
    told.wake("a", Wake::Stirred, 5);
    told.queue.done(&key("a"), Outcome::Failed, told.at(6), 0.0);
    assert_eq!(told.take(6).as_deref(), Some("a"));
}

#[test]
fn slow_ones_make_room() {
    let mut told = Told::new();
    for number in 0..20 {
        told.wake(&format!("{number:02}"), Wake::Changed, 0);
    }
    let mut taken = |at| std::iter::from_fn(|| told.take(at)).count();
    assert_eq!(
        [taken(0), taken(1_999), taken(2_000), taken(2_001)],
        [8, 0, 8, 0]
    );
    assert_eq!(told.next(2_001), Some(4_000));
    told.queue.done(&key("08"), CHANGES, told.at(2_002), 0.0);
    assert_eq!(told.take(2_002).as_deref(), Some("16"));
    assert_eq!(told.queue.depth(told.at(2_002)), 3);
}

proptest! {
    /// Whatever happens: nobody is worked on twice at once, and who was woken gets a turn.
    #[test]
    fn no_wake_is_forgotten(events in prop::collection::vec((0..5u8, 0..6u8, 0..3_000u64), 1..200)) {
        let mut told = Told::new();
        let (mut now, mut working, mut woken) = (0, Vec::new(), std::collections::BTreeSet::new());
        for (event, who, passed) in events {
            let name = who.to_string();
            now += passed;
            match event {
                0 | 1 => {
                    told.wake(&name, if event == 0 { Wake::Changed } else { Wake::Stirred }, now);
                    woken.insert(name);
                }
                2 => {
                    if let Some(taken) = told.take(now) {
                        prop_assert!(!working.contains(&taken));
                        woken.remove(&taken);
                        working.push(taken);
                    }
                }
                _ => {
                    let outcome = [CHANGES, Outcome::Failed, Outcome::Gone][usize::from(event) % 3];
                    if let Some(done) = working.pop() {
                        let chance = f64::from(who) / 6.0;
                        told.queue.done(&key(&done), outcome, told.at(now), chance);
                    }
                }
            }
        }
        for done in working.drain(..) {
            told.queue.done(&key(&done), CHANGES, told.at(now), 0.0);
        }
        while let Some(next) = told.next(now) {
            now = next.max(now);
            woken.remove(&told.work(CHANGES, now).expect("its turn"));
        }
        prop_assert!(woken.is_empty(), "{woken:?} got no turn");
        prop_assert!(told.queue.turns.is_empty());
    }
}
