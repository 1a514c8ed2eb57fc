use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder of programs that only pretend, removed with it.
struct Programs(PathBuf);

impl Programs {
    fn new(name: &str) -> Self {
        let folder =
            env::temp_dir().join(format!("svom-nats-server-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// What is said, with the folder's name taken out.
    fn words(&self, said: impl fmt::Display) -> String {
        said.to_string().replace(&*self.0.to_string_lossy(), "DIR")
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn says(line: &str) -> String {
    format!("#!/bin/sh\necho '{line}'\n")
}

fn only(explicit: &Path) -> Places {
    Places {
        explicit: Some(explicit.to_owned()),
        path: None,
        cache: None,
    }
}

#[tokio::test]
async fn an_explicit_program_that_cannot_be_used_is_an_error() {
    let programs = Programs::new("explicit");
    let cases = [
        (
            programs.write("old", 0o755, &says("nats-server: v2.14.6")),
            "DIR/old is nats-server 2.14.6, which is too old: 2.15.x from 2.15.1 on is supported",
        ),
        (
            programs.write("new", 0o755, &says("nats-server: v2.16.0")),
            "DIR/new is nats-server 2.16.0, which is too new: 2.15.x from 2.15.1 on is supported",
        ),
        (
            programs.write("candidate", 0o755, &says("nats-server: v2.15.2-RC.1")),
            "DIR/candidate is not a released nats-server: `--version` printed \"nats-server: v2.15.2-RC.1\"",
        ),
        (
            programs.write("other", 0o755, &says("GNU Hello 2.12")),
            "DIR/other is not a released nats-server: `--version` printed \"GNU Hello 2.12\"",
        ),
        (
            programs.write("fails", 0o755, "#!/bin/sh\nexit 3\n"),
            "DIR/fails is not a nats-server: `--version` ended with exit status: 3",
        ),
        (
            programs.write("hangs", 0o755, "#!/bin/sh\nsleep 60\n"),
            "DIR/hangs is not a nats-server: `--version` did not come to an end within 5 s",
        ),
        (
            programs.write("endless", 0o755, "#!/bin/sh\nexec cat /dev/zero\n"),
            "DIR/endless is not a nats-server: `--version` ended with signal: 13 (SIGPIPE)",
        ),
        (
            programs.write("plain", 0o644, &says("nats-server: v2.15.1")),
            "DIR/plain cannot be run (it may not be executed)",
        ),
        (
            programs.write("orphan", 0o755, "#!/no/such/interpreter\n"),
            "DIR/orphan cannot be run (the interpreter that it names is missing)",
        ),
        (programs.0.join("none"), "DIR/none does not exist"),
        (
            programs.0.clone(),
            "DIR cannot be run (it may not be executed)",
        ),
    ];
    for (program, expected) in cases {
        let error = find(&only(&program), &mut |_| {}).await.unwrap_err();
        assert_eq!(
            programs.words(error),
            format!("{expected}. Name another with --nats-server, or leave the option out")
        );
    }
}

#[tokio::test]
async fn a_wrong_program_on_path_is_passed_over_with_a_word() {
    let programs = Programs::new("path");
    programs.write("bin/nats-server", 0o755, &says("nats-server: v2.10.1"));
    let places = Places {
        explicit: None,
        path: Some(programs.0.join("bin").into_os_string()),
        cache: Some(programs.0.join("cache")),
    };
    let mut said = Vec::new();
    let error = find(&places, &mut |progress| said.push(programs.words(progress)))
        .await
        .unwrap_err();
    assert_eq!(
        said,
        [
            "passed over the nats-server on PATH: DIR/bin/nats-server is nats-server 2.10.1, \
          which is too old: 2.15.x from 2.15.1 on is supported"
        ]
    );
    assert_eq!(
        programs.words(error),
        "no nats-server is on PATH, and none could be built. Install nats-server 2.15.1, or Go 1.26 \
         which builds it, or mend this: Go is not on PATH either"
    );
}

#[tokio::test]
async fn path_goes_before_the_cache() {
    let programs = Programs::new("order");
    let cache = programs.0.join("cache");
    let name = cache::program(Path::new("cache"));
    let kept = programs.write(
        &name.to_string_lossy(),
        0o755,
        &says("nats-server: v2.15.1"),
    );
    let mut places = Places {
        explicit: None,
        path: Some(programs.0.join("bin").into_os_string()),
        cache: Some(cache),
    };
    let found = find(&places, &mut |_| {}).await.unwrap();
    assert_eq!((found.path, found.origin), (kept, Origin::Cache));

    let there = programs.write("bin/nats-server", 0o755, &says("nats-server: v2.15.4"));
    places.path = Some(programs.0.join("bin").into_os_string());
    let found = find(&places, &mut |_| {}).await.unwrap();
    assert_eq!((found.path, found.origin), (there, Origin::Path));
}

/// What Go is asked is not tried here (it needs the network); what becomes of its answers is.
#[tokio::test]
async fn a_build_leaves_one_program_or_nothing() {
    let programs = Programs::new("build");
    let cache = programs.0.join("cache");
    programs.write("cache/build-dead/nats-server", 0o755, "half a program");
    let places = Places {
        explicit: None,
        path: Some(programs.0.join("bin").into_os_string()),
        cache: Some(cache.clone()),
    };

    programs.write(
        "bin/go",
        0o755,
        "#!/bin/sh\necho 'go: no network' >&2\nexit 1\n",
    );
    let error = find(&places, &mut |_| {}).await.unwrap_err();
    assert_eq!(
        programs.words(error),
        "no nats-server is on PATH, and none could be built. Install nats-server 2.15.1, or Go 1.26 \
         which builds it, or mend this: `go build` ended with exit status: 1 (it needs Go 1.26, and \
         the module proxy or a filled module cache); its last lines:\ngo: no network"
    );
    assert_eq!(files(&cache), ["build.lock"]);

    let go =
        "#!/bin/sh\nprintf '#!/bin/sh\\necho nats-server: v2.15.1\\n' >\"$4\"\nchmod 755 \"$4\"\n";
    programs.write("bin/go", 0o755, go);
    let (mut quiet, mut also_quiet) = (|_| {}, |_| {});
    let (one, two) = tokio::join!(find(&places, &mut quiet), find(&places, &mut also_quiet));
    let mut origins = [one.unwrap().origin, two.unwrap().origin];
    origins.sort_by_key(|origin| *origin == Origin::Built);
    assert_eq!(origins, [Origin::Cache, Origin::Built]);
    let program = cache::program(Path::new(""));
    assert_eq!(files(&cache), ["build.lock", &*program.to_string_lossy()]);
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
