//! Calls the recipe, one piece of work at a time. In: changes and questions that were queued, the
//! servers' states, the clock. Out: the answers to both.

use std::cell::Cell;

use serde_json::Value;
use tokio::sync::watch;

use super::super::process::{Servers, States};
use super::requests::{Change, Work};
use super::{Recipe, clock};

/// What the recipe is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It waits for something to happen.
    No,
    /// Work that nobody asked for: it makes way for a change.
    OwnWork,
    /// What somebody asked for: the begin, or a change.
    Asked,
}

/// What the recipe works on.
pub struct Worker<'a> {
    /// What is wanted of it.
    pub work: Work,
    /// The servers.
    pub servers: &'a Servers,
    /// What it is at, for who attends to requests.
    pub busy: &'a Cell<Busy>,
    /// The status as the recipe last knew it.
    pub last_status: &'a watch::Receiver<Value>,
}

impl Worker<'_> {
    /// Does what is wanted, one after another, for ever; returns only when the bus cannot be brought
    /// up.
    pub async fn work_on<R: Recipe>(mut self, recipe: &mut R) -> R::Error {
        let mut states = self.servers.watch();
        if let Err(error) = recipe.begin().await {
            return error;
        }
        loop {
            self.busy.set(Busy::No);
            tokio::select! {
                biased;
                Some(change) = self.work.changes.recv() => self.change(recipe, change).await,
                Ok(()) = states.changed() => self.servers_changed(recipe, &mut states).await,
                () = clock::until(recipe.next_moment()) => self.moment_came(recipe).await,
                Some(responder) = self.work.looks.recv() => {
                    if !responder.is_closed() {
                        responder.end(Ok(recipe.look().await));
                    }
                }
            }
        }
    }

    async fn change<R: Recipe>(&mut self, recipe: &mut R, change: Change) {
        self.be_busy(Busy::Asked);
        let Change {
            resource,
            responder,
            further,
        } = change;
        let done = recipe.apply(resource, responder.progress(), &further).await;
        responder.end(done.map_err(|error| format!("{error:#}")));
    }

    async fn servers_changed<R: Recipe>(
        &mut self,
        recipe: &mut R,
        states: &mut watch::Receiver<States>,
    ) {
        self.be_busy(Busy::OwnWork);
        let now = states.borrow_and_update().clone();
        let change = tokio::select! {
            biased;
            Some(change) = self.work.changes.recv() => Some(change),
            Ok(()) = states.changed() => None,
            () = recipe.servers_changed(now) => return,
        };
        if let Some(change) = change {
            self.change(recipe, change).await;
        }
        states.mark_changed();
    }

    async fn moment_came<R: Recipe>(&mut self, recipe: &mut R) {
        self.be_busy(Busy::OwnWork);
        let change = tokio::select! {
            biased;
            Some(change) = self.work.changes.recv() => change,
            () = recipe.moment_came() => return,
        };
        self.change(recipe, change).await;
    }

    /// While the recipe is busy no look waits: those that do are answered with what was last known,
    /// and later ones are not queued.
    fn be_busy(&mut self, busy: Busy) {
        self.busy.set(busy);
        while let Ok(responder) = self.work.looks.try_recv() {
            responder.end(Ok(self.last_status.borrow().clone()));
        }
    }
}

#[cfg(test)]
mod tests;
