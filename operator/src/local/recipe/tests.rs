//! The recipe on real servers, three of them. Ports 4740 to 4759, and 2,000 above.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use svom_crds::status::Truth;
use svom_plan::valid::UserName;
use tempfile::TempDir;

use super::*;
use crate::bus::Live;
use crate::local::control::server::Responder;
use crate::local::process::Program;
use crate::local::run::{Recipe, Resource};
use crate::local::test_servers::binary;
use crate::nats::bus::identities;
use crate::nats::connect::{Manner, connect};

/// A bus that stands, and what it told.
struct Scene {
    bus: Bus,
    servers: Servers,
    told: Arc<Mutex<Vec<String>>>,
    _root: TempDir,
}

fn text(users: &str) -> String {
    format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {{name: fsc}}\nspec:\n  \
         domains: [{{name: data, programs: [vhf]}}]\n  users:\n{users}"
    )
}

const DESK: &str = "  - {name: desk, subscribe: [data.vhf]}\n";
const GATE: &str = "  - {name: gate, publish: [data.vhf]}\n";

impl Scene {
    async fn begin(port: u16, users: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(&root.path().join("state")).unwrap();
        let servers = Servers::new(Program {
            binary: binary(),
            folder: folder.clone(),
        });
        let place = Place {
            folder,
            port,
            secrets: None,
            after_crash: false,
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let tell: Tell = Box::new(move |line| hears.lock().unwrap().push(line.to_owned()));
        let wanted = crate::resource::checked(text(users).as_bytes()).unwrap();
        let (mut bus, _) = Bus::new(place, wanted, servers.clone(), tell).unwrap();
        bus.begin().await.unwrap();
        let mut scene = Self {
            bus,
            servers,
            told,
            _root: root,
        };
        scene.come_to(<[String]>::is_empty).await;
        scene.told.lock().unwrap().clear();
        scene
    }

    async fn end(self) {
        drop(self.bus);
        self.servers.shutdown(Duration::ZERO).await;
    }

    async fn apply(&mut self, users: &str) -> Result<ApplyAnswer, BusError> {
        let resource = Resource {
            file: "bus.yaml".to_owned(),
            text: text(users),
        };
        let (responder, _answer) = Responder::new();
        let none = Further::already(false);
        let answer = self.bus.apply(resource, responder.progress(), &none).await;
        Ok(serde_json::from_value(answer?).unwrap())
    }

    /// What is not as it should be when somebody asks.
    async fn not_so(&mut self) -> Vec<String> {
        let status: SvomMessagingStatus = serde_json::from_value(self.bus.look().await).unwrap();
        let parts = status.conditions.iter();
        parts
            .filter(|one| one.status != Truth::True && one.type_ != "Ready")
            .map(|one| format!("{}: {}", one.type_, one.message))
            .collect()
    }

    /// Looks until it is so: on a busy machine a server may be late with one answer.
    async fn come_to(&mut self, is: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let not_so = self.not_so().await;
            if is(&not_so) {
                return;
            }
            assert!(Instant::now() < deadline, "{not_so:?}");
        }
    }

