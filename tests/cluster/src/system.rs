//! Programs of a Linux system, put into an image with everything that they need to start.
//!
//! In: the folder that holds the system's files, and which of them are wanted. Out: those files in an
//! image, with the libraries that they link, the loader, and every symbolic link on the way.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::archive::{Entry, ImageArchive};
use crate::command;

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How many symbolic links a path of a system may lead through.
const MOST_LINKS: u32 = 40;

/// Adds programs or libraries of a system, by their paths in it, and all that each of them links.
///
/// # Errors
/// When one is not there, or what it links is not.
pub fn add_with_libraries<P: AsRef<Path>>(
    image: &mut ImageArchive,
    root: &Path,
    files: &[P],
) -> Result<()> {
    let loader = Loader::of(root)?;
    let mut wanted = BTreeSet::new();
    for file in files {
        let file = file.as_ref();
        wanted.insert(file.to_owned());
        wanted.extend(loader.libraries(file)?);
    }
    for file in wanted {
        add_from(image, root, &file, 0)?;
    }
    Ok(())
}

/// The system's own loader, which knows what it would load and runs from any folder.
struct Loader<'a> {
    root: &'a Path,
    program: PathBuf,
    folders: String,
}

impl<'a> Loader<'a> {
    fn of(root: &'a Path) -> Result<Self> {
        let folders =
            ["lib", "usr/lib"].map(|lib| root.join(lib).join(format!("{ARCH}-linux-gnu")));
        let is_loader = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux")
        };
        let program = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|child| Some(child.ok()?.path()))
            .find(is_loader)
            .with_context(|| format!("{} holds no loader of programs", root.display()))?;
        Ok(Self {
            root,
            program,
            folders: folders.map(|folder| folder.display().to_string()).join(":"),
        })
    }

    /// What a file of the system links, and what that links, by path in the system.
    fn libraries(&self, file: &Path) -> Result<Vec<PathBuf>> {
        let mut list = Command::new(&self.program);
        list.args(["--inhibit-cache", "--library-path", &self.folders, "--list"])
            .arg(within(self.root, file)?);
        let answer = command::output(&mut list, ANSWERS_WITHIN)?;
        if let Some(line) = answer.lines().find(|line| line.contains("not found")) {
            bail!(
                "{} of {} misses a library: {}",
                file.display(),
                self.root.display(),
                line.trim()
            );
        }
        Ok(answer
            .lines()
            .filter_map(|line| library(line, self.root))
            .collect())
    }
}

/// A line of the loader's list: `NAME => ROOT/PATH (0x..)`. The loader itself is named by its path in
/// the system.
fn library(line: &str, root: &Path) -> Option<PathBuf> {
    let (line, _) = line.rsplit_once(" (0x")?;
    let (name, found) = line.rsplit_once(" => ")?;
    let name = Path::new(name.trim());
    if name.is_absolute() {
        return Some(name.to_owned());
    }
    Some(Path::new("/").join(Path::new(found).strip_prefix(root).ok()?))
}

/// Adds a file of a system together with every symbolic link on the way to it.
fn add_from(image: &mut ImageArchive, root: &Path, file: &Path, links: u32) -> Result<()> {
    if links > MOST_LINKS {
        bail!("{} leads in a circle in {}", file.display(), root.display());
    }
    let mut found = PathBuf::from("/");
    let mut rest = file.components();
    while let Some(component) = rest.next() {
        match component {
            Component::Normal(name) => found.push(name),
            Component::ParentDir => {
                found.pop();
                continue;
            }
            _ => continue,
        }
        let host = within(root, &found)?;
        let metadata = host
            .symlink_metadata()
            .with_context(|| format!("cannot find {}", host.display()))?;
        if metadata.is_symlink() {
            let target =
                fs::read_link(&host).with_context(|| format!("cannot read {}", host.display()))?;
            image.add(&found, Entry::symlink(&target))?;
            let above = found.parent().unwrap_or(Path::new("/"));
            let whole = above.join(target).join(rest.as_path());
            return add_from(image, root, &whole, links + 1);
        }
    }
    image.add(&found, Entry::host_file(within(root, &found)?))
}

fn within(root: &Path, path: &Path) -> Result<PathBuf> {
    let below = path
        .strip_prefix("/")
        .with_context(|| format!("{} is not absolute", path.display()))?;
    Ok(root.join(below))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::archive::Config;

    #[test]
    fn the_loader_tells_libraries_and_itself() {
        let cases = [
            (
                "\tlibm.so.6 => /node/lib/x86_64-linux-gnu/libm.so.6 (0x00007f0)",
                Some("/lib/x86_64-linux-gnu/libm.so.6"),
            ),
            (
                "\t/lib64/ld-linux-x86-64.so.2 => /node/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (0x00007f0)",
                Some("/lib64/ld-linux-x86-64.so.2"),
            ),
            ("\tlinux-vdso.so.1 (0x00007ffd)", None),
            ("\tstatically linked", None),
        ];
        for (line, path) in cases {
            let found = library(line, Path::new("/node"));
            assert_eq!(found.as_deref(), path.map(Path::new), "{line}");
        }
    }

    #[test]
    fn a_file_comes_with_the_links_on_the_way_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
        fs::write(root.join("usr/lib/deep/real.so.1"), "").unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("deep/real.so.1", root.join("usr/lib/alias.so")).unwrap();
        symlink("/lib/../lib/circle", root.join("usr/lib/circle")).unwrap();
        let mut image = ImageArchive::new("example:1", Config::default());
        add_from(&mut image, root, Path::new("/lib/alias.so"), 0).unwrap();
        let paths: Vec<_> = image.paths().collect();
        let expected = ["lib", "usr/lib/alias.so", "usr/lib/deep/real.so.1"];
        assert_eq!(paths, expected.map(Path::new));
        assert!(add_from(&mut image, root, Path::new("/lib/circle"), 0).is_err());
        assert!(add_from(&mut image, root, Path::new("/lib/none"), 0).is_err());
    }
}
