//! A program of a Go module of this project, built by Go's own client.
//!
//! In: the module's folder, whose `go.sum` has the checksums of everything. Out: the program, static,
//! and the same from whichever folder.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::Key;
use crate::command;
use crate::image::ending_with_us;
use crate::progress::Part;
use crate::versions::of_module;

const FLAGS: &str = "-trimpath -mod=readonly -buildvcs=false";
const LINKER_FLAGS: &str = "-s -w";
const ASKED_WITHIN: Duration = Duration::from_secs(60);

/// Which program, of which module.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Its folder.
    pub module: &'a Path,
    /// The package that is the program.
    pub package: &'a str,
}

impl Program<'_> {
    /// Adds to the key everything that the program comes from.
    pub fn into_key(self, key: Key) -> Result<Key> {
        let compiler = command::output(self.go().arg("version"), ASKED_WITHIN)
            .context("the images' programs need Go 1.26 or later: install it")?;
        key.text("package", self.package)
            .text("recipe", include_str!("go.rs"))
            .text("compiler", &compiler)
            .file("go.mod", &self.module.join("go.mod"))?
            .file("go.sum", &self.module.join("go.sum"))
    }

    /// Builds it.
    pub fn build(self, output: &Path, part: &Part) -> Result<()> {
        let mut go = self.go();
        go.args(["build", "-v", "-ldflags", LINKER_FLAGS, "-o"])
            .arg(output)
            .arg(self.package);
        part.run(&mut go)
    }

    /// The version of a module that this one requires, without the `v`.
    pub fn version_of(self, required: &str) -> Result<String> {
        let path = self.module.join("go.mod");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        of_module(&text, required)
            .map(|version| version.trim_start_matches('v').to_owned())
            .with_context(|| format!("{} requires no {required}", path.display()))
    }

    /// The same build whatever this user's own settings are; only where modules come from, and which
    /// Go may be fetched to build them, is left to those.
    fn go(self) -> Command {
        let mut go = ending_with_us(Path::new("go"));
        go.current_dir(self.module)
            .env("CGO_ENABLED", "0")
            .env("GO111MODULE", "on")
            .env("GOWORK", "off")
            .env("GOFLAGS", FLAGS)
            .env_remove("GOOS")
            .env_remove("GOARCH");
        go
    }
}
