//! Sweeps: searches of all processes for those with a mark, and the thread that makes them for all attempts. The thread
//! ends and reaps orphans, too.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    mark::Mark,
    orphans::{Attempts, Fate},
    own::{Kin, kin_of},
    system::{self, Child, Scanner},
};

/// Successive scans without a find that end a sweep.
const CLEAN_SCANS: u32 = 2;
/// The pause after a scan with a find: a killed process takes a moment to be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Scans after which a sweep gives up, ten seconds at least. The processes that are left hang in the kernel, or
/// multiply.
const MAX_SCANS: u32 = 2000;
/// How often orphans that have ended are reaped while no attempt ends.
const REAP: Duration = Duration::from_secs(1);
/// How often, and how soon, to ask again whether a child is an orphan or the child of a start in progress. A start
/// takes less than that, unless it hangs on a disk.
const ASKS_AGAIN: u32 = 5;
const ASK_AGAIN: Duration = Duration::from_micros(200);

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
        scan(&mut scanner, [&mut sweep], None);
        match sweep.end() {
            Some(swept) => return swept,
            None => sweep.pause(),
        }
    }
}

/// A handle on the thread that ends trees. Trees that end at the same time share their scans.
#[derive(Clone, Debug)]
pub(crate) struct Sweeper {
    asks: Sender<Ask>,
    attempts: Arc<Mutex<Attempts>>,
}

#[derive(Debug)]
enum Ask {
    Sweep(Request),
    /// Reap orphans that have ended.
    Reap,
}

#[derive(Debug)]
struct Request {
    sweep: Sweep,
    done: oneshot::Sender<Swept>,
}

impl Sweeper {
    /// Starts the thread, which ends with its last handle.
    #[cfg(test)]
    pub(crate) fn start() -> io::Result<Sweeper> {
        Sweeper::start_thread(false)
    }

    /// Makes this process the parent of all orphans below it, and starts the thread.
    pub(crate) fn adopt_orphans() -> io::Result<Sweeper> {
        if let Err(error) = system::adopt_orphans() {
            tracing::warn!(
                %error,
                "cannot become the parent of orphans; a process that cleans its environment and leaves its parent \
                 outlives its attempt"
            );
        }
        Sweeper::start_thread(true)
    }

    fn start_thread(adopts: bool) -> io::Result<Sweeper> {
        let (asks, asked) = channel();
        let attempts = Arc::new(Mutex::new(Attempts::default()));
        let shared = Arc::clone(&attempts);
        thread::Builder::new()
            .name("sweeper".to_owned())
            .spawn(move || serve(&asked, &shared, adopts))?;
        Ok(Sweeper { asks, attempts })
    }

    /// Notes that an attempt begins, before it has a process.
    pub(super) fn begin(&self, mark: &Mark) {
        lock(&self.attempts).begin(mark, system::now());
    }

    /// Asks for the end of an attempt's processes.
    pub(super) fn request(&self, mark: &Mark) -> oneshot::Receiver<Swept> {
        let (done, swept) = oneshot::channel();
        let sweep = Sweep::new(mark.as_str());
        // Fails only when the thread is gone. The receiver of the answer notices that.
        let _ = self.asks.send(Ask::Sweep(Request { sweep, done }));
        swept
    }

    /// Asks for orphans that have ended to be reaped soon.
    pub(super) fn reap(&self) {
        // Without the thread there is nobody to reap them.
        let _ = self.asks.send(Ask::Reap);
    }
}

