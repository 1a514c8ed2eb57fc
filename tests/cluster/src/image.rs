//! kind's node image, built where no image registry can be reached, from Go modules and Debian's
//! packages alone.
//!
//! In: `tests/kind/` and the registries of Go and Debian. Out: programs, and one archive for each
//! Kubernetes that any container engine loads; all of it kept in the cache by what went in.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

mod binaries;
mod kubernetes;
mod node;
mod preload;
mod root;

pub use binaries::{api_server, binaries, commands};
pub use node::{NodeImage, node};
pub use root::root;

/// Files of an image have owners, and its store is made with mounts.
fn check_root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the node image is not in the cache yet, and only root can build it: run this as root once"
    );
    Ok(())
}

/// A command that ends with this process, however that ends, and takes with it everything that it
/// started: it has process numbers and mounts of its own.
fn contained(program: &Path) -> Command {
    let mut command = ending_with_us(Path::new("unshare"));
    command
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ])
        .arg(program);
    command
}

/// A command that ends with this process, however that ends.
pub(crate) fn ending_with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Where programs are looked for: in this folder first.
fn path_with(folder: &Path) -> OsString {
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    path
}
