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

/// What a subject is to keep to: the limit of a median, and whether it does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "goal")]
pub enum Goal {
    /// The subject's own.
    AtMost {
        /// The most.
        limit: f64,
        /// Whether it is kept to.
        reached: bool,
    },
    /// Of subject to control.
    RatioAtMost {
        /// The most.
        limit: f64,
        /// Whether it is kept to.
        reached: bool,
    },
    /// Of subject to control.
    RatioAtLeast {
        /// The least.
        limit: f64,
        /// Whether it is kept to.
        reached: bool,
    },
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
        self.goal = Some(Goal::AtMost {
            limit: at_most,
            reached: self.paired.subject.median <= at_most,
        });
        self
    }

    /// The same with a goal for the ratio.
    pub fn with_ratio_at_most(mut self, limit: f64) -> Self {
        self.goal = Some(Goal::RatioAtMost {
            limit,
            reached: self.paired.ratio.median <= limit,
        });
        self
    }

    /// The same with a goal for the ratio.
    pub fn with_ratio_at_least(mut self, limit: f64) -> Self {
        self.goal = Some(Goal::RatioAtLeast {
            limit,
            reached: self.paired.ratio.median >= limit,
        });
        self
    }
}
