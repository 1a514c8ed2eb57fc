//! One nats-server process. In: the program and the server's folder. Out: the child, which
//! never outlives this process where the system can see to that.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use std::os::unix::process::ExitStatusExt;
use tokio::process::{Child, Command};

/// Starts the server. Its group is its own, so that Ctrl-C at the terminal reaches the runner alone.
///
/// On Linux it is killed with the thread that calls this, even when this process is killed -9. On
/// other systems servers then go on; the next `up` finds their ports in use and says so.
pub fn spawn(binary: &Path, folder: &Path, log: std::fs::File) -> io::Result<Child> {
    let mut command = Command::new(binary);
    command
        .arg("-c")
        .arg(folder.join("server.json"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true);
    #[cfg(target_os = "linux")]
    die_with_us(&mut command);
    command.spawn()
}

#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let in_child = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // If the parent died before the line above, no signal will come.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls; it takes no lock and neither
    // allocates nor frees.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(in_child);
    }
}

/// How it ended, in words; the last words of its own are those of a server that gave up by itself.
pub fn ended(status: io::Result<ExitStatus>, last_words: &str) -> String {
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("ended, and how is not known: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) if last_words.is_empty() => format!("ended by itself with code {code}"),
        (Some(code), _) => format!("ended by itself with code {code}: {last_words}"),
        (None, Some(signal)) => format!("was ended by signal {signal} from outside"),
        (None, None) => "ended".into(),
    }
}
