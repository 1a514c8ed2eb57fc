//! What installs the operator, installed: what the API server makes of it, what it grants, what an
//! upgrade and a removal leave; and that it works.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use svom_cluster::cluster::Cluster;
use svom_cluster::kubectl::Kubectl;
use svom_cluster::notes::skip;

mod chart;
mod helm;
mod manifests;
mod works;

const DEFINITION: &str = "svommessagings.messaging.svom.eu";
/// Servers of a bus take their time to leave.
const LIMIT: Duration = Duration::from_secs(240);

/// A bus that nobody runs, as a person would ask for it.
const BUS: &str = "{apiVersion: messaging.svom.eu/v1alpha1, kind: SvomMessaging, metadata: {name: fsc}, \
                   spec: {users: [{name: desk, publish: [data.vhf]}]}}";

/// There is one definition in a cluster: whoever installs it has it alone.
static DEFINITION_IS_MINE: Mutex<()> = Mutex::new(());

/// A cluster without the operator's definition, and namespaces that go away with this.
struct Place {
    cluster: Cluster,
    namespaces: Vec<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    /// `Ok(None)` where the test was skipped: it deletes the definition in the end, and with it every
    /// bus of the cluster.
    fn prepare(test: &str, namespaces: &[&str]) -> Result<Option<Self>> {
        let cluster = match Cluster::for_tests("installing")? {
            Ok(cluster) => cluster,
            Err(skipped) => return skip(test, skipped.why).map(|()| None),
        };
        if cluster.engine().is_none() {
            let why = "the definition is removed only from a cluster that was made here";
            return skip(test, why).map(|()| None);
        }
        let alone = DEFINITION_IS_MINE.lock();
        let this = std::process::id();
        let place = Self {
            cluster,
            namespaces: namespaces
                .iter()
                .map(|name| format!("{name}-{this}"))
                .collect(),
            _alone: alone.unwrap_or_else(PoisonError::into_inner),
        };
        for name in &place.namespaces {
            place.kubectl().run(["create", "namespace", name])?;
        }
        Ok(Some(place))
    }

    fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    fn namespace(&self, number: usize) -> Result<&str> {
        let name = self.namespaces.get(number).map(String::as_str);
        name.context("a namespace that was not asked for")
    }

    /// A bus in a namespace, which nothing that is removed may take along.
    fn ask_for_a_bus(&self, namespace: &str) -> Result<()> {
        let named = format!("metadata: {{namespace: {namespace}, name: fsc}}");
        let bus = BUS.replace("metadata: {name: fsc}", &named);
        self.kubectl().apply(&bus)
    }

    fn has_the_bus(&self, namespace: &str) -> Result<bool> {
        let namespace = format!("--namespace={namespace}");
        let found = self.kubectl().find(&[&namespace, "svm", "fsc"])?;
        Ok(found.is_some())
    }

    /// What an account of a namespace may do in another, as lines.
    fn may(&self, account: &str, of: &str, namespace: &str) -> Result<String> {
        self.kubectl().run([
            "auth",
            "can-i",
            "--list",
            "--no-headers",
            &format!("--as=system:serviceaccount:{of}:{account}"),
            &format!("--namespace={namespace}"),
        ])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let object = |version: &str, kind: &str, name: &str| {
            format!("---\n{{apiVersion: {version}, kind: {kind}, metadata: {{name: {name}}}}}\n")
        };
        let mut gone = object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            DEFINITION,
        );
        for name in &self.namespaces {
            gone += &object("v1", "Namespace", name);
        }
        if let Err(problem) = self.kubectl().delete(&gone, LIMIT) {
            eprintln!("{problem:#}");
        }
    }
}
