//! Programs that the tests run: nats-server, the `nats` command and helm, of the versions that the
//! project pins, built by Go's own client and kept outside the checkout.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::Context;

use super::libtest::Tally;
use super::step::Tool;
use crate::root;

/// A program of a Go module of this project.
struct Program {
    /// Name of the program, and of the variable that names it to the tests.
    name: &'static str,
    variable: &'static str,
    /// Folder of the module that pins it.
    module: &'static str,
    package: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "nats-server",
        variable: "SVOM_NATS_SERVER",
        module: "operator/src/nats_server/module",
        package: "github.com/nats-io/nats-server/v2",
    },
    Program {
        name: "nats",
        variable: "SVOM_NATS_COMMAND",
        module: "tests/nats-command",
        package: "github.com/nats-io/natscli/nats",
    },
    Program {
        name: "helm",
        variable: "SVOM_HELM",
        module: "tests/helm",
        package: "helm.sh/helm/v4/cmd/helm",
    },
];

/// Builds what is not there yet.
pub fn build_all() -> anyhow::Result<Tally> {
    let mut good = true;
    for program in &PROGRAMS {
        let path = program.path()?;
        if !path.exists() {
            println!("building {} (once)", program.name);
            good &= program.build(&path)?;
        }
    }
    Ok(if good { Tally::PASSED } else { Tally::FAILED })
}

/// The variables that name the programs to the tests.
pub fn variables() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let variable = |program: &Program| Ok((program.variable, program.path()?));
    PROGRAMS.iter().map(variable).collect()
}

impl Program {
    /// Where it is kept: another folder for each state of what pins it.
    fn path(&self) -> anyhow::Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        for file in ["go.mod", "go.sum"] {
            let file = root::checkout().join(self.module).join(file);
            let text = std::fs::read(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            text.hash(&mut hasher);
        }
        Ok(root::cache()
            .join(format!("{}-{:016x}", self.name, hasher.finish()))
            .join(self.name))
    }

    /// Go writes the program in one piece, so that a build that is cut short leaves none.
    fn build(&self, path: &PathBuf) -> anyhow::Result<bool> {
        let mut tool = Tool::new("go", ["build", "-trimpath", "-mod=readonly", "-o"]);
        tool.argument(path);
        tool.argument(self.package);
        tool.env("CGO_ENABLED", "0");
        tool.folder(root::checkout().join(self.module));
        tool.holds()
    }
}
