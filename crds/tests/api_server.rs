//! Files are read as the API server reads resources: the tables of `tests/crd`, which the API
//! server's own code is held to, held to here.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what is missing is a failure"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use svom_crds::read::{Defect, read};
use svom_crds::{API_VERSION, KIND, SvomMessaging};

#[derive(Deserialize)]
struct Case {
    why: String,
    #[serde(default = "usual_name")]
    name: String,
    #[serde(default)]
    spec: Option<Value>,
    #[serde(default)]
    unknown: Vec<String>,
    #[serde(default)]
    answers: Vec<Answer>,
    #[serde(default)]
    stored: Value,
}

#[derive(Deserialize)]
struct Answer {
    path: String,
    message: String,
}

fn usual_name() -> String {
    "fsc".to_owned()
}

fn table(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/crd/testdata")
        .join(name);
    let cases: Vec<Case> = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    cases
}

fn read_with(name: &str, spec: Option<&Value>) -> Result<SvomMessaging, Vec<Defect>> {
    let mut resource = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}});
    if let Some(spec) = spec {
        resource["spec"] = spec.clone();
    }
    read(resource.to_string().as_bytes())
}

/// Where the API server says the same thing twice (of a list and of its entry, say), once is enough.
#[test]
fn what_the_api_server_refuses_is_refused_here_at_the_same_fields() {
    let mut different = Vec::new();
    for case in table("refused.yaml") {
        let defects = read_with(&case.name, case.spec.as_ref())
            .err()
            .unwrap_or_default();
        let here: BTreeSet<&str> = defects.iter().map(|defect| defect.path.as_str()).collect();
        let answers = case.answers.iter().map(|answer| answer.path.as_str());
        let there: BTreeSet<&str> = case
            .unknown
            .iter()
            .map(String::as_str)
            .chain(answers)
            .collect();
        let said_here = |path: &&str| here.iter().any(|above| path.starts_with(above));
        if !here.is_subset(&there) || !there.iter().all(said_here) {
            different.push(format!("{}: here {defects:?}, there {there:?}", case.why));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Of a rule the message is the project's own: it is the same on both sides.
#[test]
fn rules_answer_with_the_same_words() {
    let mut compared = 0;
    for case in table("refused.yaml") {
        let defects = read_with(&case.name, case.spec.as_ref())
            .err()
            .unwrap_or_default();
        for Answer { path, message } in &case.answers {
            if !message.starts_with("write ") {
                continue;
            }
            compared += 1;
            assert!(
                defects
                    .iter()
                    .any(|defect| &defect.path == path && &defect.message == message),
                "{}: {path}: {message}: not among {defects:?}",
                case.why
            );
        }
    }
    assert!(compared > 20, "only {compared} rules were compared");
}

#[test]
fn what_the_api_server_stores_is_what_is_read_here() {
    for case in table("accepted.yaml") {
        let written = read_with(&case.name, case.spec.as_ref());
        let stored = read_with(&case.name, case.stored.get("spec"));
        assert!(written.is_ok(), "{}: {written:?}", case.why);
        assert_eq!(
            written.ok().map(|it| it.spec),
            stored.ok().map(|it| it.spec),
            "{}",
            case.why
        );
    }
}
