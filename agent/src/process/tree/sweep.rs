//! Sweeps: searches of all processes for those with a mark, and the thread that makes them for all attempts.

use std::{
    collections::BTreeSet,
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{mark::Mark, system::Scanner};

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
    pub(super) fn request(&self, mark: &Mark) -> oneshot::Receiver<Swept> {
        let (done, swept) = oneshot::channel();
        let sweep = Sweep::new(mark.as_str());
        // Fails only when the thread is gone. The receiver of the answer notices that.
        let _ = self.0.send(Request { sweep, done });
        swept
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
