//! The stages of a shutdown, which signals ask for.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// A stage of the shutdown. Each later one is more urgent, and there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The agent claims and works.
    Working,
    /// The agent claims nothing more; running attempts may finish.
    Draining,
    /// Running attempts are asked to end, then killed.
    Ending,
    /// Running attempts are killed at once.
    Stopping,
}

/// The stage of the shutdown, which can be raised and waited for.
#[derive(Clone)]
pub(crate) struct Shutdown(Arc<watch::Sender<Stage>>);

impl Shutdown {
    /// Listens to signals. SIGTERM and SIGINT go one stage on, up to `Ending`. SIGHUP drains, however often it comes.
    /// SIGUSR1 goes to the last stage at once.
    pub(crate) fn listen() -> io::Result<Shutdown> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut stop = signal(SignalKind::user_defined1())?;
        // Under nohup a closed terminal changes nothing.
        let mut hang_up = if is_hang_up_ignored() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let shutdown = Shutdown(Arc::new(watch::channel(Stage::Working).0));
        let raised = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => raised.step(),
                    Some(()) = interrupt.recv() => raised.step(),
                    Some(()) = received(&mut hang_up) => raised.raise(Stage::Draining),
                    Some(()) = stop.recv() => raised.raise(Stage::Stopping),
                    else => return,
                }
            }
        });
        Ok(shutdown)
    }

    /// The stage and its changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Stage> {
        self.0.subscribe()
    }

    /// Goes to this stage, unless a later one is reached.
    pub(crate) fn raise(&self, stage: Stage) {
        self.0.send_if_modified(|current| {
            let later = stage > *current;
            *current = stage.max(*current);
            later
        });
    }

    fn step(&self) {
        let current = *self.0.borrow();
        self.raise(if current == Stage::Working {
            Stage::Draining
        } else {
            Stage::Ending
        });
    }
}

async fn received(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored, as nohup does.
fn is_hang_up_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1, SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
