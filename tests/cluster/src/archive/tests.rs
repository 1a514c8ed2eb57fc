//! The archive, read back by Python's `tarfile`, which shares no code with the writer.

use std::process::Command;

use super::*;

/// Prints what an archive says about itself and what its layer holds, and checks every hash.
const READER: &str = r#"
import hashlib, json, sys, tarfile
outer = tarfile.open(sys.argv[1])
read = lambda name: outer.extractfile(name).read()
def blob(descriptor):
    content = read("blobs/" + descriptor["digest"].replace(":", "/"))
    assert len(content) == descriptor["size"], descriptor
    assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"], descriptor
    return content
assert json.loads(read("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
[listed] = json.loads(read("index.json"))["manifests"]
[docker] = json.loads(read("manifest.json"))
manifest = json.loads(blob(listed))
config = json.loads(blob(manifest["config"]))
[layer] = manifest["layers"]
blob(layer)
assert config["rootfs"]["diff_ids"] == [layer["digest"]]
assert docker["Layers"] == ["blobs/" + layer["digest"].replace(":", "/")]
assert docker["Config"] == "blobs/" + manifest["config"]["digest"].replace(":", "/")
print(docker["RepoTags"], listed["annotations"]["io.containerd.image.name"])
print(json.dumps(config["config"], sort_keys=True))
for entry in tarfile.open(fileobj=outer.extractfile(docker["Layers"][0])):
    assert entry.mtime == 0, entry
    what = entry.linkname or (entry.isfile() and tarfile.open(fileobj=outer.extractfile(docker["Layers"][0])).extractfile(entry.name).read()[:20].decode())
    print(entry.type.decode(), oct(entry.mode), entry.uid, entry.gid, entry.name[-40:], what or "")
"#;

fn read_back(archive: &Path) -> String {
    let output = Command::new("python3")
        .args(["-c", READER])
        .arg(archive)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn written(image: &ImageArchive) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    image.write(&path).unwrap();
    (folder, path)
}

fn example(host: &Path) -> ImageArchive {
    let program = host.join("program");
    fs::write(&program, "#!").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let config = Config {
        entrypoint: vec!["/usr/bin/program".to_owned(), "run".to_owned()],
        user: "1000:1000".to_owned(),
        stop_signal: "SIGRTMIN+3".to_owned(),
        ..Config::default()
    };
    let mut image = ImageArchive::new("docker.io/library/example:1", config);
    let long = format!("/etc/{}/name", "long".repeat(30));
    let entries = [
        ("/usr/bin/program", Entry::host_file(&program)),
        ("/tmp", Entry::directory().mode(0o1777)),
        ("/etc/passwd", Entry::bytes("root:x:0:0\n")),
        ("/etc/mtab", Entry::symlink("../proc/self/mounts")),
        ("/var/mine", Entry::bytes("").mode(0o600).owner(1000, 1001)),
        (&long, Entry::bytes("deep")),
    ];
    for (path, entry) in entries {
        image.add(path, entry).unwrap();
    }
    image
}

#[test]
fn an_image_reads_back_as_it_was_put_together() {
    let host = tempfile::tempdir().unwrap();
    let (_folder, path) = written(&example(host.path()));
    expect_test::expect![[r#"
        ['docker.io/library/example:1'] docker.io/library/example:1
        {"Entrypoint": ["/usr/bin/program", "run"], "StopSignal": "SIGRTMIN+3", "User": "1000:1000"}
        5 0o755 0 0 etc 
        5 0o755 0 0 longlonglonglonglonglonglonglonglonglong 
        0 0o644 0 0 onglonglonglonglonglonglonglonglong/name deep
        2 0o777 0 0 etc/mtab ../proc/self/mounts
        0 0o644 0 0 etc/passwd root:x:0:0

        5 0o1777 0 0 tmp 
        5 0o755 0 0 usr 
        5 0o755 0 0 usr/bin 
        0 0o755 0 0 usr/bin/program #!
        5 0o755 0 0 var 
        0 0o600 1000 1001 var/mine 
    "#]]
    .assert_eq(&read_back(&path));
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let hosts = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let bytes = hosts.map(|host| {
        let (_folder, path) = written(&example(host.path()));
        fs::read(path).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn a_folder_is_copied_with_its_modes_and_what_is_put_over_it_wins() {
    let host = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| {
        let path = host.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    file("bin/su", "su", 0o4755);
    file("etc/name", "theirs", 0o640);
    std::os::unix::fs::symlink("bin", host.path().join("sbin")).unwrap();
    let mut image = ImageArchive::new("docker.io/library/example:1", Config::default());
    image.add_tree("/", host.path(), Owner::Root).unwrap();
    image.add("/etc/name", Entry::bytes("ours")).unwrap();
    let (_folder, path) = written(&image);
    expect_test::expect![[r#"
        ['docker.io/library/example:1'] docker.io/library/example:1
        {}
        5 0o755 0 0 bin 
        0 0o4755 0 0 bin/su su
        5 0o755 0 0 etc 
        0 0o644 0 0 etc/name ours
        2 0o777 0 0 sbin bin
    "#]]
    .assert_eq(&read_back(&path));
}

#[test]
fn an_entry_below_a_file_or_a_link_is_refused() {
    let mut image = ImageArchive::new("docker.io/library/example:1", Config::default());
    image.add("/bin", Entry::symlink("usr/bin")).unwrap();
    image.add("/bin/sh", Entry::bytes("")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = image.write(&folder.path().join("image.tar"));
    let text = refused.unwrap_err().to_string();
    assert_eq!(text, "/bin/sh lies below /bin, which is no folder");
}

#[test]
fn paths_lead_from_the_root_and_not_out_of_it() {
    let mut image = ImageArchive::new("docker.io/library/example:1", Config::default());
    for path in ["etc/passwd", "/../etc", "/a/../b"] {
        assert!(image.add(path, Entry::directory()).is_err(), "{path}");
    }
}

#[test]
fn what_is_taken_out_is_gone_with_everything_below_it() {
    let mut image = ImageArchive::new("docker.io/library/example:1", Config::default());
    for path in ["/lib/unused/deep", "/lib/unused-not", "/lib/used"] {
        image.add(path, Entry::bytes("")).unwrap();
    }
    image.remove("/lib/unused").unwrap();
    let left: Vec<_> = image.paths().collect();
    assert_eq!(left, [Path::new("lib/unused-not"), Path::new("lib/used")]);
}
