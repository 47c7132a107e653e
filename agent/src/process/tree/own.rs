//! The agent's own children: commands and the guard. The code that started an own child also waits for it. All other
//! children are orphans, which the system gave to the agent when their parents ended.
//!
//! Only orphans may be reaped here: the exit status of an own child belongs to the code that waits for it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::process::Child;

use super::system::now;

/// How much later than its start a child is born at most, in [`now`]'s unit: ten seconds, on a machine that can hardly
/// go on. A start that lasts longer has its child already, and hangs on the disk of its program.
const LATEST_BIRTH: u64 = 1000;

static CHILDREN: Mutex<Children> = Mutex::new(Children {
    own: BTreeMap::new(),
    starts: BTreeMap::new(),
    last_start: 0,
});

/// A process has its children as a whole, so there is one list.
#[derive(Debug)]
struct Children {
    /// The numbers of own children, and how many have each: a number may return before its first owner is forgotten.
    own: BTreeMap<i32, u32>,
    /// The starts in progress, and when each began. Their children are there already, and have no number here yet.
    starts: BTreeMap<u64, u64>,
    last_start: u64,
}

/// Whose a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    Own,
    Orphan,
    /// The child of a start in progress, or an orphan.
    Unsure,
}

/// An own child, until somebody has waited for it.
#[derive(Debug)]
pub(crate) struct Own(i32);

/// Starts an own child.
pub(crate) fn start(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<(Child, Own)> {
    let start = Start::begin();
    let child = spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let own = Own(pid.unwrap_or_default());
    *children().own.entry(own.0).or_default() += 1;
    drop(start);
    Ok((child, own))
}

/// Whether this is an own child whose start has ended.
pub(crate) fn is_known(pid: i32) -> bool {
    children().own.contains_key(&pid)
}

/// Whose a child is that began then.
pub(super) fn kin_of(pid: i32, began: u64) -> Kin {
    let children = children();
    if children.own.contains_key(&pid) {
        Kin::Own
    } else if children.starts.values().any(|start| is_child_of(*start, began)) {
        Kin::Unsure
    } else {
        Kin::Orphan
    }
}

/// Whether what began then may be the child of this start.
fn is_child_of(start: u64, began: u64) -> bool {
    start <= began && began - start <= LATEST_BIRTH
}

impl Own {
    /// The number of the process.
    pub(crate) fn pid(&self) -> i32 {
        self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut children = children();
        if let Some(count) = children.own.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                children.own.remove(&self.0);
            }
        }
    }
}

/// A start in progress.
struct Start(u64);

impl Start {
    fn begin() -> Start {
        let mut children = children();
        children.last_start += 1;
        let start = children.last_start;
        children.starts.insert(start, now());
        Start(start)
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        children().starts.remove(&self.0);
    }
}

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Numbers that no process has: other tests start children meanwhile.
    const OTHER: i32 = i32::MAX;

    #[tokio::test]
    async fn a_child_is_own_from_its_start_until_it_is_forgotten() {
        let mut seen = None;
        let (mut child, own) = start(|| {
            let child = tokio::process::Command::new("true").spawn()?;
            let pid = child.id().unwrap() as i32;
            seen = Some((pid, kin_of(pid, now()), kin_of(pid, 0)));
            Ok(child)
        })
        .unwrap();
        let pid = own.pid();
        assert_eq!(seen, Some((pid, Kin::Unsure, Kin::Orphan)));
        assert_eq!(kin_of(pid, now()), Kin::Own);
        child.wait().await.unwrap();
        drop(own);
        assert_ne!(kin_of(pid, 0), Kin::Own);
        assert_eq!(kin_of(OTHER, 0), Kin::Orphan);
    }

    #[test]
    fn a_start_that_fails_leaves_nobody_unsure() {
        assert!(start(|| Err(io::Error::other("no"))).is_err());
        // Other tests may start children at this moment, but not for ever.
        while kin_of(OTHER, now()) != Kin::Orphan {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_start_that_hangs_has_no_child_that_is_much_younger() {
        assert!(is_child_of(500, 500) && is_child_of(500, 501));
        assert!(!is_child_of(500, 499) && !is_child_of(500, 500 + LATEST_BIRTH + 1));
    }
}
