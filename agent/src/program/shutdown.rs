//! How far this agent is on its way out, by the signals it got.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Each later stage is more urgent; there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Claims and works.
    Working,
    /// Claims nothing more; what runs may finish.
    Draining,
    /// What runs is asked to end, then killed.
    Ending,
    /// What runs is killed at once.
    Stopping,
}

/// The stage, for whoever raises it and whoever waits for it.
#[derive(Clone)]
pub(crate) struct Shutdown(Arc<watch::Sender<Stage>>);

impl Shutdown {
    /// Listens to SIGTERM and SIGINT (each is one step on, up to `Ending`), SIGHUP (drains, however often it comes)
    /// and SIGUSR1 (the last stage at once).
    pub(crate) fn listen() -> io::Result<Shutdown> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut stop = signal(SignalKind::user_defined1())?;
        // Under nohup a closed terminal is to change nothing.
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

    /// The stage, and its changes.
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

/// Whether whoever started this process chose to ignore SIGHUP, as nohup does.
fn is_hang_up_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1, SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
