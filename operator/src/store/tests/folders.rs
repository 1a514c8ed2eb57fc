//! Which folders and files are taken, closed or refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use expect_test::expect;
use tempfile::TempDir;

use super::{assert_closed, open};
use crate::store::fixtures::{bus, now, servers};
use crate::store::{Files, prepare};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folders_that_are_refused() {
    let temporary = TempDir::new().unwrap();
    let at = |name: &str| temporary.path().join(name);
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("home")).unwrap();
    fs::write(at("home/thesis.tex"), "").unwrap();
    chmod(&at("home"), 0o755);
    let mut said = String::new();
    for name in [
        "link",
        "link/",
        "file",
        "home",
        "not/there",
        "pri$on",
        "new\nline",
    ] {
        let error = prepare(&Files::default(), &at(name))
            .err()
            .map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{name} was taken"));
        said.push_str(&error.replace(&temporary.path().display().to_string(), "DIR"));
        said.push('\n');
    }
    expect![[r#"
        DIR/link: is not a folder (a link is not followed): move it away
        DIR/link: is not a folder (a link is not followed): move it away
        DIR/file: is not a folder (a link is not followed): move it away
        DIR/home: is open to others and holds thesis.tex, which is not of a bus: choose a folder of its own with --dir, or close it (chmod 700)
        DIR/not: is not there: make it first, or choose another folder with --dir
        DIR/pri$on: has a $ in its path, which the nats command takes for a variable: choose another folder with --dir
        DIR/new
        line: has a control character in its path: choose another folder with --dir
    "#]].assert_eq(&said);
    assert_eq!(
        fs::metadata(at("home")).unwrap().permissions().mode() & 0o777,
        0o755
    );
}

#[test]
fn folders_that_are_taken_and_closed() {
    let temporary = TempDir::new().unwrap();
    for (name, content) in [("empty", None), ("ours", Some("lock")), ("new", None)] {
        let path = temporary.path().join(name);
        if name != "new" {
            fs::create_dir(&path).unwrap();
            chmod(&path, 0o755);
        }
        if let Some(content) = content {
            fs::write(path.join(content), "").unwrap();
        }
        assert_eq!(prepare(&Files::default(), &path.join(".")).unwrap(), path);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700,
            "{name}"
        );
    }
    let closed = temporary.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("thesis.tex"), "").unwrap();
    chmod(&closed, 0o700);
    prepare(&Files::default(), &closed).unwrap();
}

#[test]
fn modes_that_became_too_wide_are_narrowed() {
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let minted = store.complete(&bus(), &servers(1), now()).unwrap();
    let secrets = store.dir().join("secrets");
    chmod(&secrets, 0o755);
    chmod(&secrets.join("operator.json"), 0o644);
    let store = open(&temporary, Files::default());
    assert_eq!(store.load(&bus(), &servers(1)).unwrap(), minted);
    assert_closed(store.dir());
}

#[test]
fn what_is_not_a_plain_file_is_refused() {
    let temporary = TempDir::new().unwrap();
    let store = open(&temporary, Files::default());
    let file = store.dir().join("secrets/operator.json");
    let mut said = String::new();
    let mut load = || {
        let error = store.load(&bus(), &servers(1)).unwrap_err().to_string();
        said.push_str(&error.replace(&store.dir().display().to_string(), "DIR"));
        said.push('\n');
    };
    symlink("/dev/null", &file).unwrap();
    load();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    load();
    fs::remove_dir(&file).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    load();
    fs::remove_file(&file).unwrap();
    fs::write(&file, vec![b' '; (1 << 20) + 1]).unwrap();
    chmod(&file, 0o600);
    load();
    expect![[r#"
        DIR/secrets/operator.json: is not a plain file: move it away
        DIR/secrets/operator.json: is not a plain file: move it away
        DIR/secrets/operator.json: is not a plain file: move it away
        DIR/secrets/operator.json: has more than 1 MiB, which nothing of its kind has: move it away
    "#]]
    .assert_eq(&said);
}

#[test]
fn another_users_folder_is_refused() {
    let temporary = TempDir::new().unwrap();
    let path = temporary.path().join("theirs");
    fs::create_dir(&path).unwrap();
    if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
        eprintln!("skipped: only root can give a folder away");
        return;
    }
    let error = prepare(&Files::default(), &path).unwrap_err().to_string();
    let error = error.replace(&temporary.path().display().to_string(), "DIR");
    expect!["DIR/theirs: belongs to user 12345, and this runs as user 0: run it as that user, or choose another folder with --dir"].assert_eq(&error);
}
