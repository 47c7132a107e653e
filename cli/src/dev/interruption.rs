//! Ctrl-C, a kill, or a closed terminal: the normal end of `dev`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask `dev` to stop.
pub(super) struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interruption {
    /// Catches the signals from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn listen() -> io::Result<Interruption> {
        Ok(Interruption {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
