//! Process trees: all processes with the mark of one attempt in their environment, and the sweeps that end them.
//!
//! A process leaves its group with `setsid`, but its children inherit its environment. A tree is gone when two
//! successive scans of `/proc` find none of its processes: a single scan can miss a process that is forked meanwhile.
//!
//! A sweep does not find a process that removed the mark from its environment, a process of another user, a process
//! that made itself unreadable (as `ssh-agent` does, unless the agent is root), and processes that another service
//! starts for a task (`docker run -d`, `systemd-run`, `at`). On systems other than Linux a sweep finds nothing: there
//! a tree is the process group.

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

/// Successive scans without a find that end a sweep.
const CLEAN_SCANS: u32 = 2;
/// The pause after a scan with a find: a killed process takes a moment to be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Scans after which a sweep gives up, ten seconds at least. The processes that are left hang in the kernel, or
/// multiply.
const MAX_SCANS: u32 = 2000;

/// The result of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    /// The number of killed processes.
    pub(crate) killed: usize,
    /// Whether none is left.
    pub(crate) is_gone: bool,
}

/// Kills every process whose mark begins with `marks`, and blocks until none is left.
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

/// A handle on the thread that ends trees. Trees that end at the same time share their scans.
#[derive(Clone, Debug)]
pub(crate) struct Sweeper(Sender<Request>);

#[derive(Debug)]
struct Request {
    sweep: Sweep,
    done: oneshot::Sender<Swept>,
}

impl Sweeper {
    /// Starts the thread, which ends with its last handle.
    pub(crate) fn start() -> io::Result<Sweeper> {
        let (sender, requests) = channel();
        thread::Builder::new()
            .name("sweeper".to_owned())
            .spawn(move || serve(&requests))?;
        Ok(Sweeper(sender))
    }

    /// Asks for the end of all processes with this mark.
    fn request(&self, mark: &Mark) -> oneshot::Receiver<Swept> {
        let (done, swept) = oneshot::channel();
        let sweep = Sweep::new(mark.as_str());
        // Fails only when the thread is gone. The receiver of the answer notices that.
        let _ = self.0.send(Request { sweep, done });
        swept
    }
}

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

/// The search for processes whose mark begins with these characters.
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
                // Nobody waits for a tree that was dropped.
                let _ = ended.done.send(swept);
            }
        }
        if let Some(first) = open.iter().find(|request| request.sweep.clean == 0) {
            first.sweep.pause();
        }
    }
}

/// Looks at every process once, and kills the processes of these sweeps.
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
