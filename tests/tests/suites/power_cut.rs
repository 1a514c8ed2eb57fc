//! The power of all servers fails at the same moment. With the default nothing acknowledged is lost;
//! with the servers' own default, the control, something is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use svom_cluster::slots::Slot;
use svom_tests::bus::Bus;
use svom_tests::client::{Client, Library};
use svom_tests::generated::{head, herald_and_auditor};
use svom_tests::load::{Publisher, received};
use svom_tests::local::LocalBus;
use svom_tests::poll;
use svom_tests::processes;
use svom_tests::report::{figure, print, skip};
use svom_tests::sizes::sizes;
use svom_tests::traffic::{self, PRODUCER};
use svom_tests::volumes::{self, Volume};

const PUBLISHERS: usize = 4;
const READ_WITHIN: Duration = Duration::from_secs(60);

fn resource(sync: &str) -> String {
    format!(
        "{}spec:\n  storage: {{sync: {sync}}}\n  users:\n{}{}",
        head("power"),
        herald_and_auditor(&["data"]),
        traffic::users()
    )
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() -> Result<()> {
    if let Some(why) = volumes::missing() {
        return skip(
            "power_cut::nothing_acknowledged_is_lost_in_a_power_cut",
            &why,
        );
    }
    for _ in 0..sizes().power_cuts {
        let (acknowledged, lost) = cut("Always")?;
        ensure!(
            lost.is_empty(),
            "{} of {acknowledged} acknowledged messages are lost, the first: {:?}",
            lost.len(),
            lost.first()
        );
    }
    let (acknowledged, lost) = cut("2m")?;
    ensure!(
        !lost.is_empty(),
        "the control lost none of {acknowledged}: this power cut proves nothing"
    );
    Ok(())
}

/// Returns how many messages were acknowledged before the cut, and which of them are not there after
/// it.
fn cut(sync: &str) -> Result<(usize, BTreeSet<String>)> {
    let bus = LocalBus::prepare(&resource(sync), Slot::alone())?;
    // Declared after the bus and so dropped before it: the bus is ended first below in any case.
    let mut volumes = volumes(&bus)?;
    let result = cut_and_count(&bus, &mut volumes);
    // Nothing may use the volumes when they are unmounted.
    let ended = bus.crash();
    drop(volumes);
    let (acknowledged, lost) = result?;
    ended?;
    let words = format!(
        "{} of {acknowledged} acknowledged messages lost",
        lost.len()
    );
    figure(&format!("power cut with sync {sync}"), words)?;
    Ok((acknowledged, lost))
}

fn volumes(bus: &LocalBus) -> Result<Vec<Volume>> {
    let images = bus.state().with_file_name("volumes");
    fs::create_dir_all(&images)?;
    fs::create_dir_all(bus.state())?;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(bus.state(), private.clone())?;
    let mut volumes = Vec::new();
    for server in bus.servers() {
        let place = bus.store(&server);
        volumes.push(Volume::make(&images.join(&server), &place)?);
        fs::set_permissions(&place, private.clone())?;
    }
    fs::set_permissions(bus.state().join("servers"), private)?;
    Ok(volumes)
}

fn cut_and_count(bus: &LocalBus, volumes: &mut [Volume]) -> Result<(usize, BTreeSet<String>)> {
    bus.begin()?;
    let acknowledged = publish_until_cut(bus, volumes)?;
    bus.crash()?;
    volumes.iter_mut().try_for_each(Volume::restore)?;
    let count = acknowledged.len();
    match bus.begin() {
        Ok(()) => Ok((count, missing(bus, &acknowledged)?)),
        // Servers that lost what they had said to one another may wait for one another for ever. What
        // no server leads can be read by nobody.
        Err(_) if bus.processes().len() == bus.servers().len() && is_leaderless(bus)? => {
            print("DATA has no leader after the power cut, and everything in it is lost");
            Ok((count, acknowledged))
        }
        Err(problem) => Err(problem),
    }
}

fn is_leaderless(bus: &LocalBus) -> Result<bool> {
    let domains = bus.status()?.domains;
    let data = domains.iter().find(|domain| domain.stream == "DATA");
    Ok(data.is_some_and(|data| data.leader.is_none()))
}

/// Everything stands still at one moment: first the servers, so that none acknowledges what another
/// has lost, then the volumes. Returns what was acknowledged until then.
fn publish_until_cut(bus: &LocalBus, volumes: &[Volume]) -> Result<BTreeSet<String>> {
    let mut publishers = Vec::new();
    for number in 0..PUBLISHERS {
        let prefix = format!("p{number}-");
        publishers.push(Publisher::begin(
            Library::AsyncNats,
            &bus.credentials(PRODUCER)?,
            &["data.vhf"],
            &prefix,
        )?);
    }
    for publisher in &publishers {
        publisher.wait_for_more(sizes().messages_before_power_cut / PUBLISHERS)?;
    }
    bus.processes()
        .iter()
        .for_each(|server| processes::signal(server.pid, Signal::STOP));
    volumes.iter().try_for_each(Volume::cut)?;
    let mut acknowledged = BTreeSet::new();
    for publisher in publishers {
        let messages = publisher.client.acknowledged();
        acknowledged.extend(messages.into_iter().map(|message| message.id));
        publisher.client.kill()?;
    }
    Ok(acknowledged)
}

fn missing(bus: &LocalBus, acknowledged: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let auditor = Client::connect(
        Library::AsyncNats,
        &bus.credentials(svom_tests::rights::AUDITOR)?,
    )?;
    auditor.bind("DATA", "auditor_data", false)?;
    poll::until("everything that is left", READ_WITHIN, || {
        let info = auditor.consumer_info("DATA", "auditor_data")?;
        let read = received(&auditor.events(), "auditor_data").len() as u64;
        Ok((info.pending == 0 && read >= info.unacknowledged).then_some(()))
    })?;
    let there = received(&auditor.events(), "auditor_data");
    Ok(acknowledged
        .iter()
        .filter(|id| !there.contains_key(*id))
        .cloned()
        .collect())
}
