//! A cgroup of a test's own, which limits the memory of the programs in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::wait_until;

/// Where the hierarchy is, and which file has the limit, in the first and the second version of cgroups.
const HIERARCHIES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
];

/// It is there for as long as this lives; its programs have to end earlier.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// `None`, with a line that says so, where none can be made.
    pub(crate) fn with_memory(bytes: u64) -> Option<Cgroup> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "swarm-test-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        for (hierarchy, file) in HIERARCHIES {
            let dir = Path::new(hierarchy).join(&name);
            if fs::create_dir(&dir).is_err() {
                continue;
            }
            let cgroup = Cgroup(dir);
            if fs::write(cgroup.0.join(file), bytes.to_string()).is_ok() {
                return Some(cgroup);
            }
        }
        println!("SKIPPED: cannot make a cgroup that limits memory");
        None
    }

    /// What a shell says to go into it.
    pub(crate) fn enter(&self) -> String {
        format!("echo $$ > {}/cgroup.procs", self.0.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last of its processes may still be on its way out.
        wait_until("the cgroup can be removed", || {
            fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
    }
}
