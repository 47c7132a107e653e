//! Ends process trees: every process whose environment carries a mark, wherever it has moved.
//!
//! A process group loses who calls `setsid`; an environment is inherited by all.
//! A tree is gone when two successive scans of `/proc` found nothing of it: one
//! alone can miss a process that is being forked behind its back.
//!
//! What this cannot find: a process that scrubbed the mark from its environment,
//! one of another user, one that made itself unreadable (`ssh-agent` does, unless
//! the agent is root), and what another service starts on a task's behalf
//! (`docker run -d`, `systemd-run`, `at`). On systems other than Linux nothing is
//! found by its mark: there a tree is the process group.

pub(crate) mod guard;
pub(crate) mod series;

pub(crate) mod mark;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::{
    collections::BTreeSet,
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(not(target_os = "linux"))]
use self::other as system;
pub(crate) use self::system::FINDS_MARKED;
use self::{
    mark::Mark,
    system::{Scanner, identity, is_alive},
};
use crate::attempt_key::AttemptKey;

/// So many successive scans that find nothing end a sweep.
const CLEAN_SCANS: u32 = 2;
/// The pause after a scan that found something: a killed process takes a moment to be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A sweep gives up after so many scans, ten seconds at least: what is left is stuck in the kernel, or multiplies.
const MAX_SCANS: u32 = 2000;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    /// How many processes were killed.
    pub(crate) killed: usize,
    /// Whether none is left.
    pub(crate) is_gone: bool,
}

/// Kills every process whose mark begins with `marks`, and waits until none is left. Blocks meanwhile.
pub(crate) fn sweep(marks: &str) -> Swept {
    let mut sweep = Sweep::new(marks);
    let mut scanner = Scanner::default();
    loop {
        scan(&mut scanner, [&mut sweep]);
        match sweep.end() {
            Some(swept) => return swept,
            None => sweep.pause(),
        }
    }
}

/// One thread that ends trees: those that end at the same time share their scans.
#[derive(Clone, Debug)]
pub(crate) struct Sweeper(Sender<Request>);

#[derive(Debug)]
struct Request {
    sweep: Sweep,
    done: oneshot::Sender<Swept>,
}

impl Sweeper {
    /// Starts the thread. It ends with the last handle on it.
    pub(crate) fn start() -> io::Result<Sweeper> {
        let (sender, requests) = channel();
        thread::Builder::new()
            .name("sweeper".to_owned())
            .spawn(move || serve(&requests))?;
        Ok(Sweeper(sender))
    }

    /// Asks for the end of all that carries this mark.
    fn request(&self, mark: &Mark) -> oneshot::Receiver<Swept> {
        let (done, swept) = oneshot::channel();
        let sweep = Sweep::new(mark.as_str());
        // Fails only when the thread is gone; whoever waits for the answer hears of that.
        let _ = self.0.send(Request { sweep, done });
        swept
    }
}

/// All that one attempt starts. Dropping it has it ended, too, but nobody waits for that.
#[derive(Debug)]
pub(crate) struct Tree {
    mark: Mark,
    key: AttemptKey,
    sweeper: Sweeper,
    is_swept: bool,
}

impl Tree {
    /// A tree that is found by this mark.
    pub(crate) fn new(mark: Mark, key: AttemptKey, sweeper: Sweeper) -> Tree {
        Tree {
            mark,
            key,
            sweeper,
            is_swept: false,
        }
    }

    /// What every process of it carries.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Kills what is left of it, and says so. Once it is gone there is nobody who could start more.
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

/// The search for the processes of one mark, or of all marks that begin alike.
#[derive(Debug)]
struct Sweep {
    marks: String,
    killed: BTreeSet<i32>,
    scans: u32,
    clean: u32,
    /// `/proc` could not be read.
    is_blind: bool,
}

impl Sweep {
    fn new(marks: &str) -> Sweep {
        Sweep {
            marks: marks.to_owned(),
            killed: BTreeSet::new(),
            scans: 0,
            clean: 0,
            is_blind: false,
        }
    }

    fn end(&self) -> Option<Swept> {
        let is_gone = self.clean >= CLEAN_SCANS;
        (is_gone || self.is_blind || self.scans >= MAX_SCANS).then_some(Swept {
            killed: self.killed.len(),
            is_gone,
        })
    }

    fn pause(&self) {
        if self.clean == 0 {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

fn serve(requests: &Receiver<Request>) {
    let mut open: Vec<Request> = Vec::new();
    let mut scanner = Scanner::default();
    loop {
        if open.is_empty() {
            match requests.recv() {
                Ok(request) => open.push(request),
                Err(_) => return,
            }
        }
        open.extend(requests.try_iter());
        scan(&mut scanner, open.iter_mut().map(|request| &mut request.sweep));
        for ended in open.extract_if(.., |request| request.sweep.end().is_some()) {
            if let Some(swept) = ended.sweep.end() {
                // Who dropped its tree does not wait.
                let _ = ended.done.send(swept);
            }
        }
        if let Some(first) = open.iter().find(|request| request.sweep.clean == 0) {
            first.sweep.pause();
        }
    }
}

/// Looks at every process once, and kills those that any of these is for.
fn scan<'a>(scanner: &mut Scanner, sweeps: impl IntoIterator<Item = &'a mut Sweep>) {
    let mut sweeps: Vec<_> = sweeps.into_iter().collect();
    for sweep in &mut sweeps {
        sweep.scans += 1;
        sweep.clean += 1;
    }
    let looked = scanner.kill_marked(|pid, mark| {
        let mut is_wanted = false;
        for sweep in sweeps.iter_mut().filter(|sweep| mark.starts_with(&sweep.marks)) {
            sweep.clean = 0;
            sweep.killed.insert(pid);
            is_wanted = true;
        }
        is_wanted
    });
    if let Err(error) = looked {
        tracing::warn!(%error, "cannot look through /proc for what attempts left running");
        for sweep in sweeps {
            sweep.clean = 0;
            sweep.is_blind = true;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
