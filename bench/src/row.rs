//! What a bench is, and what it gives.

use serde::Serialize;

use crate::paired::{Paired, Rounds};

/// A subject with its control: what `run` measures in the given number of rounds.
pub struct Bench {
    /// A word, for `--only`.
    pub name: &'static str,
    /// As many rounds as make its median stable.
    pub rounds: usize,
    /// Measures.
    pub run: fn(Rounds) -> anyhow::Result<Vec<Row>>,
}

/// One figure with its control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What is measured, and against what.
    pub name: String,
    /// Unit of subject and control.
    pub unit: &'static str,
    /// What the subject is to keep to. It fails nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// The figures.
    #[serde(flatten)]
    pub paired: Paired,
}

/// What a subject is to keep to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// The median, at most.
    pub at_most: f64,
    /// Whether it does.
    pub reached: bool,
}

impl Row {
    /// A figure without a goal.
    pub fn new(name: impl Into<String>, unit: &'static str, paired: Paired) -> Self {
        Self {
            name: name.into(),
            unit,
            goal: None,
            paired,
        }
    }

    /// The same with a goal.
    pub fn with_goal(mut self, at_most: f64) -> Self {
        let reached = self.paired.subject.median <= at_most;
        self.goal = Some(Goal { at_most, reached });
        self
    }
}
