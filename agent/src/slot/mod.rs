//! Claim → attempt → report. One loop owns the slots. It has at most one claim and one delivery in flight, and takes
//! whichever of its events comes first.
//!
//! A delivery asks for the next tasks in the same request, so under load a task costs one call. The agent never asks
//! for more tasks than it has free slots.

mod grant;
mod report;
mod run;

mod claiming;
mod delivering;
mod disk_watch;
mod hold;
mod leaving;
mod unsent;
mod write_retry;

mod context;
mod in_flight;
mod no_work;

use std::{sync::Arc, time::Duration};

use swarm_proto::limits::MAX_CLAIM_TASKS;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use self::{
    claiming::Claiming,
    delivering::Delivering,
    disk_watch::DiskWatch,
    hold::CurrentHold,
    in_flight::{Call, answer_of},
    leaving::Leaving,
    no_work::NoWork,
    unsent::Unsent,
    write_retry::WriteRetry,
};
pub(crate) use self::{context::SlotContext, leaving::Ending};
use crate::{
    coordinator::{
        Stranger, heartbeat,
        order::{Order, Why},
        session::SessionEnd,
    },
    disk::outbox::Leftover,
    program::shutdown::{Shutdown, Stage},
};

/// The time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// The time at the end for the removal of directories.
const TIDY: Duration = Duration::from_secs(30);
/// A wake-up time for a loop that waits for nothing but events.
const FAR: Duration = Duration::from_secs(3600);

/// An agent at work for one coordinator.
pub(crate) struct Worker {
    context: Arc<SlotContext>,
    attempts: JoinSet<()>,
    finished: (mpsc::Sender<Unsent>, mpsc::Receiver<Unsent>),
    claiming: Claiming,
    delivering: Delivering,
    /// Set while the state directory cannot be written.
    write_retry: Option<WriteRetry>,
    disk_watch: DiskWatch,
    hold: CurrentHold,
    no_work: NoWork,
    leaving: Leaving,
    strangers: watch::Receiver<Option<Stranger>>,
}

impl Worker {
    /// A registered agent, with the reports that an earlier process left.
    pub(crate) fn new(context: SlotContext, leftovers: Vec<Leftover>) -> Worker {
        let coordinator = &context.session.coordinator;
        let slots = usize::try_from(context.config.slots).unwrap_or(1);
        Worker {
            attempts: JoinSet::new(),
            finished: mpsc::channel(slots),
            claiming: Claiming::new(context.config.task_limit(), coordinator.backoff()),
            delivering: Delivering::new(leftovers, coordinator.backoff()),
            write_retry: None,
            disk_watch: DiskWatch::new(),
            hold: CurrentHold::new(context.session.hold.subscribe()),
            no_work: NoWork::default(),
            leaving: Leaving::new(),
            strangers: coordinator.strangers(),
            context: Arc::new(context),
        }
    }

    /// Works until a signal ends the agent, its tasks are done, or the session ends.
    pub(crate) async fn run(mut self, shutdown: &Shutdown) -> Ending {
        let mut stage = shutdown.watch();
        let context = Arc::clone(&self.context);
        self.note_series().await;
        let draining = self.leaving.draining();
        let mut beat: Option<Call<SessionEnd>> = Some(Box::pin(async move {
            heartbeat::beat(&context.session, context.config.kill_grace, draining).await
        }));
        loop {
            let reached = *stage.borrow_and_update();
            self.enter(reached);
            self.take_hold();
            self.close_if_done();
            self.leave_for_stranger();
            self.begin_delivery();
            self.begin_claim();
            self.begin_writing();
            self.disk_watch.begin(&self.context);
            if self.is_over() {
                break;
            }
            let wake = self.next_wake();
            tokio::select! {
                Some(finished) = self.finished.1.recv() => self.take_finished(finished),
                answer = answer_of(self.claiming.answer()) => self.take_claimed(answer),
                answer = answer_of(self.delivering.answer()) => self.take_delivered(answer),
                written = answer_of(self.write_retry.as_mut().and_then(WriteRetry::written)) => {
                    self.take_written(written);
                }
                look = answer_of(self.disk_watch.look()) => self.take_look(look),
                end = answer_of(beat.as_mut()) => {
                    beat = None;
                    self.end_session(end);
                }
                _ = stage.changed() => {}
                _ = self.strangers.changed() => {}
                () = self.hold.changed() => {}
                () = sleep_until(wake) => {
                    if self.leaving.has_drained(Instant::now()) {
                        shutdown.raise(Stage::Ending);
                    }
                }
            }
            while self.attempts.try_join_next().is_some() {}
        }
        drop(beat);
        self.leave().await
    }