fn lock(attempts: &Mutex<Attempts>) -> MutexGuard<'_, Attempts> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Notes a process that is being killed.
    fn find(&mut self, pid: i32) {
        self.clean = 0;
        self.killed.insert(pid);
    }

    /// Notes an orphan that ended by itself: after the scan's list of processes was made, it may have started another
    /// one. One that was killed before has started none since.
    fn find_ended(&mut self, pid: i32) {
        if !self.killed.contains(&pid) {
            self.clean = 0;
        }
    }

    fn pause(&self) {
        if self.clean == 0 {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

fn serve(asks: &Receiver<Ask>, attempts: &Mutex<Attempts>, adopts: bool) {
    let orphans = adopts.then_some(attempts);
    let mut open: Vec<Request> = Vec::new();
    let mut scanner = Scanner::default();
    loop {
        if open.is_empty() {
            match asks.recv_timeout(REAP) {
                Ok(Ask::Sweep(request)) => open.push(request),
                Ok(Ask::Reap) | Err(RecvTimeoutError::Timeout) => {
                    if adopts && system::has_ended_child() {
                        scan(&mut scanner, [], orphans);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        // A scan reaps in any case.
        open.extend(asks.try_iter().filter_map(|ask| match ask {
            Ask::Sweep(request) => Some(request),
            Ask::Reap => None,
        }));
        scan(
            &mut scanner,
            open.iter_mut().map(|request| &mut request.sweep),
            orphans,
        );
        for ended in open.extract_if(.., |request| request.sweep.end().is_some()) {
            if let Some(swept) = ended.sweep.end() {
                lock(attempts).end(&ended.sweep.marks, swept.is_gone);
                // Nobody waits for a tree that was dropped.
                let _ = ended.done.send(swept);
            }
        }
        if let Some(first) = open.iter().find(|request| request.sweep.clean == 0) {
            first.sweep.pause();
        }
    }
}

/// Looks at every process once, and kills the processes of these sweeps; with `orphans` also the orphans of attempts
/// that have ended.
fn scan<'a>(
    scanner: &mut Scanner,
    sweeps: impl IntoIterator<Item = &'a mut Sweep>,
    orphans: Option<&Mutex<Attempts>>,
) {
    let mut sweeps: Vec<_> = sweeps.into_iter().collect();
    for sweep in &mut sweeps {
        sweep.scans += 1;
        sweep.clean += 1;
    }
    let looked = scanner.kill_marked(|pid, mark| {
        let mut is_wanted = false;
        for sweep in sweeps.iter_mut().filter(|sweep| mark.starts_with(&sweep.marks)) {
            sweep.find(pid);
            is_wanted = true;
        }
        is_wanted
    });
    match (looked, orphans) {
        (Ok(children), Some(attempts)) => {
            for child in children {
                end_if_orphan(&child, &mut sweeps, &lock(attempts));
            }
        }
        (Ok(_), None) => {}
        (Err(error), _) => {
            tracing::warn!(%error, "cannot look through /proc for what attempts left running");
            for sweep in sweeps {
                sweep.clean = 0;
                sweep.is_blind = true;
            }
        }
    }
}

/// Reaps an orphan that has ended, and kills one whose attempts have. Nobody else reaps orphans, so the number of one
/// cannot belong to another process by now.
fn end_if_orphan(child: &Child, sweeps: &mut [&mut Sweep], attempts: &Attempts) {
    let is_ending = |mark: &str| sweeps.iter().any(|sweep| sweep.marks == mark);
    let fate = attempts.fate(child.began, is_ending);
    if child.has_ended {
        if kin_of(child.pid, child.began) == Kin::Orphan {
            system::reap(child.pid);
            if fate == Fate::Ended {
                for sweep in owners_of(child, sweeps, attempts) {
                    sweep.find_ended(child.pid);
                }
            }
        }
        return;
    }
    // An orphan of another user stays. Waiting for its end would be in vain.
    if fate != Fate::Ended || !is_orphan(child) || !system::kill_child(child.pid) {
        return;
    }
    let mut owners = 0;
    for sweep in owners_of(child, sweeps, attempts) {
        sweep.find(child.pid);
        owners += 1;
    }
    if owners == 0 {
        tracing::info!(
            "killed process {}, which an earlier attempt left running",
            child.pid
        );
    }
}

/// The sweeps of the attempts that an orphan may belong to.
fn owners_of<'a>(
    child: &Child,
    sweeps: &'a mut [&mut Sweep],
    attempts: &Attempts,
) -> impl Iterator<Item = &'a mut Sweep> {
    let sweeps = sweeps.iter_mut().map(|sweep| &mut **sweep);
    sweeps.filter(|sweep| attempts.may_own(&sweep.marks, child.began))
}

fn is_orphan(child: &Child) -> bool {
    let mut kin = kin_of(child.pid, child.began);
    for _ in 0..ASKS_AGAIN {
        if kin != Kin::Unsure {
            break;
        }
        thread::sleep(ASK_AGAIN);
        kin = kin_of(child.pid, child.began);
    }
    kin == Kin::Orphan
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A number that no process has.
    const NOBODY: i32 = i32::MAX;

    #[test]
    fn a_scan_that_meets_an_orphan_after_its_end_may_have_missed_what_that_one_started() {
        let mark = Mark::new("series");
        let mut attempts = Attempts::default();
        attempts.begin(&mark, 10);
        let meet = |sweep: &mut Sweep, began, has_ended| {
            let child = Child {
                pid: NOBODY,
                began,
                has_ended,
            };
            end_if_orphan(&child, &mut [sweep], &attempts);
        };
        let mut sweep = Sweep::new(mark.as_str());
        sweep.clean = CLEAN_SCANS;
        // It comes from elsewhere.
        meet(&mut sweep, 5, true);
        assert_eq!(sweep.end().map(|swept| swept.is_gone), Some(true));
        meet(&mut sweep, 15, true);
        assert_eq!(sweep.end(), None);
        // What a scan killed has started nothing since.
        sweep.find(NOBODY);
        sweep.clean = CLEAN_SCANS;
        meet(&mut sweep, 15, true);
        assert_eq!(sweep.end().map(|swept| swept.killed), Some(1));
    }
}
