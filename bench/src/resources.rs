//! The resources that are measured with.

use std::ops::Range;

use anyhow::{Result, anyhow};
use svom_operator::resource::{checked, told};
use svom_plan::Valid;

/// The smallest bus: two users, the mission's queues.
pub const MINIMAL: &str = include_str!("../../manifests/examples/minimal.yaml");
/// A whole ground segment.
pub const MISSION: &str = include_str!("../../manifests/examples/mission.yaml");

const HEAD: &str = "apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: bench}
spec:
  users:
";

/// Users with these numbers, each of which may publish to one queue and read three.
pub fn of_users(numbers: Range<usize>) -> String {
    let user = |number| {
        let name = user_name(number);
        format!("    - {{name: {name}, publish: [data.vhf], subscribe: [\"data.*\"]}}\n")
    };
    HEAD.to_owned() + &numbers.map(user).collect::<String>()
}

/// Name of the user with this number.
pub fn user_name(number: usize) -> String {
    format!("user-{number}")
}

/// Users that may publish to and read all of the mission's thirteen queues, with a durable
/// subscription each.
pub fn of_users_with_all_rights(users: usize) -> String {
    let user = |number| {
        let name = user_name(number);
        let all = r#"["activity.*", "science.*", "data.*"]"#;
        let durable = r#"{name: own, queues: ["data.*"]}"#;
        format!("    - {{name: {name}, publish: {all}, subscribe: {all}, durables: [{durable}]}}\n")
    };
    HEAD.to_owned() + &(0..users).map(user).collect::<String>()
}

/// The resource as the plan takes it.
pub fn valid(resource: &str) -> Result<Valid> {
    checked(resource.as_bytes()).map_err(|troubles| anyhow!("{}", told("resource", &troubles)))
}
