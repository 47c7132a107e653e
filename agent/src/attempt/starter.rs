//! Starts of processes, each on a thread that may hang: a directory or program that a task names may be on a file
//! system that does not answer. The attempt fails then, and the thread is given up until the file system answers.

use std::{
    fmt,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

use crate::process::{kill_unstarted, this_thread};

/// How long a start may take. On a busy machine it takes a second.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Starts that hang at a time: each keeps a thread, and the runtime has some hundred.
const MAX_HUNG: usize = 32;

/// Carries out the starts of one agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starter {
    hung: Arc<AtomicUsize>,
}

/// Whether nobody waits for a start any more. It must not begin anything then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a start did not come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hung {
    /// It hangs.
    This,
    /// So many others hang that it was not tried.
    Others,
}

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hung::This => write!(
                f,
                "the file system of its directory or program did not answer for {} s",
                START_LIMIT.as_secs()
            ),
            Hung::Others => write!(
                f,
                "{MAX_HUNG} other starts hang here on a file system that does not answer"
            ),
        }
    }
}

impl Starter {
    /// Starts something within the limit. What is started later is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        start: impl FnOnce(&Abandoned) -> T + Send + 'static,
    ) -> Result<T, Hung> {
        self.run_within(START_LIMIT, start).await
    }

    async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        start: impl FnOnce(&Abandoned) -> T + Send + 'static,
    ) -> Result<T, Hung> {
        if self.hung.load(Ordering::Relaxed) >= MAX_HUNG {
            return Err(Hung::Others);
        }
        let abandoned = Abandoned::default();
        let told = abandoned.clone();
        let thread = Arc::new(AtomicI32::new(0));
        let on = Arc::clone(&thread);
        let mut starting = spawn_blocking(move || {
            on.store(this_thread(), Ordering::Release);
            start(&told)
        });
        match timeout(limit, &mut starting).await {
            Ok(Ok(started)) => return Ok(started),
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Only when the runtime ends.
                Err(_) => return Err(Hung::This),
            },
            Err(_) => {}
        }
        abandoned.0.store(true, Ordering::Release);
        let thread = thread.load(Ordering::Acquire);
        // A child may hang as well. With it gone, its thread is free.
        drop(spawn_blocking(move || kill_unstarted(thread)));
        let hung = Arc::clone(&self.hung);
        hung.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            drop(starting.await);
            hung.fetch_sub(1, Ordering::Relaxed);
            tracing::info!("a start that hung has come to an end");
        });
        Err(Hung::This)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn hung_starts_are_bounded_told_apart_and_forgotten_when_they_end() {
        let starter = Starter::default();
        assert_eq!(starter.run(|abandoned| abandoned.is()).await, Ok(false));
        let mut ends = Vec::new();
        let (tell, told) = channel();
        for _ in 0..MAX_HUNG {
            let ((end, wait), tell) = (channel::<()>(), tell.clone());
            ends.push(end);
            let start = move |abandoned: &Abandoned| {
                let _ = wait.recv();
                tell.send(abandoned.is()).unwrap();
            };
            let hung = starter.run_within(Duration::from_millis(1), start).await;
            assert_eq!(hung, Err(Hung::This));
        }
        assert_eq!(starter.run(|_| ()).await, Err(Hung::Others));
        drop(ends);
        for _ in 0..MAX_HUNG {
            assert!(told.recv().unwrap(), "it was not told that nobody waits");
        }
        while starter.hung.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(starter.run(|_| ()).await, Ok(()));
    }
}
