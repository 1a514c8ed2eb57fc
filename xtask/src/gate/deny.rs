//! Licences, sources, duplicates and known weaknesses of what the workspace depends on.
//!
//! In: `Cargo.lock` and `deny.toml`. Out: one check for what can be told offline, one for the
//! advisories; where their database cannot be had, the second is skipped and says so.

use std::path::PathBuf;

use anyhow::ensure;

use super::libtest::Tally;
use super::notes::Notes;
use super::step::{Tool, check};
use crate::root;

/// The version whose judgement counts here and in CI alike.
const VERSION: &str = "0.20.2";

pub fn run(notes: &Notes) -> anyhow::Result<Tally> {
    let program = installed()?;
    let deny = |arguments: &[&str]| Tool::new(&program, arguments);
    let mut tally = check(deny(&["--locked", "check", "bans", "licenses", "sources"]))?;
    if deny(&["--locked", "fetch", "db"]).prints().is_ok() {
        tally += check(deny(&[
            "--locked",
            "check",
            "--disable-fetch",
            "advisories",
        ]))?;
    } else {
        notes.skip("advisories: the RustSec database cannot be reached")?;
        // The closing count takes every skip out of what passed.
        tally += Tally::PASSED;
    }
    Ok(tally)
}

/// cargo-deny at the pinned version: the one on the path, or one built once into the cache.
fn installed() -> anyhow::Result<PathBuf> {
    let wanted = format!("cargo-deny {VERSION}");
    let is_wanted = |program: &PathBuf| {
        let version = Tool::new(program, ["--version"]).prints();
        version.is_ok_and(|version| version == wanted)
    };
    let folder = root::cache().join(format!("cargo-deny-{VERSION}"));
    let built = folder.join("bin").join("cargo-deny");
    for program in [PathBuf::from("cargo-deny"), built.clone()] {
        if is_wanted(&program) {
            return Ok(program);
        }
    }
    println!("{wanted} is built once, into {}", folder.display());
    let mut install = Tool::cargo([
        "install",
        "--locked",
        // Optimised, it takes two and a half minutes to build, and runs for a second.
        "--debug",
        "cargo-deny",
        "--version",
        VERSION,
        "--root",
    ]);
    install.argument(&folder);
    ensure!(
        install.holds()? && is_wanted(&built),
        "{wanted} cannot be built into {}",
        folder.display()
    );
    Ok(built)
}
