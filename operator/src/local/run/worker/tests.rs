//! A recipe at work in this process, with one server, that writes down what is asked of it. Ports 4734
//! to 4738.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use svom_plan::UnixSeconds;
use tokio::sync::Notify;

use super::super::requests::Wanted;
use super::super::{Further, Resource};
use super::*;
use crate::local::control::server::{Answer, Progress, Responder};
use crate::local::folder::Folder;
use crate::local::process::{Program, State, Why};
use crate::local::test_servers::{binary, write_plain};

/// What was asked of the recipe, in words, and who waits for the next word.
#[derive(Default)]
struct Diary {
    words: RefCell<Vec<String>>,
    written: Notify,
}

impl Diary {
    fn write(&self, word: impl Into<String>) {
        self.words.borrow_mut().push(word.into());
        self.written.notify_one();
    }

    async fn until(&self, what: &str, so: impl Fn(&[String]) -> bool) {
        let wait = async {
            while !so(&self.words.borrow()) {
                self.written.notified().await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(came.is_ok(), "{what}: {:?}", self.words.borrow());
    }
}

/// Starts its server. What it is told to hang at it never ends.
struct Plain<'a> {
    servers: Servers,
    diary: &'a Diary,
    hangs_when_killed: bool,
    moment: Option<UnixSeconds>,
}

impl Recipe for Plain<'_> {
    type Error = String;

    async fn begin(&mut self) -> Result<(), String> {
        let failed = |error: crate::local::process::ServersError| error.to_string();
        self.servers.add("a-0").await.map_err(failed)?;
        self.servers.start("a-0").await.map_err(failed)?;
        Ok(())
    }

    async fn apply(
        &mut self,
        resource: Resource,
        _: &Progress,
        further: &Further,
    ) -> Result<Value, String> {
        self.diary.write(format!("apply {}", resource.text));
        match resource.text.as_str() {
            "never" => std::future::pending().await,
            "long" => {
                further.asked_for().await;
                Ok(json!("left undone"))
            }
            text => Ok(json!(text)),
        }
    }

    async fn look(&mut self) -> Value {
        json!("looked")
    }

    async fn servers_changed(&mut self, states: States) {
        let state = states.get("a-0").cloned();
        self.diary.write(match state {
            Some(State::Running { .. }) => "up",
            Some(State::Down(Why::Killed)) => "killed",
            _ => "other",
        });
        if self.hangs_when_killed && state == Some(State::Down(Why::Killed)) {
            std::future::pending().await
        }
    }

    async fn moment_came(&mut self) {
        self.diary.write("moment");
        std::future::pending().await
    }

    fn next_moment(&self) -> Option<UnixSeconds> {
        self.moment
    }
}

struct Scene<'a> {
    servers: &'a Servers,
    wanted: &'a Wanted,
    diary: &'a Diary,
}

impl Scene<'_> {
    fn ask_for(&self, text: &str) -> Answer {
        let (responder, answer) = Responder::new();
        let resource = Resource {
            file: "bus.yaml".into(),
            text: text.into(),
        };
        self.wanted.change(resource, responder);
        answer
    }
}

async fn at_work(port: u16, edit: impl FnOnce(&mut Plain<'_>), test: impl AsyncFnOnce(Scene<'_>)) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create(root.path()).unwrap();
    write_plain(&folder, "a-0", port);
    let servers = Servers::new(Program {
        binary: binary(),
        folder,
    });
    let last_status = watch::channel(json!("last known")).1;
    let diary = Diary::default();
    let mut recipe = Plain {
        servers: servers.clone(),
        diary: &diary,
        hangs_when_killed: false,
        moment: None,
    };
    edit(&mut recipe);
    let (wanted, work) = Wanted::new();
    let busy = Cell::new(Busy::Asked);
    let worker = |work| Worker {
        work,
        servers: &servers,
        busy: &busy,
        last_status: &last_status,
    };
    let scene = Scene {
        servers: &servers,
        wanted: &wanted,
        diary: &diary,
    };
    tokio::select! {
        error = worker(work).work_on(&mut recipe) => panic!("{error}"),
        () = test(scene) => {}
    }
    servers.shutdown(Duration::ZERO).await;
    let (_, work) = Wanted::new();
    let error = worker(work).work_on(&mut recipe).await;
    assert_eq!(error, "the bus is ending");
}

#[tokio::test]
async fn the_recipe_hears_of_its_servers() {
    at_work(
        4734,
        |_| {},
        async |scene| {
            scene.diary.until("up", |words| words == ["up"]).await;
            scene.servers.kill("a-0").await.unwrap();
            let killed = |words: &[String]| words.last().is_some_and(|word| word == "killed");
            scene.diary.until("killed", killed).await;
        },
    )
    .await;
}

#[tokio::test]
async fn no_question_waits_for_a_change_that_came_with_it() {
    at_work(
        4735,
        |_| {},
        async |scene| {
            let (asks, answer) = Responder::new();
            scene.wanted.look(asks);
            let _never = scene.ask_for("never");
            assert_eq!(answer.result().await, Ok(json!("last known")));
        },
    )
    .await;
}

#[tokio::test]
async fn a_change_is_served_while_servers_are_looked_at_which_is_begun_anew() {
    at_work(
        4736,
        |recipe| recipe.hangs_when_killed = true,
        async |scene| {
            scene.diary.until("up", |words| words == ["up"]).await;
            scene.servers.kill("a-0").await.unwrap();
            let killed = |times| move |words: &[String]| count(words, "killed") == times;
            scene.diary.until("it looks", killed(1)).await;
            let answer = scene.ask_for("right").result().await;
            assert_eq!(answer, Ok(json!("right")));
            scene.diary.until("it looks again", killed(2)).await;
            // What it waited for is not so any more: it looks at what is.
            scene.servers.start("a-0").await.unwrap();
            let up = |words: &[String]| words.last().is_some_and(|word| word == "up");
            scene.diary.until("it is up again", up).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_change_is_served_before_what_is_due_which_is_begun_anew() {
    at_work(
        4737,
        |recipe| recipe.moment = Some(0),
        async |scene| {
            let moments = |times| move |words: &[String]| count(words, "moment") == times;
            scene.diary.until("it is due", moments(1)).await;
            let answer = scene.ask_for("right").result().await;
            assert_eq!(answer, Ok(json!("right")));
            scene.diary.until("it is due again", moments(2)).await;
            assert_eq!(count(&scene.diary.words.borrow(), "apply right"), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn a_change_that_takes_long_hears_of_the_next_one() {
    at_work(
        4738,
        |_| {},
        async |scene| {
            let first = scene.ask_for("long");
            let begun = |words: &[String]| count(words, "apply long") == 1;
            scene.diary.until("it is begun", begun).await;
            let second = scene.ask_for("long");
            assert_eq!(first.result().await, Ok(json!("left undone")));
            // The third waits already when the second begins.
            let third = scene.ask_for("right");
            assert_eq!(second.result().await, Ok(json!("left undone")));
            assert_eq!(third.result().await, Ok(json!("right")));
        },
    )
    .await;
}

fn count(words: &[String], word: &str) -> usize {
    words.iter().filter(|it| *it == word).count()
}
