//! The Java client with what it needs, fetched once by Maven and kept outside the checkout.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::kept::kept;
use crate::program::run;

const PINNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java/pom.xml");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Why the Java client cannot be run here; nothing when it can.
pub fn missing() -> Option<String> {
    ["java", "mvn"].into_iter().find_map(|program| {
        let asked = Command::new(program).arg("-version").output();
        let answers = asked.is_ok_and(|output| output.status.success());
        (!answers).then(|| format!("{program} is not on the path"))
    })
}

/// A folder with the jars.
///
/// # Errors
/// When Maven cannot fetch them.
pub fn jars() -> Result<PathBuf> {
    kept("java", &[PINNED], |folder| {
        let mut maven = Command::new("mvn");
        maven
            .args([
                "--quiet",
                "--batch-mode",
                "--strict-checksums",
                "--file",
                PINNED,
            ])
            .arg(COPY)
            .arg(format!("-DoutputDirectory={}", folder.display()));
        run(&mut maven).map(|_| ())
    })
}
