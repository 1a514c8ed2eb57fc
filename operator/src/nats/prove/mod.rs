//! Proves on the live servers that each user may do what the matrix says, and nothing of what it
//! says that it may not.
//!
//! In: the matrix, and for each user a way to connect. Out: how many cells held, and each that did
//! not, in words. Publishes name a stream that does not exist, subscriptions end at once, and
//! requests move nothing: no message is stored, taken from a reader or acknowledged, even where a
//! right is there that should not be.

mod judge;
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::{StreamExt, stream};
use svom_plan::access::matrix::{Attempt, Cell};
use svom_plan::valid::UserName;
use tokio::time::{Instant, sleep_until};

use super::connect::{Endpoint, Login};

/// How many users are proven at once.
const AT_ONCE: usize = 8;
/// The first wait before what did not hold is tried again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How a user connects.
#[derive(Clone)]
pub struct Identity {
    /// The servers, and the user's certificate where they require one.
    pub endpoint: Endpoint,
    /// The user's credential, or the operator's that stands in for it.
    pub login: Login,
}

/// What a user does on its connection.
pub type Cells = BTreeMap<UserName, Vec<Cell>>;

/// A cell that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cell.
    pub cell: Cell,
    /// What happened instead.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let must = if self.cell.allowed {
            "must"
        } else {
            "must not"
        };
        match &self.cell.attempt {
            Attempt::Publish { subject } => write!(f, "{must} publish to {subject}")?,
            Attempt::Subscribe {
                subject,
                group: None,
            } => write!(f, "{must} subscribe to {subject}")?,
            Attempt::Subscribe {
                subject,
                group: Some(group),
            } => write!(f, "{must} subscribe to {subject} in the group {group}")?,
            Attempt::Request { subject, .. } => write!(f, "{must} send requests to {subject}")?,
        }
        write!(f, ", but {}", self.why)
    }
}

/// What the proof came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// How many cells held.
    pub held: usize,
    /// Those that did not, by user; no user without one.
    pub failed: BTreeMap<UserName, Vec<Failure>>,
    /// Users for whom nothing could be tried, and why.
    pub untried: BTreeMap<UserName, String>,
}

impl Proof {
    /// Whether every cell held.
    pub fn holds(&self) -> bool {
        self.failed.is_empty() && self.untried.is_empty()
    }
}

/// Tries every cell once; then, until the deadline, those again that did not hold: right after a
/// reload, or while a stream elects a leader, a right can take a moment to be there.
pub async fn prove(
    identities: &BTreeMap<UserName, Identity>,
    cells: &Cells,
    deadline: Instant,
) -> Proof {
    let mut proof = pass(identities, cells).await;
    let mut wait = FIRST_WAIT;
    while !proof.holds() {
        let next = Instant::now() + wait;
        if next >= deadline {
            break;
        }
        sleep_until(next).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        let held = proof.held;
        proof = pass(identities, &again(&proof, cells)).await;
        proof.held += held;
    }
    proof
}

/// The cells that did not hold yet.
fn again(proof: &Proof, cells: &Cells) -> Cells {
    let failed = proof.failed.iter().map(|(user, failures)| {
        let cells = failures.iter().map(|failure| failure.cell.clone());
        (user.clone(), cells.collect())
    });
    let untried = proof
        .untried
        .keys()
        .filter_map(|user| Some((user.clone(), cells.get(user)?.clone())));
    failed.chain(untried).collect()
}

async fn pass(identities: &BTreeMap<UserName, Identity>, cells: &Cells) -> Proof {
    let mut users = stream::iter(cells)
        .map(|(name, cells)| async move {
            let outcome = match identities.get(name) {
                Some(identity) => user::try_cells(identity, cells).await,
                None => Err("there is no credential to connect with".to_owned()),
            };
            (name.clone(), outcome)
        })
        .buffer_unordered(AT_ONCE);
    let mut proof = Proof::default();
    while let Some((name, outcome)) = users.next().await {
        match outcome {
            Ok(user::Outcome { held, failed }) => {
                proof.held += held;
                if !failed.is_empty() {
                    proof.failed.insert(name, failed);
                }
            }
            Err(why) => {
                proof.untried.insert(name, why);
            }
        }
    }
    proof
}
