//! The core with the threads that keep journal and store.

use std::{
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::Duration,
};

use swarm_engine::{
    command::start::{self, Start},
    id::Seq,
};

use crate::{
    clock::Clock,
    core::Core,
    failure::{Exit, Failure, abort},
    journal::Journal,
    limits::STORE_QUEUE,
    open::Opened,
    random, view, writer,
};

/// See the module.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    pub(crate) epoch: u64,
    /// The first event of this epoch.
    pub(crate) began: Seq,
    /// How far the clock was past the last event before that; nothing when there was none.
    pub(crate) jump: Duration,
    writer: thread::JoinHandle<Journal>,
    view: thread::JoinHandle<()>,
}

impl Running {
    /// Begins an epoch.
    ///
    /// # Errors
    ///
    /// When the machine has no boot-time clock, or no more threads.
    pub(crate) fn start(opened: Opened) -> Result<Running, Failure> {
        let Opened {
            mut state,
            journal,
            store,
        } = opened;
        let clock = Clock::start(state.time()).map_err(|error| {
            Failure::new(Exit::Bug, format!("cannot read the boot-time clock: {error}"), "")
        })?;
        // The first event of this epoch is written by hand: nothing else runs yet.
        let started = Start {
            version: env!("CARGO_PKG_VERSION").into(),
            cluster_id: random::name().into(),
            history: random::name().into(),
            new_history: None,
        };
        let before = state.seq();
        let jump = if before == Seq(0) {
            Duration::ZERO
        } else {
            clock.started() - state.time()
        };
        let (_, changes) =
            swarm_engine::draft::decide(&mut state, clock.now(), |draft| start::decide(draft, started));
        let epoch = state.identity().map_or(1, |identity| identity.epoch);
        let core = Arc::new(Core::new(state, clock, journal.reader(), store, before, changes));

        let (to_store, entries) = sync_channel(STORE_QUEUE);
        let writer = spawn("writer", {
            let core = Arc::clone(&core);
            move || writer::run(&core, journal, epoch, &to_store)
        })?;
        let view = spawn("store", {
            let core = Arc::clone(&core);
            move || view::run(&core, &entries)
        })?;
        Ok(Running {
            core,
            epoch,
            began: before.next(),
            jump,
            writer,
            view,
        })
    }

    /// Waits until everything decided is on disk; false when a thread ended because of a bug.
    pub(crate) fn stop(self) -> bool {
        self.core.close();
        self.writer.join().is_ok() && self.view.join().is_ok()
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, Failure> {
    // A panic in one of these threads would leave answers waiting for ever.
    let guarded = move || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
            .unwrap_or_else(|_| abort("a thread of the coordinator ended because of a bug"))
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot start the {name} thread: {error}"), ""))
}
