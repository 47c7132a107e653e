//! Process trees: all processes with the mark of one attempt in their environment, and the sweeps that end them.
//!
//! A process leaves its group with `setsid`, but its children inherit its environment. A tree is gone when two
//! successive scans of `/proc` find none of its processes: a single scan can miss a process that is forked meanwhile.
//!
//! A process that removed the mark from its environment, or that made itself unreadable (as `ssh-agent` does), is found
//! when its parent has ended: then it is an orphan and a child of the agent. Only a guard does not find it.
//!
//! Nobody finds a process of another user, and processes that another service starts for a task (`docker run -d`,
//! `systemd-run`, `at`). On systems other than Linux a sweep finds nothing: there a tree is the process group.

pub(crate) mod sweep;

pub(crate) mod guard;
pub(crate) mod series;

pub(crate) mod mark;

mod orphans;
pub(super) mod own;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(not(target_os = "linux"))]
use self::other as system;
pub(crate) use self::system::{FINDS_MARKED, try_proc};
use self::{
    mark::Mark,
    sweep::{Sweeper, Swept},
};
use crate::attempt_key::AttemptKey;

/// The processes of one attempt. Dropping the tree ends them as well, without waiting.
#[derive(Debug)]
pub(crate) struct Tree {
    mark: Mark,
    key: AttemptKey,
    sweeper: Sweeper,
    is_swept: bool,
}

impl Tree {
    /// A tree with this mark.
    pub(crate) fn new(mark: Mark, key: AttemptKey, sweeper: Sweeper) -> Tree {
        sweeper.begin(&mark);
        Tree {
            mark,
            key,
            sweeper,
            is_swept: false,
        }
    }

    /// The mark of its processes.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Sees to it that processes of the tree that have ended are soon gone. An orphan waits for the agent.
    pub(super) fn reap(&self) {
        self.sweeper.reap();
    }

    /// Kills its processes, and logs how many were left. A tree that is gone stays gone, as nobody is there to start
    /// more.
    pub(crate) async fn end(&mut self) {
        if self.is_swept {
            return;
        }
        let swept = self.sweeper.request(&self.mark).await;
        self.is_swept = true;
        let (task_id, attempt) = (&self.key.task_id, self.key.attempt);
        match swept {
            Ok(Swept {
                killed: 0,
                is_gone: true,
            }) => {}
            Ok(Swept {
                killed,
                is_gone: true,
            }) => {
                tracing::info!(task_id, attempt, "killed {killed} processes that it left running");
            }
            Ok(Swept {
                killed,
                is_gone: false,
            }) => {
                tracing::warn!(
                    task_id,
                    attempt,
                    "processes that it left running are still there after {killed} were killed; \
                     they are looked for again when this agent ends and when it starts"
                );
            }
            Err(_) => {
                tracing::error!(
                    task_id,
                    attempt,
                    "cannot tell whether it left processes running: nobody looks for them any more"
                );
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.is_swept {
            drop(self.sweeper.request(&self.mark));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