    /// Acts on a more urgent stage of the shutdown.
    fn enter(&mut self, stage: Stage) {
        if !self.leaving.enter(stage, self.context.config.drain_timeout) {
            return;
        }
        // A waiting claim may have been granted tasks, or be granted one that is given back now. It is answered at
        // once, so that tasks need not wait for the end of their leases.
        self.claiming.hasten(&self.context);
        let leases = &self.context.session.leases;
        let running = leases.running();
        match stage {
            Stage::Working => {}
            Stage::Draining => {
                tracing::info!("draining: {} may finish; once more ends them", attempts(running));
            }
            Stage::Ending => {
                tracing::info!("ending {}", attempts(running));
                leases.order_all(Order::Release(Why::Leaving));
            }
            Stage::Stopping => {
                tracing::info!("killing {}", attempts(running));
                leases.order_all(Order::Stop(Why::Leaving));
            }
        }
    }

    fn is_accepting(&self) -> bool {
        !self.leaving.has_begun() && !self.claiming.has_all()
    }

    /// The number of tasks that may be asked for now.
    fn room(&self) -> u32 {
        if !self.is_accepting() || self.write_retry.is_some() || self.delivering.is_full() {
            return 0;
        }
        let asked = self.claiming.asked() + self.delivering.asked();
        let running = u32::try_from(self.context.session.leases.running()).unwrap_or(u32::MAX);
        let slots = self.context.config.slots;
        let free = slots.saturating_sub(running).saturating_sub(asked);
        free.min(MAX_CLAIM_TASKS).min(self.claiming.wanted(asked))
    }

    fn begin_claim(&mut self) {
        // The tasks behind a hold may be for this agent, so an agent under a hold is not idle.
        let is_idle = self.context.config.exit_when_idle
            && self.context.session.leases.running() == 0
            && !self.hold.is_placed();
        if is_idle && self.is_accepting() {
            self.claiming.hasten_if_long(&self.context);
        }
        let room = self.room();
        self.claiming.begin(&self.context, room, is_idle);
    }

    /// Takes up the hold of the last heartbeat.
    fn take_hold(&mut self) {
        if self.hold.update() {
            self.claiming.resume(self.context.config.jitter_max);
        }
    }

    fn end_session(&mut self, end: SessionEnd) {
        let leases = &self.context.session.leases;
        match &end {
            SessionEnd::Replaced(_) | SessionEnd::Elsewhere { .. } => {
                leases.order_all(Order::Lost);
                self.fall_silent();
            }
            SessionEnd::OtherCluster(_) => self.fall_silent(),
            SessionEnd::Refused { sentence, .. } => {
                let running = leases.running();
                if running > 0 {
                    tracing::error!(
                        error = sentence,
                        "the coordinator refuses this agent; {} may finish",
                        attempts(running)
                    );
                }
            }
        }
        self.leaving.end_session(end);
    }

    /// Leaves because no outcome of this agent would survive it. Attempts are given back.
    fn leave_without_state(&mut self, why: String) {
        if self.leaving.lose_state(why) {
            self.context
                .session
                .leases
                .order_all(Order::Release(Why::Leaving));
        }
    }

    /// Drops the calls in flight: their answers are not for this agent any more.
    fn fall_silent(&mut self) {
        self.claiming.take();
        self.delivering.recall();
    }

