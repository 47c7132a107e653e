//! Starts of processes, each on a thread that may hang: a directory or program that a task names may be on a file
//! system that does not answer. The attempt fails then, and the thread is given up until the file system answers.

use std::{
    fmt,
    future::pending,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::process::{kill_unstarted, this_thread};

/// How long a start may take. On a busy machine it takes a second.
pub(super) const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a start that began its process has to end after that was killed, and how often it is killed again: a child
/// may be born after the first time.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// Starts that hang at a time: each keeps a thread, and the runtime has some hundred.
const MAX_HUNG: usize = 32;

/// Carries out the starts of one agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starter {
    hung: Arc<AtomicUsize>,
}

/// The token of a start. It is cancelled when nobody waits for the start any more, so that no process
/// begins whose attempt was reported as failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct CancelToken(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    has_begun: bool,
    /// The thread of the start, until the start has ended. Then the thread may be at work on another one.
    thread: Option<i32>,
}

impl CancelToken {
    /// Asks to begin a process, directly before that; says whether somebody still waits for it.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.state();
        state.has_begun = !state.is_cancelled;
        state.has_begun
    }

    /// Cancels the start; says whether a process may have begun before.
    fn cancel(&self) -> bool {
        let mut state = self.state();
        state.is_cancelled = true;
        state.has_begun
    }

    fn set_thread(&self, thread: Option<i32>) {
        self.state().thread = thread;
    }

    /// Kills the child that hangs, as its thread does then.
    fn kill_unstarted(&self) {
        // The thread cannot go to another start meanwhile.
        let state = self.state();
        if let Some(thread) = state.thread {
            kill_unstarted(thread);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a start did not come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It hangs: nothing was heard of it for so long.
    Hung(Duration),
    /// So many others hang that it was not tried.
    OthersHang,
    /// Nobody waits for it any more.
    Unwanted,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::Hung(limit) => write!(
                f,
                "the file system of its directory or program did not answer for {} s",
                limit.as_secs()
            ),
            Unfinished::OthersHang => write!(
                f,
                "{MAX_HUNG} other starts hang here on a file system that does not answer"
            ),
            Unfinished::Unwanted => f.write_str("nobody waits for it any more"),
        }
    }
}

impl Starter {
    /// Starts something within the limit. What is started later is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        start: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        self.run_within(START_LIMIT, pending(), start).await
    }

    /// The same within another limit, and until nobody waits for it any more.
    pub(crate) async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        unwanted: impl Future<Output = ()>,
        start: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        if self.hung.load(Ordering::Relaxed) >= MAX_HUNG {
            return Err(Unfinished::OthersHang);
        }
        let token = CancelToken::default();
        let there = token.clone();
        let mut starting = spawn_blocking(move || {
            there.set_thread(Some(this_thread()));
            let started = start(&there);
            there.set_thread(None);
            started
        });
        let unfinished = tokio::select! {
            biased;
            started = &mut starting => return match started.map_err(JoinError::try_into_panic) {
                Ok(started) => Ok(started),
                Err(Ok(panic)) => resume_unwind(panic),
                // Only when the runtime ends.
                Err(Err(_)) => Err(Unfinished::Unwanted),
            },
            () = sleep(limit) => Unfinished::Hung(limit),
            () = unwanted => Unfinished::Unwanted,
        };
        let is_ended = token.cancel() && end(&mut starting, &token).await;
        if is_ended {
            return Err(unfinished);
        }
        let hung = Arc::clone(&self.hung);
        let hangs = matches!(unfinished, Unfinished::Hung(_));
        if hangs {
            hung.fetch_add(1, Ordering::Relaxed);
        }
        tokio::spawn(async move {
            if !hangs {
                // What nobody waits for any more may end in a moment.
                if end(&mut starting, &token).await {
                    return;
                }
                hung.fetch_add(1, Ordering::Relaxed);
            }
            while !end(&mut starting, &token).await {}
            hung.fetch_sub(1, Ordering::Relaxed);
            tracing::info!("a start that hung has come to an end");
        });
        Err(unfinished)
    }
}

