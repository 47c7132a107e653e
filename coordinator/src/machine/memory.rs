//! How much memory this process may have: the machine's, or less where a cgroup or a resource limit says so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// The most memory, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) bytes: u64,
    /// For people: `the machine`.
    pub(crate) whose: &'static str,
}

impl Memory {
    /// The smallest limit there is; `None` where the system does not say.
    pub(crate) fn of_this_process() -> Option<Memory> {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let of = |whose| move |bytes| Memory { bytes, whose };
        let machine = of_machine(&file("/proc/meminfo")).map(of("the machine"));
        let read = |path: &Path| fs::read_to_string(path).ok();
        let cgroup = of_cgroups(&file("/proc/self/cgroup"), &file("/proc/self/mountinfo"), read);
        let limits = [Resource::RLIMIT_AS, Resource::RLIMIT_DATA].map(of_resource);
        [machine, cgroup.map(of("its cgroup"))]
            .into_iter()
            .chain(limits.map(|limit| limit.map(of("its resource limits"))))
            .flatten()
            .min_by_key(|memory| memory.bytes)
    }
}

/// Keeps the system from giving this process pages of two mebibytes: the allocator touches a little of many places, so
/// that they take memory which nothing counts.
pub(crate) fn without_huge_pages() {
    if let Err(errno) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(error = %errno, "the system may use huge pages");
    }
}

fn of_resource(resource: Resource) -> Option<u64> {
    let (limit, _) = getrlimit(resource).ok()?;
    (limit != RLIM_INFINITY).then_some(limit)
}

/// A line such as `MemTotal:       24684096 kB`.
fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The smallest limit of the process's cgroups and of those above them.
fn of_cgroups(own: &str, mounts: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let files: &[&str] = if controllers.is_empty() {
            &["memory.max", "memory.high"]
        } else if controllers.split(',').any(|controller| controller == "memory") {
            &["memory.limit_in_bytes"]
        } else {
            return None;
        };
        let mount = mounts
            .lines()
            .filter_map(Mount::of)
            .find(|mount| mount.has(controllers))?;
        Some((mount, Path::new(path), files))
    });
    groups
        .flat_map(|(mount, path, files)| {
            let dirs = mount.dirs(path);
            dirs.into_iter()
                .flat_map(move |dir| files.iter().map(move |file| dir.join(file)))
        })
        // Version 2 says `max`, and version 1 a number near the largest, where there is no limit.
        .filter_map(|file| read(&file)?.trim().parse().ok())
        .min()
}

/// A mounted hierarchy of cgroups.
struct Mount<'a> {
    /// The cgroup that is seen at its place.
    root: &'a Path,
    place: &'a Path,
    version_2: bool,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// That of a line of `mountinfo`, unless another file system is mounted there.
    fn of(line: &'a str) -> Option<Mount<'a>> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (root, place) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let kind = back.next()?;
        matches!(kind, "cgroup" | "cgroup2").then(|| Mount {
            root: Path::new(root),
            place: Path::new(place),
            version_2: kind == "cgroup2",
            options: back.nth(1).unwrap_or_default(),
        })
    }

    /// Whether this is the hierarchy of these controllers, which version 2 does not name.
    fn has(&self, controllers: &str) -> bool {
        let memory = || self.options.split(',').any(|option| option == "memory");
        self.version_2 == controllers.is_empty() && (self.version_2 || memory())
    }

    /// Where the cgroup with this path and those above it are seen.
    fn dirs(&self, path: &Path) -> Vec<PathBuf> {
        // In a container the path may be one of outside: what is seen is the root then.
        let below = path.strip_prefix(self.root).unwrap_or(Path::new(""));
        below.ancestors().map(|dir| self.place.join(dir)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_1: &str = "\
32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
38 31 0:41 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn limit(own: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        of_cgroups(own, mounts, |path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| format!("{text}\n"))
        })
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let files = [
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712",
            ),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "600000000"),
            ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "700000000"),
            ("/sys/fs/cgroup/cpu/memory.limit_in_bytes", "1"),
        ];
        let own = "5:cpu:/\n4:memory:/a/b\n0::/\n";
        assert_eq!(limit(own, VERSION_1, &files), Some(600_000_000));
        assert_eq!(limit("5:cpu:/\n", VERSION_1, &files), None);
    }

    #[test]
    fn version_2_names_no_controllers_and_says_max_where_there_is_no_limit() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let files = [
            ("/sys/fs/cgroup/unit/memory.max", "max"),
            ("/sys/fs/cgroup/unit/memory.high", "500000000"),
        ];
        assert_eq!(limit("0::/unit\n", mounts, &files), Some(500_000_000));
        assert_eq!(limit("0::/other\n", mounts, &files), None);
    }

    #[test]
    fn a_container_sees_its_own_cgroup_at_the_root() {
        let mounts = "30 23 0:26 /docker/id /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let files = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "100000000")];
        for own in ["4:memory:/docker/id\n", "4:memory:/elsewhere\n"] {
            assert_eq!(limit(own, mounts, &files), Some(100_000_000), "{own}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_may_have_some_memory() {
        assert!(Memory::of_this_process().unwrap().bytes > 0);
        assert_eq!(of_machine("MemTotal:       2 kB\nMemFree: 1 kB\n"), Some(2048));
    }
}
