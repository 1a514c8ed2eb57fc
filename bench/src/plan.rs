//! The plan: everything that is decided about 200 users, each with every right on thirteen queues,
//! against writing down again the documents that come out of it. And how large those are.

use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use serde_json::Value;
use svom_operator::local::folder::Folder;
use svom_operator::local::topology::{Place, topology};
use svom_operator::mint;
use svom_plan::access::matrix::matrix;
use svom_plan::material::Material;
use svom_plan::queues::{consumers, streams};
use svom_plan::server_config::{
    SECRET_LIMIT, ServerConfig, secret_size, server_configs, shared_configs,
};
use svom_plan::topology::Topology;
use svom_plan::{Problem, Valid, wanted};

use crate::paired::{Paired, Rounds, paired};
use crate::resources;
use crate::row::{Bench, Row};

const USERS: usize = 200;
const GOAL_MILLISECONDS: f64 = 20.0;

/// The plan.
pub const BENCH: Bench = Bench {
    name: "plan",
    rounds: 31,
    run: measure,
};

fn measure(rounds: Rounds) -> Result<Vec<Row>> {
    let resource = resources::of_users_with_all_rights(USERS);
    let bus = Bus::of(&resource)?;
    let documents = bus.documents()?;
    let time = paired(rounds, || bus.time_to_plan(), || time_to_write(&documents))?;
    let configs = bus.configs()?;
    let longest = configs
        .iter()
        .map(|config| config.json.reveal().len())
        .max();
    let shared = shared_configs(&bus.valid, &bus.topology, &bus.material, "accounts.json");
    let secret = secret_size(&shared.map_err(words)?, &bus.topology, &bus.material);
    let resource = resource.len();
    Ok(vec![
        Row::new(
            format!("plan of {USERS} users with all rights, against writing its JSON again"),
            "ms",
            time,
        )
        .with_goal(GOAL_MILLISECONDS),
        Row::new(
            "its configuration of one server, against the resource",
            "bytes",
            sizes(longest.unwrap_or_default(), resource)?,
        ),
        Row::new(
            "its Secret of all servers, against the resource",
            "bytes",
            sizes(secret, resource)?,
        )
        .with_goal(SECRET_LIMIT as f64),
    ])
}

/// What the plan works from.
struct Bus {
    valid: Valid,
    topology: Topology,
    material: Material,
}

impl Bus {
    /// With everything minted, in memory alone.
    fn of(resource: &str) -> Result<Self> {
        let valid = resources::valid(resource)?;
        let folder = tempfile::tempdir()?;
        let folder = Folder::create(folder.path())?;
        let topology = topology(Place {
            name: &valid.name,
            replicas: valid.replicas,
            port: 4222,
            folder: &folder,
        })?;
        let mut material = Material::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let now = i64::try_from(now)?;
        for want in wanted(&valid, &topology, &material, now).map_err(words)? {
            mint::mint(&want, &material)?.put_into(&mut material);
        }
        Ok(Self {
            valid,
            topology,
            material,
        })
    }

    fn configs(&self) -> Result<Vec<ServerConfig>> {
        server_configs(&self.valid, &self.topology, &self.material).map_err(words)
    }

    fn time_to_plan(&self) -> Result<f64> {
        let began = Instant::now();
        let made = (
            self.configs()?,
            matrix(&self.valid),
            streams(&self.valid),
            consumers(&self.valid),
        );
        let took = milliseconds(began);
        black_box(made);
        Ok(took)
    }

    /// Everything in the plan that is JSON.
    fn documents(&self) -> Result<Vec<Value>> {
        let mut documents = Vec::new();
        for config in self.configs()? {
            documents.push(serde_json::from_str(config.json.reveal())?);
        }
        for stream in streams(&self.valid).values() {
            documents.push(serde_json::to_value(stream)?);
        }
        for consumer in consumers(&self.valid).values() {
            documents.push(serde_json::to_value(consumer)?);
        }
        Ok(documents)
    }
}

fn time_to_write(documents: &[Value]) -> Result<f64> {
    let began = Instant::now();
    for document in documents {
        black_box(serde_json::to_string(document)?);
    }
    Ok(milliseconds(began))
}

/// Sizes are the same in every round.
fn sizes(subject: usize, control: usize) -> Result<Paired> {
    let of = |size: usize| Ok(size as f64);
    paired(Rounds(1), || of(subject), || of(control))
}

fn words(problems: Vec<Problem>) -> anyhow::Error {
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow!("{}", words.join("; "))
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
