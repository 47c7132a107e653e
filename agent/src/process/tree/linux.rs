//! Finds processes by the mark in `/proc/PID/environ`, and kills them. Finds the children of this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl::set_child_subreaper,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    time::{ClockId, clock_gettime},
};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};

use super::mark;

/// Whether processes are found by their mark here.
pub(crate) const FINDS_MARKED: bool = true;

/// Arguments and environment together have at most 6 MiB on Linux.
const MAX_ENVIRONMENT_BYTES: u64 = 8 * 1024 * 1024;
/// How often the environment of a process between two programs is read, and the pause between. A process that takes
/// longer hangs on a disk, and every sweep would wait for it.
const READS_OF_ONE: u32 = 20;
const BETWEEN_READS: Duration = Duration::from_millis(1);

/// How long "this process comes from elsewhere" stays cached. It is wrong for a reused number: numbers return much
/// later than this.
const FOREIGN_IS_CACHED: Duration = Duration::from_millis(100);
/// How far up a process's ancestors are looked at. A process with more of them is taken for the agent's own.
const MAX_ANCESTORS: usize = 100;
/// The kernel's USER_HZ, in which `/proc/PID/stat` gives times.
const TICKS_PER_SECOND: u64 = 100;

/// From the kernel's include/linux/sched.h; `/proc/PID/stat` promises them.
const PF_EXITING: u64 = 0x0000_0004;
const PF_KTHREAD: u64 = 0x0020_0000;

/// Scans all processes, as often as it is asked.
#[derive(Default)]
pub(crate) struct Scanner {
    /// Processes without a mark that do not descend from this one. Processes of attempts are born otherwise.
    foreign: BTreeSet<i32>,
    /// When `foreign` was last cleared.
    cleared: Option<Instant>,
    buffer: Vec<u8>,
}

/// A child of this process.
pub(super) struct Child {
    pub(super) pid: i32,
    /// In [`now`]'s unit.
    pub(super) began: u64,
    /// It waits to be reaped.
    pub(super) has_ended: bool,
}

/// The mark of one process, as far as it can be read.
enum Finding {
    /// The process carries this mark.
    Marked(String),
    /// The process carries none, which holds for a while.
    Unmarked,
    /// The process has ended, is unreadable, or is between two programs.
    Unknown,
}

impl Scanner {
    /// Asks about each marked process, and kills it if it is wanted. The agent itself is left out. Answers the children
    /// of this process, whether marked or not.
    pub(crate) fn kill_marked(
        &mut self,
        mut is_wanted: impl FnMut(i32, &str) -> bool,
    ) -> io::Result<Vec<Child>> {
        let own = own_pid()?;
        let now = Instant::now();
        let is_expired = |cleared| now.duration_since(cleared) > FOREIGN_IS_CACHED;
        if self.cleared.is_none_or(is_expired) {
            self.foreign.clear();
            self.cleared = Some(now);
        }
        let mut foreign = BTreeSet::new();
        let mut unmarked = BTreeMap::new();
        let mut children = Vec::new();
        // The youngest come first: the system answers with a list, and they have the least time to start others that
        // are not in it.
        for pid in listed()?.into_iter().rev() {
            if pid == own {
                continue;
            }
            if self.foreign.contains(&pid) {
                foreign.insert(pid);
                continue;
            }
            let Some(status) = Status::of(pid) else { continue };
            if status.parent == own {
                children.push(Child {
                    pid,
                    began: status.start_time,
                    has_ended: status.has_ended(),
                });
            }
            match read_mark(pid, status, &mut self.buffer) {
                Finding::Marked(mark) if is_wanted(pid, &mark) => kill(pid, &mark, &mut self.buffer),
                Finding::Unmarked => {
                    unmarked.insert(pid, status.parent);
                }
                Finding::Marked(_) | Finding::Unknown => {}
            }
        }
        let is_foreign = |pid: &i32| is_foreign(*pid, own, &unmarked, &foreign);
        let found: Vec<i32> = unmarked.keys().copied().filter(is_foreign).collect();
        foreign.extend(found);
        self.foreign = foreign;
        Ok(children)
    }
}

/// The numbers of all processes.
fn listed() -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc")? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether a process does not descend from this one, as its ancestors without marks tell.
fn is_foreign(pid: i32, own: i32, parents: &BTreeMap<i32, i32>, foreign: &BTreeSet<i32>) -> bool {
    let mut ancestor = pid;
    for _ in 0..MAX_ANCESTORS {
        if ancestor == own {
            return false;
        }
        // Process 0 is the kernel, or stands for a parent outside this container.
        if ancestor == 0 || foreign.contains(&ancestor) {
            return true;
        }
        match parents.get(&ancestor) {
            Some(parent) => ancestor = *parent,
            None => return false,
        }
    }
    false
}

/// Whether processes of tasks can be found here.
///
/// # Errors
///
/// Why not.
pub(crate) fn try_proc() -> io::Result<()> {
    own_pid()?;
    fs::read("/proc/self/environ")?;
    fs::read_dir("/proc")?;
    Ok(())
}

/// The number of this process in `/proc`.
///
/// # Errors
///
/// When `/proc` shows the processes of another container: the same number would mean another process there.
fn own_pid() -> io::Result<i32> {
    let own = std::process::id();
    let shown = fs::read_link("/proc/self")?;
    if shown.as_os_str() == own.to_string().as_str() {
        return Ok(i32::try_from(own).unwrap_or_default());
    }
    Err(io::Error::other(format!(
        "this is process {own}, and /proc calls it {}: it is mounted for another container",
        shown.display()
    )))
}

