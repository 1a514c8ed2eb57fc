//! Paired rounds: the subject, its control, and the control once more, beside one another in time.
//!
//! In: two functions that measure once. Out: medians, and ratios of samples of the same round, so
//! that a machine that slows down between rounds changes none of them. No clock: what is measured is
//! the functions' affair.

use std::cmp::Ordering;

use anyhow::Context;
use serde::Serialize;

/// How many rounds are measured.
#[derive(Clone, Copy, Debug)]
pub struct Rounds(pub usize);

/// Middle, least and most of some samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Middle.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Most.
    pub max: f64,
}

/// A subject and its control over `n` rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The subject's samples.
    pub subject: Spread,
    /// The control's first samples.
    pub control: Spread,
    /// Subject to control, round by round.
    pub ratio: Spread,
    /// The control's second sample to its first, round by round: a ratio that lies within this is
    /// no difference.
    pub control_to_itself: Spread,
    /// How many rounds.
    pub n: usize,
}

/// Measures in rounds. In which order a round takes its three samples changes from round to round,
/// so that none always comes first, into cold caches.
///
/// # Errors
/// When a measurement fails, or there is no round.
pub fn paired(
    Rounds(n): Rounds,
    mut subject: impl FnMut() -> anyhow::Result<f64>,
    mut control: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Paired> {
    let mut rounds = Vec::with_capacity(n);
    for round in 0..n {
        rounds.push(match round % 3 {
            0 => {
                let (subject, first, second) = (subject()?, control()?, control()?);
                Round {
                    subject,
                    first,
                    second,
                }
            }
            1 => {
                let (first, subject, second) = (control()?, subject()?, control()?);
                Round {
                    subject,
                    first,
                    second,
                }
            }
            _ => {
                let (second, first, subject) = (control()?, control()?, subject()?);
                Round {
                    subject,
                    first,
                    second,
                }
            }
        });
    }
    Paired::of(&rounds)
}

impl Paired {
    /// What the rounds say together.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(rounds: &[Round]) -> anyhow::Result<Self> {
        let spread = |of: fn(&Round) -> f64| {
            let samples = rounds.iter().map(of).collect();
            spread(samples).context("no round was measured")
        };
        Ok(Self {
            subject: spread(|round| round.subject)?,
            control: spread(|round| round.first)?,
            ratio: spread(|round| round.subject / round.first)?,
            control_to_itself: spread(|round| round.second / round.first)?,
            n: rounds.len(),
        })
    }
}

/// The three samples of a round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Of the subject.
    pub subject: f64,
    /// Of the control.
    pub first: f64,
    /// Of the control, once more.
    pub second: f64,
}

/// Middle, least and most; of an even number of samples the middle is between the two in the middle.
pub fn spread(mut samples: Vec<f64>) -> Option<Spread> {
    samples.sort_by(f64::total_cmp);
    let (min, max) = (*samples.first()?, *samples.last()?);
    let upper = *samples.get(samples.len() / 2)?;
    let median = match (samples.len() % 2).cmp(&0) {
        Ordering::Equal => (samples.get(samples.len() / 2 - 1)? + upper) / 2.0,
        _ => upper,
    };
    Some(Spread { median, min, max })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Paired, Rounds, Spread, paired, spread};

    #[test]
    fn the_median_is_the_middle_of_what_was_measured() {
        let of = |samples: &[f64]| spread(samples.to_vec());
        let whole = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), whole(3.0, 3.0, 3.0));
        assert_eq!(of(&[9.0, 1.0, 2.0]), whole(2.0, 1.0, 9.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), whole(3.0, 1.0, 9.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // A machine that is ten times slower in the second of two rounds.
        let slowness = RefCell::new([1.0, 1.0, 1.0, 10.0, 10.0, 10.0].into_iter());
        let sample = |work: f64| Ok(work * slowness.borrow_mut().next().unwrap());
        let measured = paired(Rounds(2), || sample(6.0), || sample(3.0)).unwrap();
        let expected = Paired {
            subject: Spread {
                median: 33.0,
                min: 6.0,
                max: 60.0,
            },
            control: Spread {
                median: 16.5,
                min: 3.0,
                max: 30.0,
            },
            ratio: Spread {
                median: 2.0,
                min: 2.0,
                max: 2.0,
            },
            control_to_itself: Spread {
                median: 1.0,
                min: 1.0,
                max: 1.0,
            },
            n: 2,
        };
        assert_eq!(measured, expected);
    }

    #[test]
    fn each_comes_first_in_turn() {
        let order = RefCell::new(String::new());
        let note = |letter| {
            order.borrow_mut().push(letter);
            Ok(1.0)
        };
        paired(Rounds(3), || note('s'), || note('c')).unwrap();
        assert_eq!(order.into_inner(), "scccscccs");
    }

    #[test]
    fn a_measurement_that_fails_is_no_figure() {
        assert!(paired(Rounds(1), || anyhow::bail!("broken"), || Ok(1.0)).is_err());
        assert!(paired(Rounds(0), || Ok(1.0), || Ok(1.0)).is_err());
    }
}
