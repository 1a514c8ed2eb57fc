//! For tests: the real server program, plain configurations for it, and waiting for what must come.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::folder::Folder;

/// The nats-server program: `SVOM_NATS_SERVER`, else the one on PATH.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        std::env::split_paths(&path)
            .map(|dir| dir.join("nats-server"))
            .find(|file| file.is_file())
    };
    std::env::var_os("SVOM_NATS_SERVER")
        .map(PathBuf::from)
        .or_else(on_path)
        .expect("these tests need nats-server: on PATH, or its path in SVOM_NATS_SERVER")
}

/// Folder and configuration of a single plain server.
pub fn write_plain(folder: &Folder, name: &str, port: u16) {
    fs::create_dir_all(folder.server(name)).unwrap();
    fs::write(
        folder.server(name).join("server.json"),
        format!(r#"{{"host": "127.0.0.1", "port": {port}}}"#),
    )
    .unwrap();
}

/// Waits, without a runtime, until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "still not so after 30 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process has ended; one that nobody has waited for counts as ended.
pub fn gone(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.map_or(true, |stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with(['Z', 'X']))
    })
}