/// What a start makes besides a process. When nobody waits for it any more, the start or whoever waited gets it to undo
/// it, and never both.
#[derive(Debug)]
pub(super) struct Made<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Made<T> {
    /// Nothing is made yet.
    pub(super) fn nothing() -> Made<T> {
        Made(Arc::default())
    }

    /// The same for the start.
    pub(super) fn there(&self) -> Made<T> {
        Made(Arc::clone(&self.0))
    }

    /// Begins with what was made; answers that when it is to be undone.
    pub(super) fn begin(&self, made: &Arc<T>, token: &CancelToken) -> Option<Arc<T>> {
        *self.made() = Some(Arc::clone(made));
        if token.begin() { None } else { self.take() }
    }

    /// Takes what is to be undone, after an unfinished start.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        self.made().take()
    }

    fn made(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills the child that a start hangs with, which frees the thread, and drops what was started nevertheless; false when
/// the start goes on hanging.
async fn end<T>(starting: &mut JoinHandle<T>, token: &CancelToken) -> bool {
    token.kill_unstarted();
    timeout(KILL_LIMIT, starting).await.map(drop).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{future::ready, sync::mpsc::channel};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn hung_starts_are_bounded_told_apart_and_forgotten_when_they_end() {
        let starter = Starter::default();
        assert_eq!(
            starter.run(|token| token.begin() && token.begin()).await,
            Ok(true)
        );
        let mut ends = Vec::new();
        let (tell, told) = channel();
        for _ in 0..MAX_HUNG {
            let ((end, wait), tell) = (channel::<()>(), tell.clone());
            ends.push(end);
            let start = move |token: &CancelToken| {
                let _ = wait.recv();
                tell.send(token.begin()).unwrap();
            };
            let limit = Duration::from_millis(1);
            let hung = starter.run_within(limit, pending(), start).await;
            assert_eq!(hung, Err(Unfinished::Hung(limit)));
        }
        assert_eq!(starter.run(|_| ()).await, Err(Unfinished::OthersHang));
        drop(ends);
        for _ in 0..MAX_HUNG {
            assert!(!told.recv().unwrap(), "it was not told that nobody waits");
        }
        while starter.hung.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(starter.run(|_| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_start_that_an_order_ends_hangs_only_if_it_goes_on() {
        let starter = Starter::default();
        let (end, wait) = channel::<()>();
        let start = move |_: &CancelToken| {
            let _ = wait.recv();
        };
        let ordered = starter.run_within(START_LIMIT, ready(()), start).await;
        assert_eq!(ordered, Err(Unfinished::Unwanted));
        let hung = || starter.hung.load(Ordering::Relaxed);
        assert_eq!(hung(), 0);
        while hung() == 0 {
            tokio::task::yield_now().await;
        }
        drop(end);
        while hung() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// What is made by a start that nobody waits for any more at this moment: what the start undoes, and what whoever
    /// waited does.
    async fn made(is_passed: bool) -> (bool, bool) {
        let (tell, told) = oneshot::channel::<()>();
        let ((end, wait), (undo, undone)) = (channel::<()>(), channel());
        let made = Made::nothing();
        let there = made.there();
        let start = move |token: &CancelToken| {
            let thing = Arc::new(());
            if is_passed {
                undo.send(there.begin(&thing, token).is_some()).unwrap();
            }
            tell.send(()).unwrap();
            let _ = wait.recv();
            if !is_passed {
                undo.send(there.begin(&thing, token).is_some()).unwrap();
            }
        };
        let unwanted = async { told.await.unwrap() };
        let starter = Starter::default();
        let ended = starter.run_within(START_LIMIT, unwanted, start).await;
        assert_eq!(ended, Err(Unfinished::Unwanted));
        let taken = made.take().is_some();
        drop(end);
        (undone.recv().unwrap(), taken)
    }

    #[tokio::test]
    async fn what_was_made_when_nobody_waited_any_more_is_undone_once() {
        assert_eq!(made(true).await, (false, true));
        assert_eq!(made(false).await, (true, false));
    }
}
