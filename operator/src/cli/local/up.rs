//! `local up`: the runner in front.

use std::process::ExitCode;

use anyhow::Context;
use svom_plan::Valid;

use super::UpArgs;
use crate::local::folder::Folder;
use crate::local::lock::Lock;
use crate::local::process::{Program, Servers};
use crate::local::recipe::{Bus, Place, Tell};
use crate::local::run::{Left, Run, block_on, run as run_bus};
use crate::nats_server::{NatsServer, PINNED, Places, find};
use crate::resource;
use crate::store::{Files, prepare};
use crate::table;

pub(super) fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    let bytes = resource::bytes(&args.file)?;
    let wanted = match resource::checked(&bytes) {
        Ok(wanted) => wanted,
        Err(troubles) => {
            table::print(&resource::told(&args.file.display().to_string(), &troubles))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    block_on(up(args, wanted)).context("no runtime could be made")?
}

async fn up(args: UpArgs, wanted: Valid) -> anyhow::Result<ExitCode> {
    let folder = Folder::create(&args.dir.dir)?;
    prepare(&Files::default(), folder.path())?;
    let lock = Lock::take(&folder)?;
    let program = program(&args, &wanted).await?;
    let servers = Servers::new(Program {
        binary: program.path,
        folder: folder.clone(),
    });
    let place = Place {
        folder: folder.clone(),
        port: args.port,
        secrets: args.secrets,
        after_crash: lock.after_crash(),
    };
    let tell: Tell = Box::new(table::tell);
    let (bus, last_status) = Bus::new(place, wanted, servers.clone(), tell)?;
    let run = Run {
        folder,
        lock,
        servers,
        last_status,
    };
    match run_bus(run, bus)
        .await
        .map_err(|error| anyhow::anyhow!("{error:#}"))?
    {
        Left::Signal(name) => table::tell(&format!(
            "stopped by {name}; messages and credentials are kept"
        )),
        Left::Down { deleted: false } => table::tell("stopped; messages and credentials are kept"),
        Left::Down { deleted: true } => table::tell("stopped and deleted"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn program(args: &UpArgs, wanted: &Valid) -> anyhow::Result<NatsServer> {
    let places = Places::from_environment(args.nats_server.clone());
    let program = find(&places, &mut |progress| table::tell(&progress.to_string())).await?;
    if let Some(version) = &wanted.version
        && *version != program.version.to_string()
    {
        anyhow::bail!(
            "spec.version is {version}, and {} is nats-server {}: leave spec.version out, or name a nats-server of \
             that version with --nats-server (this release was tested with {PINNED})",
            program.path.display(),
            program.version
        );
    }
    Ok(program)
}