    /// Another coordinator answers at our address, as after its data were recreated. Running attempts go on;
    /// undelivered reports wait one lease for the old coordinator, then stay in the outbox.
    fn leave_for_stranger(&mut self) {
        let found = self.strangers.borrow_and_update().clone();
        let Some(stranger) = found else { return };
        if !self.is_accepting() || self.context.session.leases.running() > 0 || self.write_retry.is_some() {
            return;
        }
        let has_undelivered = self.delivering.items().next().is_some();
        if has_undelivered && !stranger.is_lasting(Instant::now().into_std(), self.lease_ttl()) {
            return;
        }
        self.end_session(SessionEnd::OtherCluster(stranger.cluster_id));
    }

    fn lease_ttl(&self) -> Duration {
        self.context.session.registration().lease_ttl
    }

    /// Leaves when nothing is left to do, if the agent was started to leave then.
    fn close_if_done(&mut self) {
        let is_idle = self.context.session.leases.running() == 0
            && self.delivering.is_done()
            && !self.claiming.is_in_flight();
        if self.context.config.exit_when_idle
            && self.claiming.found_nothing()
            && is_idle
            && self.leaving.leave_idle()
        {
            tracing::info!("nothing is left to do");
        }
        self.leaving.tell_heartbeat(!self.is_accepting());
    }

    fn is_over(&mut self) -> bool {
        let running = self.context.session.leases.running();
        if self.is_accepting() || running > 0 {
            let is_left = running > 0 && self.leaving.leaves_attempts(Instant::now());
            if is_left {
                tracing::error!("leaving {} that did not end", attempts(running));
            }
            return is_left;
        }
        self.leaving.is_silent()
            || self.delivering.is_done()
            || self.leaving.gives_up(self.context.config.drain_timeout)
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let stranger = self.strangers.borrow().as_ref().map(|stranger| stranger.since);
        [
            stranger.map(|since| Instant::from_std(since) + self.lease_ttl()),
            (self.room() > 0).then_some(self.claiming.wake()),
            self.delivering.wake(),
            self.write_retry.as_ref().map(WriteRetry::wake),
            self.disk_watch.wake(),
        ]
        .into_iter()
        .chain(self.leaving.wakes())
        .flatten()
        .filter(|instant| *instant > now)
        .min()
        .unwrap_or(now + FAR)
    }

    /// Says which tasks an agent leaves that leaves because nothing was left for it.
    async fn tell_left(&self) {
        let asking = self.context.session.coordinator.unfinished();
        // Only for people: an agent that is idle leaves also without an answer.
        let Ok(Some(counts)) = timeout(GOODBYE, asking).await else {
            return;
        };
        let left = [
            (counts.queued, "queued"),
            (counts.delayed, "delayed"),
            (counts.blocked, "blocked"),
            (counts.running, "running elsewhere"),
        ];
        let left: Vec<String> = left
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!("{count} {state}"))
            .collect();
        if !left.is_empty() {
            tracing::info!("tasks that it leaves: {}", left.join(", "));
        }
    }

    /// Waits for the work on the disk, and says goodbye.
    async fn leave(mut self) -> Ending {
        let results = self.delivering.items().count();
        let running = self.context.session.leases.running();
        self.claiming.take();
        self.write_last().await;
        self.delivering.abandon();
        let tidying = async { while self.attempts.join_next().await.is_some() {} };
        if timeout(TIDY, tidying).await.is_err() {
            tracing::warn!("directories of ended attempts are still being removed; the rest is left");
        }
        if self.leaving.is_idle() {
            self.tell_left().await;
        }
        // After a goodbye the unconfirmed tasks would be given to others. Without one a late report may still count.
        if !self.leaving.is_silent() && results + running == 0 {
            match timeout(GOODBYE, self.context.session.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => tracing::debug!("left without a goodbye"),
            }
        }
        self.leaving.ending(results, running)
    }
}

/// `1 attempt`, `2 attempts`.
pub(crate) fn attempts(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} attempt{plural}")
}
