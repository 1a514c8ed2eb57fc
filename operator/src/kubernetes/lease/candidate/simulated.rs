//! Elections with lost, late and forgotten requests, clocks that run at different speeds, processes
//! that stand still, die, and come again: at no moment do two act.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const PROCESSES: usize = 3;

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, for all.
    Passes(u64),
    /// A process does what it would, if it is not waiting for an answer.
    Acts(usize),
    /// The API server carries out what a process asks.
    Reaches(usize),
    /// The process gets the answer.
    Returns(usize),
    /// The process gives up waiting; what it asked may still arrive.
    GivesUp(usize),
    /// What was given up, or asked by one who has died since, arrives after all.
    ArrivesLate(usize),
    /// The process is killed, and comes again under another name.
    Dies(usize),
    /// The process gives the Lease back.
    GivesBack(usize),
    /// Somebody puts a label on the Lease.
    IsLabelled,
}

struct Asked {
    action: Action,
    begun: Moment,
    answer: Option<Answer>,
}

struct Process {
    candidate: Candidate,
    /// Thousandths: how fast its clock runs, and what it shows more.
    speed: u64,
    ahead: u64,
    asked: Option<Asked>,
}

struct World {
    millis: u64,
    lease: Option<(LeaseSpec, u64)>,
    versions: u64,
    processes: Vec<Process>,
    late: Vec<Action>,
    names: usize,
}

fn clock(millis: u64) -> MicroTime {
    // A microsecond for each, as no two renewals have the same.
    let time = format!(
        "2026-01-01T00:00:{:02}.{:06}Z",
        millis / 1_000_000 % 60,
        millis % 1_000_000
    );
    serde_json::from_value(serde_json::json!(time)).expect("a time")
}

impl Process {
    fn now(&self, millis: u64) -> Moment {
        Moment::at(Duration::from_micros(millis * self.speed) + Duration::from_millis(self.ahead))
    }

    fn acts(&self, millis: u64) -> bool {
        let until = self.candidate.leading();
        until.is_some_and(|until| self.now(millis).until(until).is_some())
    }
}

impl World {
    fn new(speeds: &[(u64, u64)]) -> Self {
        let processes = speeds
            .iter()
            .enumerate()
            .map(|(number, (speed, ahead))| Process {
                candidate: Candidate::new(format!("p{number}"), Timing::USUAL),
                speed: *speed,
                ahead: *ahead,
                asked: None,
            });
        Self {
            millis: 1,
            lease: None,
            versions: 0,
            processes: processes.collect(),
            late: Vec::new(),
            names: speeds.len(),
        }
    }

    fn leaders(&self) -> Vec<usize> {
        (0..self.processes.len())
            .filter(|number| self.processes[*number].acts(self.millis))
            .collect()
    }

    fn carry_out(&mut self, action: &Action) -> Answer {
        let wrote = match (action, &self.lease) {
            (Action::Create(_), Some(_)) => return Answer::Conflict,
            (Action::Create(spec), None) => spec.clone(),
            (Action::Replace { .. } | Action::Look, None) => return Answer::Missing,
            (Action::Replace { version, spec }, Some((_, now))) => {
                if *version != now.to_string() {
                    return Answer::Conflict;
                }
                spec.clone()
            }
            (_, Some((spec, version))) => {
                let (spec, version) = (spec.clone(), version.to_string());
                return Answer::Lease { spec, version };
            }
            (Action::Wait | Action::StepDown, None) => return Answer::Nothing,
        };
        self.versions += 1;
        self.lease = Some((wrote.clone(), self.versions));
        let version = self.versions.to_string();
        Answer::Lease {
            spec: wrote,
            version,
        }
    }

    fn ask(&mut self, number: usize, action: Action) {
        let begun = self.processes[number].now(self.millis);
        if !matches!(action, Action::Wait | Action::StepDown) {
            self.processes[number].asked = Some(Asked {
                action,
                begun,
                answer: None,
            });
        }
    }

