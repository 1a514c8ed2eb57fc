//! The right to act, as a value that ends by itself.

use tokio::sync::watch;

use super::Moment;

/// A time of leading, as the one who renews the Lease sees it. Dropped, it is over.
#[derive(Debug)]
pub struct Term(watch::Sender<Moment>);

/// The right to act, for whoever does.
#[derive(Clone, Debug)]
pub struct Leading(watch::Receiver<Moment>);

/// The Lease could not be renewed in time, or somebody else has it: nothing more may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process may hold the Lease by now, so that this one stops")]
pub struct LeadershipLost;

impl Term {
    /// A time of leading that ends at a moment, unless it is prolonged.
    pub fn begin(until: Moment) -> (Self, Leading) {
        let (term, leading) = watch::channel(until);
        (Self(term), Leading(leading))
    }

    /// The Lease was renewed. What is over stays over.
    pub fn prolong(&self, until: Moment) {
        let now = Moment::now();
        self.0.send_if_modified(|before| {
            let goes_on = now < *before && *before < until;
            if goes_on {
                *before = until;
            }
            goes_on
        });
    }

    /// When it ends.
    pub fn until(&self) -> Moment {
        *self.0.borrow()
    }
}

impl Leading {
    /// Whether this process may act. Asked before every write.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self) -> Result<(), LeadershipLost> {
        let over = self.0.has_changed().is_err() || *self.0.borrow() <= Moment::now();
        if over { Err(LeadershipLost) } else { Ok(()) }
    }

    /// Returns when this process may act no more. After a sleep of the machine that is a little late;
    /// [`Leading::check`] never is.
    pub async fn lost(&self) {
        let mut until = self.0.clone();
        loop {
            let end = *until.borrow_and_update();
            let Some(left) = Moment::now().until(end) else {
                return;
            };
            tokio::select! {
                changed = until.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Does something that must not be done by two processes: it is not begun, and where it waits it is
    /// dropped, once this process may not act.
    ///
    /// # Errors
    /// When it came to no end for that.
    pub async fn guard<F: Future>(&self, work: F) -> Result<F::Output, LeadershipLost> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.lost() => Err(LeadershipLost),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_term_that_is_dropped_or_over_is_lost() {
        let (term, leading) = Term::begin(Moment::NEVER);
        assert_eq!(leading.check(), Ok(()));
        assert_eq!(leading.guard(std::future::ready(1)).await, Ok(1));
        let (dropped, ()) = tokio::join!(leading.guard(std::future::pending::<()>()), async {
            drop(term);
        });
        assert_eq!(dropped, Err(LeadershipLost));
        assert_eq!(leading.check(), Err(LeadershipLost));

        let (_term, leading) = Term::begin(Moment::FIRST);
        assert_eq!(leading.check(), Err(LeadershipLost));
        leading.lost().await;
        assert_eq!(leading.guard(async { 1 }).await, Err(LeadershipLost));
    }

    #[tokio::test]
    async fn a_term_is_prolonged_while_it_lasts_and_never_shortened_or_taken_up_again() {
        let (term, leading) = Term::begin(Moment::now().after(Duration::from_secs(60)));
        term.prolong(Moment::NEVER);
        assert_eq!(term.until(), Moment::NEVER);
        term.prolong(Moment::FIRST);
        assert_eq!((term.until(), leading.check()), (Moment::NEVER, Ok(())));

        let (term, leading) = Term::begin(Moment::FIRST);
        term.prolong(Moment::NEVER);
        assert_eq!(leading.check(), Err(LeadershipLost));
    }

    #[tokio::test]
    async fn who_waits_for_the_end_sees_a_prolongation() {
        let (term, leading) = Term::begin(Moment::now().after(Duration::from_secs(60)));
        let ended = tokio::join!(leading.lost(), async {
            term.prolong(Moment::now().after(Duration::from_secs(120)));
            tokio::task::yield_now().await;
            drop(term);
        });
        assert_eq!(ended, ((), ()));
    }
}
