//! `run`: the operator on Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::kubernetes::controller::Reconcile;
use crate::kubernetes::process::{self, Format, Options, Tools};
use crate::kubernetes::rights::LEASE;
use crate::local::run::block_on;

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// A namespace whose resources are looked after; may be given again. Left out: the own one, of the
    /// pod's service account or of the kubeconfig's context.
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = namespace)]
    namespaces: Vec<String>,
    /// How the log is written.
    #[arg(long, value_enum, default_value_t)]
    log: Format,
    /// Where /healthz, /readyz and /metrics are served; `none`: nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080", value_parser = listen)]
    listen: Listen,
    /// What this process is called in the Lease; no other may have the name. Left out: the pod, where
    /// POD_NAME and POD_UID say which, else the machine's name and a random number.
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// A kubeconfig. Left out: $KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig. Left out: the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Name of the Lease, in the own namespace: of the processes that name the same, one acts.
    #[arg(long, value_name = "NAME", default_value = LEASE, value_parser = namespace)]
    lease_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address = text.parse().map(|address| Listen(Some(address)));
    address.map_err(|_| {
        "write an address and a port, as 0.0.0.0:8080 or [::]:8080, or none".to_owned()
    })
}

/// The name becomes a part of an address.
fn namespace(text: &str) -> Result<String, String> {
    let fits = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    };
    if (1..=63).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 63 lower-case letters, digits and '-'".to_owned())
    }
}

/// Runs the operator until a signal says to end.
pub fn run<R: Reconcile>(args: RunArgs, make: impl Fn(Tools) -> R) -> anyhow::Result<ExitCode> {
    let RunArgs {
        namespaces,
        log,
        listen: Listen(listen),
        identity,
        kubeconfig,
        context,
        lease_name: lease,
    } = args;
    let options = Options {
        namespaces,
        log,
        listen,
        identity,
        kubeconfig,
        context,
        lease,
    };
    block_on(process::run(options, make)).context("no runtime could be made")??;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};
    use expect_test::expect;

    use super::*;

    fn parsed(words: &str) -> String {
        let command = RunArgs::augment_args(clap::Command::new("run"));
        let words = std::iter::once("run").chain(words.split_whitespace());
        match command.try_get_matches_from(words) {
            Ok(matches) => format!(
                "{:?}",
                RunArgs::from_arg_matches(&matches).expect("arguments")
            ),
            Err(error) => error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    #[test]
    fn words_are_taken_or_refused() {
        let told = [
            "",
            "-n a --namespace b --log json --listen none --identity me --lease-name other",
            "--listen [::]:1",
            "--listen 8080",
            "--namespace ../b",
            "--lease-name -",
            "--log yaml",
        ]
        .map(parsed);
        expect![[r#"
            RunArgs { namespaces: [], log: Text, listen: Listen(Some(0.0.0.0:8080)), identity: None, kubeconfig: None, context: None, lease_name: "svom-messaging" }
            RunArgs { namespaces: ["a", "b"], log: Json, listen: Listen(None), identity: Some("me"), kubeconfig: None, context: None, lease_name: "other" }
            RunArgs { namespaces: [], log: Text, listen: Listen(Some([::]:1)), identity: None, kubeconfig: None, context: None, lease_name: "svom-messaging" }
            error: invalid value '8080' for '--listen <ADDRESS>': write an address and a port, as 0.0.0.0:8080 or [::]:8080, or none
            error: invalid value '../b' for '--namespace <NAMESPACE>': write 1 to 63 lower-case letters, digits and '-'
            error: invalid value '-' for '--lease-name <NAME>': write 1 to 63 lower-case letters, digits and '-'
            error: invalid value 'yaml' for '--log <LOG>'"#]].assert_eq(&told.join("\n"));
    }
}