    fn happens(&mut self, event: &Event) {
        let millis = self.millis;
        match *event {
            Event::Passes(span) => self.millis += span,
            Event::Acts(number) => {
                let process = &mut self.processes[number];
                if process.asked.is_none() {
                    let action = process.candidate.act(process.now(millis), clock(millis));
                    self.ask(number, action);
                }
            }
            Event::Reaches(number) => {
                let asked = self.processes[number].asked.as_ref();
                let action = asked
                    .filter(|asked| asked.answer.is_none())
                    .map(|asked| asked.action.clone());
                if let Some(action) = action {
                    let answer = self.carry_out(&action);
                    let asked = self.processes[number].asked.as_mut();
                    asked.expect("it asked").answer = Some(answer);
                }
            }
            Event::Returns(number) => self.returns(number),
            Event::GivesUp(number) => {
                if let Some(asked) = self.forget(number) {
                    let process = &mut self.processes[number];
                    let now = process.now(millis);
                    process
                        .candidate
                        .answered(&asked.action, asked.begun, Answer::Nothing, now);
                }
            }
            Event::ArrivesLate(which) => {
                if !self.late.is_empty() {
                    let action = self.late.remove(which % self.late.len());
                    self.carry_out(&action);
                }
            }
            Event::Dies(number) => {
                self.forget(number);
                self.names += 1;
                let name = format!("p{}", self.names);
                self.processes[number].candidate = Candidate::new(name, Timing::USUAL);
            }
            Event::GivesBack(number) => self.gives_back(number),
            Event::IsLabelled => {
                if let Some((_, version)) = &mut self.lease {
                    self.versions += 1;
                    *version = self.versions;
                }
            }
        }
    }

    fn returns(&mut self, number: usize) {
        let millis = self.millis;
        let process = &mut self.processes[number];
        let answered = process.asked.take_if(|asked| asked.answer.is_some());
        if let Some(Asked {
            action,
            begun,
            answer: Some(answer),
        }) = answered
        {
            let now = process.now(millis);
            process.candidate.answered(&action, begun, answer, now);
        }
    }

    /// What a process asked and got no answer to may still arrive.
    fn forget(&mut self, number: usize) -> Option<Asked> {
        let asked = self.processes[number].asked.take()?;
        if asked.answer.is_none() {
            self.late.push(asked.action.clone());
        }
        Some(asked)
    }

    /// As at a clean exit: it acts no more, writes, and comes again under another name.
    fn gives_back(&mut self, number: usize) {
        let release = self.processes[number].candidate.release(clock(self.millis));
        self.happens(&Event::Dies(number));
        self.late.extend(release);
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let who = 0..PROCESSES;
    let event = prop_oneof![
        6 => (0u64..6000).prop_map(Event::Passes),
        12 => who.clone().prop_map(Event::Acts),
        12 => who.clone().prop_map(Event::Reaches),
        12 => who.clone().prop_map(Event::Returns),
        2 => who.clone().prop_map(Event::GivesUp),
        2 => (0usize..8).prop_map(Event::ArrivesLate),
        1 => who.clone().prop_map(Event::Dies),
        1 => who.prop_map(Event::GivesBack),
        1 => Just(Event::IsLabelled),
    ];
    prop::collection::vec(event, 1..400)
}

fn speeds() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((900u64..1100, 0u64..1_000_000), PROCESSES)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn two_never_act_and_one_does_in_the_end(speeds in speeds(), events in events()) {
        let mut world = World::new(&speeds);
        for event in &events {
            world.happens(event);
            let leaders = world.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?} act after {event:?}");
        }
        // From here on everything arrives, in its order.
        for _ in 0..30 {
            for number in 0..PROCESSES {
                for event in [Event::Acts(number), Event::Reaches(number), Event::Returns(number)] {
                    world.happens(&event);
                    prop_assert!(world.leaders().len() <= 1);
                }
            }
            world.happens(&Event::Passes(1000));
        }
        prop_assert_eq!(world.leaders().len(), 1);
    }
}

/// The property above is worth something only if leaders come and go in it.
#[test]
fn a_lease_passes_on() {
    let mut world = World::new(&[(1000, 0), (1000, 5), (1000, 9)]);
    let round = |number| {
        [
            Event::Acts(number),
            Event::Reaches(number),
            Event::Returns(number),
        ]
    };
    let mut leaders = Vec::new();
    let mut turn = |world: &mut World, number| {
        for event in [round(number), round(number)].concat() {
            world.happens(&event);
        }
        leaders.push(world.leaders());
    };
    turn(&mut world, 0);
    turn(&mut world, 1);
    world.happens(&Event::Dies(0));
    world.happens(&Event::Passes(14_999));
    turn(&mut world, 1);
    world.happens(&Event::Passes(1));
    turn(&mut world, 1);
    world.happens(&Event::GivesBack(1));
    turn(&mut world, 2);
    world.happens(&Event::ArrivesLate(0));
    turn(&mut world, 2);
    let expected: [&[usize]; 6] = [&[0], &[0], &[], &[1], &[], &[2]];
    assert_eq!(leaders, expected);
}