    fn signal(&self, server: &str, signal: Signal) {
        let State::Running { pid } = self.servers.states()[server] else {
            panic!("{server} does not run");
        };
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    fn standing(&self) -> &Standing {
        self.bus.standing.as_ref().unwrap()
    }

    /// The server that the operator asks for everything.
    async fn asked(&self) -> String {
        let clients = &self.standing().live.clients;
        loop {
            let [system, jetstream] = [clients.system(), clients.jetstream()]
                .map(|client| client.server_info().server_name);
            if system == jetstream {
                return system;
            }
            clients.leave_system_server().await;
        }
    }

    /// Whether what the user publishes at the server is stored.
    async fn publishes(&self, user: &str, server: &str) -> Result<(), String> {
        let Live {
            valid,
            topology,
            material,
            ..
        } = &self.standing().live;
        let mut there = topology.clone();
        there.servers.retain(|it| it.name == server);
        let identity = &identities(valid, &there, material).unwrap()[&UserName::new(user)];
        let manner = Manner {
            patience: Duration::from_secs(5),
            lasting: false,
            events: None,
        };
        let client = connect(&identity.endpoint, &identity.login, manner).await;
        let client = client.map_err(|why| why.to_string())?;
        let asked = client.request("data.vhf", "an alert".into());
        let stored = asked.await.map_err(|why| why.to_string())?;
        let stored = String::from_utf8_lossy(&stored.payload).into_owned();
        stored.contains("seq").then_some(()).ok_or(stored)
    }

    fn user_folder(&self, user: &str) -> PathBuf {
        self.bus.store.user_folder(&UserName::new(user))
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_told_alone_and_catches_up_when_it_does_not() {
    let mut scene = Scene::begin(4740, DESK).await;
    let hangs = scene.asked().await;
    scene.signal(&hangs, Signal::STOP);

    let settled = format!("Settled: {hangs}: does not answer");
    scene
        .come_to(|not_so| {
            let silent = not_so.join(" ").matches("does not answer").count();
            silent == 1 && not_so.iter().any(|one| one.starts_with(&settled))
        })
        .await;

    // What it has not read, it reads when it can, with all that a new user needs.
    let answer = scene.apply(&format!("{DESK}{GATE}")).await.unwrap();
    assert!(!answer.ready);
    scene.signal(&hangs, Signal::CONT);
    let due = scene.bus.next_moment().unwrap();
    assert!(due > now() && due <= now() + i64::try_from(AGAIN).unwrap());
    scene.bus.moment_came().await;
    scene.come_to(<[String]>::is_empty).await;
    for server in &scene.standing().live.topology.servers {
        let server = &server.name;
        assert_eq!(scene.publishes("gate", server).await, Ok(()), "{server}");
    }
    let told = scene.told.lock().unwrap().join("\n");
    assert!(told.starts_with("not ready: "), "{told}");
    assert!(told.ends_with("ready again"), "{told}");
    scene.end().await;
}

#[tokio::test]
async fn what_came_to_no_end_is_told_until_it_has_and_tried_again() {
    let mut scene = Scene::begin(4743, DESK).await;
    let folder = scene.user_folder("gate");
    fs::write(&folder, "in the way").unwrap();
    let error = scene.apply(&format!("{DESK}{GATE}")).await.err().unwrap();
    let in_the_way = format!(
        "{}: is not a folder (a link is not followed): move it away",
        folder.display()
    );
    assert_eq!(error.to_string(), in_the_way);
    let told = format!("Settled: {in_the_way}");
    assert!(scene.not_so().await.contains(&told));
    scene.bus.moment_came().await;
    assert!(scene.not_so().await.contains(&told));

    fs::remove_file(&folder).unwrap();
    scene.bus.moment_came().await;
    scene.come_to(<[String]>::is_empty).await;
    assert!(folder.join("password").exists());
    assert_eq!(scene.publishes("gate", "fsc-2").await, Ok(()));
    assert!(scene.bus.next_moment().unwrap() > now() + 3600);
    scene.end().await;
}

#[tokio::test]
async fn nothing_that_failed_once_is_told_when_it_has_been_done_since() {
    let mut scene = Scene::begin(4746, DESK).await;
    let standing = scene.bus.standing.as_mut().unwrap();
    standing.live.failures.queues = Some("no answer in time".to_owned());
    standing.live.access = Default::default();
    assert_eq!(
        scene.not_so().await,
        [
            "Settled: no answer in time",
            "AccessVerified: checks of users' rights were not proven yet"
        ]
    );
    let states = scene.servers.states();
    scene.bus.servers_changed(states).await;
    scene.come_to(<[String]>::is_empty).await;
    scene.end().await;
}

#[tokio::test]
async fn a_restart_of_all_servers_makes_way_for_a_further_change() {
    let mut scene = Scene::begin(4749, DESK).await;
    let standing = scene.bus.standing.as_mut().unwrap();
    standing.live.valid.sync = svom_plan::valid::Sync::Every(Duration::from_secs(10));
    let further = Further::already(true);
    let (store, servers) = (&scene.bus.store, &scene.servers);
    standing
        .restart_one_by_one(store, servers, &|_| (), &further)
        .await
        .unwrap();
    assert_eq!(standing.waits_for_restart().len(), 3);
    assert_eq!(
        standing.not_restarted.as_deref(),
        Some(
            "server fsc-0 is not restarted, since a further change was asked for, which goes on with that"
        )
    );
    scene.end().await;
}

#[tokio::test]
async fn a_password_that_was_altered_by_hand_locks_nobody_out() {
    let users = format!("{DESK}{GATE}");
    let mut scene = Scene::begin(4752, &users).await;
    let file = scene.bus.store.dir().join("secrets/user.gate.password");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "0123456789abcdef".repeat(4)).unwrap();
    let answer = scene.apply(GATE).await.unwrap();
    assert_eq!(answer.problems.len(), 1);
    assert!(
        answer.problems[0].starts_with("spec.users[name=gate]: the password that is kept for it"),
        "{:?}",
        answer.problems
    );
    // What takes rights away was done all the same, and everybody else is as before.
    assert!(!scene.user_folder("desk").exists());
    assert_eq!(scene.publishes("gate", "fsc-1").await, Ok(()));

    fs::write(&file, whole).unwrap();
    let answer = scene.apply(GATE).await.unwrap();
    assert!(answer.ready && answer.problems.is_empty());
    scene.end().await;
}
