//! The order of a start and of a stop: the core, its threads, then the tasks that run beside serving.

use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use swarm_engine::{
    command::start::{self, Start},
    draft::decide,
    id::Seq,
};
use swarm_program::{exit::Exit, failure::Failure};
use tokio::task;
use tokio_util::sync::CancellationToken;

use super::{Opened, new_history, time_back};
use crate::{
    core::{
        Core,
        budget::Budget,
        view::{self, Work},
        writer,
    },
    journal::{self, Journal},
    machine::{
        clock::{Belief, Clock},
        data_dir::DataDir,
        random,
        thread::spawn,
    },
    program::failure::chain,
    upkeep::{KeepEvents, Upkeep, retention, scrub, stored_ids, timer, wrong_clock},
};

/// A core with its threads and tasks.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    pub(crate) epoch: u64,
    /// The first event of this epoch.
    began: Seq,
    writer: JoinHandle<Journal>,
    view: JoinHandle<()>,
    /// Ends when its sender is dropped, or when all of the store is read.
    scrub: Option<(Sender<()>, JoinHandle<()>)>,
    /// Ends when its sender is dropped.
    upkeep: Option<(Sender<()>, JoinHandle<()>)>,
    journal: journal::Upkeep,
    to_store: Sender<Work>,
    /// They end at the shutdown.
    tasks: Vec<task::JoinHandle<()>>,
}

/// The times that the operator chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long a lease lasts without a heartbeat.
    pub(crate) lease_ttl: Duration,
    /// How long a task is kept after its end.
    pub(crate) keep_tasks: Duration,
}

impl Running {
    /// Begins an epoch: the core decides, and its threads write, but nothing happens by itself yet.
    ///
    /// # Errors
    ///
    /// When the machine has no boot-time clock, or no more threads.
    pub(crate) fn start(opened: Opened, accepts_clock: bool, budget: Budget) -> Result<Running, Failure> {
        let Opened {
            mut state,
            journal,
            store,
            new_history,
            sets_time_back,
        } = opened;
        store.limit_frozen(budget.state.limit());
        let belief = match (sets_time_back, accepts_clock) {
            (Some(_), _) => Belief::SetBack,
            (None, true) => Belief::Accepted,
            (None, false) => Belief::Confirmed,
        };
        let (clock, clocks) = Clock::start(state.time(), state.identity(), belief)
            .map_err(|error| Failure::new(Exit::Bug, format!("cannot read the boot-time clock: {error}")))?;
        if let Some(asked) = sets_time_back {
            time_back::check_wall(asked, clocks.wall)?;
        }
        if let Some(history) = &new_history {
            tracing::warn!(%history, "beginning a new history: readers of events start over");
        }
        // Decided by hand, for the core that decides otherwise is made of the state afterwards.
        let started = Start {
            version: env!("CARGO_PKG_VERSION").into(),
            cluster_id: random::name().into(),
            history: random::name().into(),
            new_history,
            clocks,
            set_back_to: sets_time_back.map(|_| clock.started()),
        };
        let before = state.seq();
        let now = clock.now();
        let (_, mut changes) = decide(&mut state, now, |draft| start::decide(draft, started));
        let mut has_more = sets_time_back.is_some();
        while has_more {
            let (result, more) = decide(&mut state, now, start::make_due);
            has_more = result.unwrap_or(false);
            changes.extend(more);
        }
        state.set_ahead_of_wall(clock.ahead_of_wall());
        let epoch = state.identity().map_or(1, |identity| identity.epoch);
        let core = Arc::new(Core::new(
            state,
            clock,
            budget,
            journal.reader(),
            store,
            before,
            changes,
        ));

        let upkeep = journal.upkeep();
        // As long as the backlog, which admission bounds: the writer never waits for the store.
        let (to_store, work) = channel();
        let writer = spawn("writer", {
            let (core, to_store) = (Arc::clone(&core), to_store.clone());
            move || writer::run(&core, journal, epoch, &to_store)
        })?;
        let view = spawn("store", {
            let core = Arc::clone(&core);
            move || view::run(&core, &work)
        })?;
        let scrub = if core.store().is_read() {
            None
        } else {
            let (stop, stopped) = channel();
            let core = Arc::clone(&core);
            Some((stop, spawn("scrub-watch", move || scrub::run(&core, stopped))?))
        };
        Ok(Running {
            core,
            epoch,
            began: before.next(),
            writer,
            view,
            scrub,
            upkeep: None,
            journal: upkeep,
            to_store,
            tasks: Vec::new(),
        })
    }

    /// Begins everything that happens by itself until the shutdown. The coordinator may serve when this returns.
    pub(crate) async fn begin(&mut self, dir: &DataDir, times: Times, shutdown: &CancellationToken) {
        self.core.until_durable(self.began).await;
        if let Err(error) = new_history::marker(dir.path()).remove() {
            tracing::warn!(error = chain(&error), "cannot note that a new history has begun");
        }
        if let Err(error) = time_back::marker(dir.path()).remove() {
            tracing::warn!(error = chain(&error), "cannot note that the time is set back");
        }
        self.core.grace_at_start(times.lease_ttl);
        let core = || Arc::clone(&self.core);
        let stop = || shutdown.clone();
        self.tasks = vec![
            tokio::spawn(timer::run(core(), times.lease_ttl, stop())),
            tokio::spawn(retention::run(core(), times.keep_tasks, stop())),
            tokio::spawn(stored_ids::run(core(), stop())),
            tokio::spawn(wrong_clock::run(core(), stop())),
        ];
    }

    /// Begins the upkeep of the data directory `dir`, whose data these are, by a thread of its own.
    ///
    /// # Errors
    ///
    /// When the machine has no more threads.
    pub(crate) fn keep_up(&mut self, dir: &DataDir, keep: KeepEvents) -> Result<(), Failure> {
        let upkeep = self.upkeep(dir, keep);
        let (stop, stopped) = channel();
        self.upkeep = Some((stop, spawn("upkeep", move || upkeep.run(&stopped))?));
        Ok(())
    }

    /// The upkeep of the data directory `dir`, for a caller that gives it its turns, and drops it before the stop.
    pub(crate) fn upkeep(&self, dir: &DataDir, keep: KeepEvents) -> Upkeep {
        Upkeep::new(
            Arc::clone(&self.core),
            self.journal.clone(),
            self.to_store.clone(),
            dir,
            keep,
        )
    }

    /// After the shutdown, waits until the tasks have ended and everything decided is on disk; false when a thread
    /// ended because of a bug.
    pub(crate) async fn stop(mut self) -> bool {
        for task in self.tasks.drain(..) {
            // It ends with the shutdown.
            let _ = task.await;
        }
        matches!(task::spawn_blocking(move || self.stop_threads()).await, Ok(true))
    }

    /// The same for a caller that may block and has begun no tasks.
    pub(crate) fn stop_threads(self) -> bool {
        self.core.close();
        let journal = self.writer.join();
        // The journal is still open, and its end is on disk: the upkeep's last turn marks all of it.
        let upkept = self.upkeep.is_none_or(|(stop, upkeep)| {
            drop(stop);
            upkeep.join().is_ok()
        });
        let scrubbed = self.scrub.is_none_or(|(stop, scrub)| {
            drop(stop);
            scrub.join().is_ok()
        });
        drop(self.to_store);
        self.view.join().is_ok() && journal.is_ok() && upkept && scrubbed
    }
}
