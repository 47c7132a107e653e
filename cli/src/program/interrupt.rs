//! Ctrl-C or SIGTERM while waiting: swarmctl detaches, and the tasks go on. A second one ends the program at once, as
//! does one that comes when nothing is waited for.

use std::{
    future::Future,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::emulate_default_handler,
};
use swarm_program::exit::Exit;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the handlers of both signals know. They act whatever the program does, for a pipe that nobody reads keeps it
/// from everything else.
struct Handlers {
    /// Whether the next signal ends the program.
    ends: Arc<AtomicBool>,
    /// The last signal of this wait; 0 before it.
    told: Arc<AtomicUsize>,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// The future's result; the exit code of Ctrl-C or SIGTERM when one of them comes first.
pub(crate) async fn unless_interrupted<T>(future: impl Future<Output = T>) -> Result<T, Exit> {
    // Without handlers a signal ends the process by itself.
    let Ok(handlers) = handlers() else {
        return Ok(future.await);
    };
    let (Ok(interrupts), Ok(terminations)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Ok(future.await);
    };
    handlers.told.store(0, Ordering::SeqCst);
    handlers.ends.store(false, Ordering::SeqCst);
    let outcome = tokio::select! {
        value = future => Ok(value),
        () = next(interrupts) => Err(Exit::Interrupted),
        () = next(terminations) => Err(Exit::Terminated),
    };
    handlers.ends.store(true, Ordering::SeqCst);
    let told = handlers.told.load(Ordering::SeqCst);
    if outcome.is_ok() && told != 0 {
        // It came with the end of the wait, and nobody else acts on it.
        let _ = emulate_default_handler(told as i32);
    }
    outcome
}

async fn next(mut signals: Signal) {
    signals.recv().await;
}

fn handlers() -> io::Result<&'static Handlers> {
    if let Some(handlers) = HANDLERS.get() {
        return Ok(handlers);
    }
    let handlers = Handlers {
        ends: Arc::new(AtomicBool::new(true)),
        told: Arc::new(AtomicUsize::new(0)),
    };
    for signal in [SIGINT, SIGTERM] {
        // They act in this order: the first signal of a wait does not end the program, and lets the second one end it.
        flag::register_conditional_default(signal, Arc::clone(&handlers.ends))?;
        flag::register(signal, Arc::clone(&handlers.ends))?;
        flag::register_usize(signal, Arc::clone(&handlers.told), signal as usize)?;
    }
    Ok(HANDLERS.get_or_init(|| handlers))
}
