//! Volumes that can lose their power: XFS on loop devices. What was not synced when the power goes is
//! gone, as on a real disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::poll;
use crate::program::run;

/// The smallest that XFS takes is 300 MiB; the files are sparse.
const SIZE: u64 = 640 << 20;
const UNUSED_WITHIN: Duration = Duration::from_secs(30);

/// Why no volume can be had here; nothing where it can.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount volumes".to_owned());
    }
    if !tools_are_there() && !install() {
        return Some(
            "mkfs.xfs and xfs_io are missing and could not be installed (xfsprogs)".to_owned(),
        );
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    (!known.contains("xfs")).then(|| "the kernel knows no XFS".to_owned())
}

fn tools_are_there() -> bool {
    ["mkfs.xfs", "xfs_io"].iter().all(|tool| {
        Command::new(tool)
            .arg("-V")
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

fn install() -> bool {
    run(Command::new("apt-get").args(["install", "--yes", "--quiet", "xfsprogs"])).is_ok()
        && tools_are_there()
}

/// A mounted volume; unmounted and detached when dropped.
#[derive(Debug)]
pub struct Volume {
    image: PathBuf,
    place: PathBuf,
    mounted: bool,
}

impl Volume {
    /// Makes a volume and mounts it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(image: &Path, place: &Path) -> Result<Self> {
        File::create(image)?.set_len(SIZE)?;
        fs::create_dir_all(place)?;
        run(Command::new("mkfs.xfs").arg("-q").arg(image))?;
        let mut volume = Self {
            image: image.to_owned(),
            place: place.to_owned(),
            mounted: false,
        };
        volume.mount()?;
        Ok(volume)
    }

    /// Mounts it; the loop device is given back with the mount.
    fn mount(&mut self) -> Result<()> {
        run(Command::new("mount")
            .args(["-t", "xfs", "-o", "loop,nouuid"])
            .arg(&self.image)
            .arg(&self.place))?;
        self.mounted = true;
        Ok(())
    }

    /// Takes its power: nothing more is written, not even the journal.
    ///
    /// # Errors
    /// When it still has power.
    pub fn cut(&self) -> Result<()> {
        run(Command::new("xfs_io")
            .args(["-x", "-c", "shutdown"])
            .arg(&self.place))
        .map(|_| ())
    }

    /// Gives it its power back: what the disk holds is mounted anew, once nobody uses it.
    ///
    /// A mount namespace that somebody made meanwhile holds the file system without power, and the
    /// same disk would be that one again. So it is a copy of the disk that is mounted.
    ///
    /// # Errors
    /// When something still uses it, or it cannot be mounted.
    pub fn restore(&mut self) -> Result<()> {
        self.unmount()?;
        let mut copy = self.image.clone().into_os_string();
        copy.push(".restored");
        let copy = PathBuf::from(copy);
        run(Command::new("cp")
            .arg("--sparse=always")
            .args([&self.image, &copy]))?;
        fs::remove_file(&self.image)?;
        self.image = copy;
        self.mount()
    }

    fn unmount(&mut self) -> Result<()> {
        // A killed process gives its files back a moment after it can no longer be seen.
        poll::until("the volume to be unmounted", UNUSED_WITHIN, || {
            let gone = Command::new("umount").arg(&self.place).output()?;
            Ok(gone.status.success().then_some(()))
        })?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted && self.unmount().is_err() {
            // Something still uses it: it goes away with its last user.
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(&self.place)
                .output();
        }
    }
}
