//! What the operator asks of the API server.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use svom_cluster::notes::{at_level, figure};

use crate::audit::{Calls, calls};
use crate::clients::two_users;
use crate::scene::Scene;

/// What is granted and was not used here: what only happens to a bus that falls or is asked for less.
const NOT_USED: [&str; 0] = [];

pub fn nothing_is_written_while_nothing_happens_and_nothing_is_granted_in_vain(
    scene: &Scene,
) -> Result<()> {
    scene.apply("fsc", &json!({"users": two_users()}))?;
    scene.ready("fsc")?;
    let log = scene.cluster.audit_log().context("no audit log")?;
    let account = format!("system:serviceaccount:{}:svom-messaging", scene.namespace);
    // What was begun comes to its end first.
    let mut settled = calls(&log, &account)?.writes_beside_the_lease();
    loop {
        thread::sleep(Duration::from_secs(5));
        let now = calls(&log, &account)?.writes_beside_the_lease();
        if now == settled {
            break;
        }
        settled = now;
    }
    let minutes = at_level(2, 10);
    thread::sleep(Duration::from_secs(60 * minutes));
    let after = calls(&log, &account)?;
    let written = after.writes_beside_the_lease() - settled;
    figure(
        "writes of the operator while nothing happens",
        format!("{written} in {minutes} min"),
    )?;
    ensure!(written == 0, "written while nothing happened: {after}");
    let refused = after.refused();
    ensure!(refused.is_empty(), "asked for and not granted: {refused:?}");
    let granted = Calls::granted(&scene.get(&["roles"])?);
    let vain: Vec<_> = granted
        .iter()
        .filter(|call| !after.contains(call) && !NOT_USED.contains(&call.as_str()))
        .collect();
    eprintln!("granted and not used by a bus that is made and runs: {vain:?}");
    Ok(())
}
