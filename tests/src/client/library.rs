//! The client libraries that are driven, and the program that drives each.

use std::process::Command;

use anyhow::Result;

use crate::{program, python};

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Library {
    /// nats-py.
    NatsPy,
    /// async-nats.
    AsyncNats,
}

impl Library {
    /// Every library that is driven.
    pub const ALL: [Self; 2] = [Self::NatsPy, Self::AsyncNats];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NatsPy => "nats-py",
            Self::AsyncNats => "async-nats",
        }
    }

    /// The program that drives it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn command(self) -> Result<Command> {
        Ok(match self {
            Self::NatsPy => {
                let mut command = Command::new(python::interpreter()?);
                command.arg(python::CLIENT);
                command
            }
            Self::AsyncNats => Command::new(program::build_folder()?.join("async-nats-client")),
        })
    }
}
