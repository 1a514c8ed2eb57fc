//! nats-server alone in an image.
//!
//! In: the Go module that pins its version. Out: the image, whose tag is that version.

use std::path::Path;

use anyhow::Result;

use super::go::Program;
use super::{Built, PATH, PROGRAMS, Recipe};
use crate::archive::{Config, Entry};
use crate::cache::{Cache, Key};
use crate::progress::Progress;

const PACKAGE: &str = "github.com/nats-io/nats-server/v2";
const USER: &str = "1000:1000";

/// The module of the version that the product pins.
pub const PRODUCT: &str = "operator/src/nats_server/module";

/// The module of the minor version before.
pub const PREVIOUS: &str = "tests/kind/images/nats-server-previous";

/// Makes the image, or finds it made.
pub fn build(checkout: &Path, module: &str, cache: &Cache, progress: &Progress) -> Result<Built> {
    let program = Program {
        module: &checkout.join(module),
        package: PACKAGE,
    };
    let path = format!("{PROGRAMS}/nats-server");
    let recipe = Recipe {
        name: "nats-server",
        tag: Some(program.version_of(PACKAGE)?),
        config: Config {
            entrypoint: vec![path.clone()],
            environment: vec![PATH.to_owned()],
            user: USER.to_owned(),
            stop_signal: String::new(),
        },
        key: program.into_key(Key::new().text("image", include_str!("nats_server.rs")))?,
    };
    recipe.keep(cache, progress, |archive, parts, part| {
        let built = parts.join("nats-server");
        program.build(&built, part)?;
        archive.add(&path, Entry::host_file(built))?;
        // JetStream's default folder is below it.
        archive.add("/tmp", Entry::directory().mode(0o1777))
    })
}