/// The time since the machine was started, as in `/proc/PID/stat`.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    now.as_secs() * TICKS_PER_SECOND + u64::from(now.subsec_nanos()) * TICKS_PER_SECOND / 1_000_000_000
}

/// Makes this process the parent of all orphans below it.
pub(super) fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(true).map_err(io::Error::from)
}

/// Whether a child has ended and was not reaped.
pub(super) fn has_ended_child() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, flags) {
        Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => false,
        // An end by a signal without a name is an error.
        Ok(_) | Err(_) => true,
    }
}

/// Kills a child that nobody else reaps. False when that is not permitted.
pub(super) fn kill_child(pid: i32) -> bool {
    let number = Pid::from_raw(pid);
    number.is_some_and(|number| kill_process(number, Signal::KILL) != Err(Errno::PERM))
}

/// Reaps a child that nobody waits for.
pub(super) fn reap(pid: i32) {
    // An end by a signal without a name is an error, and reaped all the same.
    let _ = waitpid(nix::unistd::Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
}

/// Kills a process, unless its number belongs to another one by now.
fn kill(pid: i32, mark: &str, buffer: &mut Vec<u8>) {
    let Some(number) = Pid::from_raw(pid) else { return };
    match pidfd_open(number, PidfdFlags::empty()) {
        // The descriptor still names the marked process, or that process has ended and the signal has no effect.
        Ok(process) => {
            if carries(pid, mark, buffer) {
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        }
        // Kernels before 5.3 and some sandboxes lack the call. Then a number that is reused between these two lines
        // would be hit, but the kernel goes through all other numbers first.
        Err(Errno::NOSYS | Errno::PERM) => {
            if carries(pid, mark, buffer) {
                let _ = kill_process(number, Signal::KILL);
            }
        }
        Err(_) => {}
    }
}

fn read_mark(pid: i32, mut status: Status, buffer: &mut Vec<u8>) -> Finding {
    for read_before in 0..READS_OF_ONE {
        if read_before > 0 {
            thread::sleep(BETWEEN_READS);
            let Some(newer) = Status::of(pid) else {
                return Finding::Unknown;
            };
            status = newer;
        }
        if status.flags & PF_KTHREAD != 0 {
            return Finding::Unmarked;
        }
        match read(&format!("/proc/{pid}/environ"), buffer) {
            Ok(()) if !buffer.is_empty() => {
                return find_mark(buffer).map_or(Finding::Unmarked, Finding::Marked);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Finding::Unknown,
            Ok(()) | Err(_) => {}
        }
        // The environment cannot be read. The status says why.
        let Some(newer) = Status::of(pid) else {
            return Finding::Unknown;
        };
        status = newer;
        if status.environment_end != 0 {
            return Finding::Unmarked;
        }
        if status.flags & PF_EXITING != 0 {
            return if status.threads > 1 {
                read_mark_of_threads(pid, buffer)
            } else {
                Finding::Unknown
            };
        }
        // The process is between two programs. The environment of the new one is there in a moment.
    }
    Finding::Unknown
}

/// Reads the mark from the other threads of a process whose first thread has ended.
fn read_mark_of_threads(pid: i32, buffer: &mut Vec<u8>) -> Finding {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        let path = thread.path().join("environ");
        if read(&path.to_string_lossy(), buffer).is_ok()
            && let Some(mark) = find_mark(buffer)
        {
            return Finding::Marked(mark);
        }
    }
    Finding::Unknown
}

fn carries(pid: i32, mark: &str, buffer: &mut Vec<u8>) -> bool {
    let found = Status::of(pid).map(|status| read_mark(pid, status, buffer));
    matches!(found, Some(Finding::Marked(found)) if found == mark)
}

fn read(path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    File::open(path)?
        .take(MAX_ENVIRONMENT_BYTES)
        .read_to_end(buffer)?;
    Ok(())
}

fn find_mark(environment: &[u8]) -> Option<String> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(mark::VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Fields of `/proc/PID/stat`, which proc(5) numbers.
#[derive(Clone, Copy)]
struct Status {
    is_zombie: bool,
    parent: i32,
    flags: u64,
    threads: u64,
    start_time: u64,
    /// The end of the environment in memory; 0 while there is none.
    environment_end: u64,
}

impl Status {
    fn of(pid: i32) -> Option<Status> {
        let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&line))
    }

    /// Whether the process waits to be reaped. Of one whose first thread alone has ended the others go on.
    fn has_ended(self) -> bool {
        self.is_zombie && self.threads <= 1
    }

    fn parse(line: &str) -> Option<Status> {
        // The second field, the name in parentheses, may hold anything.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.trim().parse().ok();
        Some(Status {
            is_zombie: *fields.first()? == "Z",
            parent: fields.get(1)?.parse().ok()?,
            flags: field(9)?,
            threads: field(20)?,
            start_time: field(22)?,
            environment_end: field(51)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_as_a_whole_variable_only() {
        assert_eq!(find_mark(b"A=1\0SWARM_MARK=abc\0B=2\0").as_deref(), Some("abc"));
        assert_eq!(find_mark(b"SWARM_MARK=abc").as_deref(), Some("abc"));
        assert_eq!(
            find_mark(b"X=SWARM_MARK=abc\0XSWARM_MARK=abc\0SWARM_MARKS=abc\0"),
            None
        );
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_confuses_nothing() {
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        let (number, rest) = own.split_once(' ').unwrap();
        let (_, rest) = rest.rsplit_once(") ").unwrap();
        let status = Status::parse(&format!("{number} (a) S 1 (b) {rest}")).unwrap();
        assert!(status.threads > 0 && status.environment_end > 0 && status.flags & PF_KTHREAD == 0);
    }
}
