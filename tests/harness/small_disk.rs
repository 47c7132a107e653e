//! A small disk of a test's own: a file system in memory.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

/// Mounted for as long as this lives.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a line that says so, where mounting is not permitted.
    pub(crate) fn mount(mebibytes: u32) -> Option<SmallDisk> {
        let dir = TempDir::new().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "swarm-test"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            Ok(output) => {
                println!(
                    "SKIPPED: cannot mount a small disk: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("SKIPPED: cannot run mount: {error}");
                None
            }
        }
    }

    /// The directory at which it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes space until this much is left.
    pub(crate) fn leave(&self, bytes: u64) {
        let mut ballast = File::options()
            .append(true)
            .create(true)
            .open(self.ballast())
            .unwrap();
        while self.free() > bytes {
            match ballast.write_all(&[1; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back what [`SmallDisk::leave`] took.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn free(&self) -> u64 {
        let stat = statvfs(self.path()).unwrap();
        stat.blocks_available() * stat.fragment_size()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        if !thread::panicking() {
            assert!(unmounted.unwrap().success());
        }
    }
}
