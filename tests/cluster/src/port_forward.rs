//! A port of a pod on the machine's loopback interface, by `kubectl port-forward`: past every
//! NetworkPolicy, since the connection is made within the pod.
//!
//! In: a pod and its port. Out: a port of the machine, for as long as this lives. kubectl gives up when a
//! connection ends badly: one that may end so has a port for itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context, Result};

use crate::kubectl::Kubectl;

/// A pod's port on the machine.
#[derive(Debug)]
pub struct PortForward {
    kubectl: Child,
    port: u16,
    /// kubectl says each connection, and ends when nobody hears it.
    said: BufReader<ChildStdout>,
}

impl PortForward {
    /// To this port of a pod.
    ///
    /// # Errors
    /// When there is no such pod, or it does not run.
    pub fn to(kubectl: &Kubectl, namespace: &str, pod: &str, port: u16) -> Result<Self> {
        let mut command = kubectl.command([
            "port-forward",
            "--address=127.0.0.1",
            "--namespace",
            namespace,
            pod,
            &format!(":{port}"),
        ]);
        let mut kubectl = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start kubectl port-forward")?;
        let said = kubectl.stdout.take().context("kubectl has no output")?;
        // From here on it ends with this, whatever it says.
        let mut forward = Self {
            kubectl,
            port: 0,
            said: BufReader::new(said),
        };
        let mut line = String::new();
        forward.said.read_line(&mut line)?;
        forward.port = listens_on(&line).with_context(|| {
            format!("kubectl port-forward to port {port} of pod {namespace}/{pod} does not listen: {line:?}")
        })?;
        Ok(forward)
    }

    /// The port on the machine.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PortForward {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.kubectl.kill().and_then(|()| self.kubectl.wait());
    }
}

/// Of `Forwarding from 127.0.0.1:40123 -> 6222`.
fn listens_on(line: &str) -> Option<u16> {
    let (from, _) = line.split_once(" -> ")?;
    from.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::listens_on;

    #[test]
    fn the_port_is_read_from_the_first_line() {
        let line = "Forwarding from 127.0.0.1:40123 -> 6222\n";
        assert_eq!(listens_on(line), Some(40_123));
        assert_eq!(listens_on(""), None);
    }
}
