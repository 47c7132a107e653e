//! Claim → attempt → report. One loop owns the slots: it has at most one claim and
//! one delivery of outcomes in flight, and takes whatever is ready.
//!
//! A delivery asks for the next tasks in the same request, so in the steady state
//! a task costs one call. What is asked for never exceeds the free slots.

mod claim;
mod context;
mod delivery;
mod hold;
mod no_work;
mod write_retry;

use std::{
    collections::VecDeque,
    future::{Future, pending},
    mem,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use swarm_proto::v1::{Hold, attempt_report::Outcome};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

pub(crate) use self::context::SlotContext;
use self::{
    claim::Claim,
    delivery::{Delivery, Unsent},
    no_work::NoWork,
    write_retry::WriteRetry,
};
use crate::{
    coordinator::{
        Stranger, heartbeat,
        held::{Order, Why},
        session::SessionEnd,
    },
    disk::outbox::Leftover,
    program::{
        backoff::Backoff,
        shutdown::{Shutdown, Stage},
    },
};

/// How long the last reports are tried, by how urgent the end is.
const FAREWELL_DRAINING: Duration = Duration::from_secs(10);
const FAREWELL_ENDING: Duration = Duration::from_secs(5);
const FAREWELL_STOPPING: Duration = Duration::from_secs(2);
/// How long the goodbye itself may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long directories may take to be removed at the end.
const TIDY: Duration = Duration::from_secs(30);
/// Nothing to wake up for: something else will.
const FAR: Duration = Duration::from_secs(3600);

type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How the work ended.
pub(crate) enum Ending {
    /// As it was asked to.
    Done,
    /// There was nothing more to do, but so many results could not be delivered.
    Unconfirmed(usize),
    /// As a signal asked for, and there was no time to deliver so many results.
    Interrupted(usize),
    /// The coordinator does not go on with this agent.
    Session(SessionEnd),
}

/// An agent at work for one coordinator.
pub(crate) struct Worker {
    context: Arc<SlotContext>,
    attempts: JoinSet<()>,
    finished: (mpsc::Sender<Unsent>, mpsc::Receiver<Unsent>),
    unsent: VecDeque<Unsent>,
    claim: Option<Claim>,
    delivery: Option<Delivery>,
    /// Tasks taken so far, without those that were given back undone.
    claimed: u64,
    has_asked: bool,
    /// The last answer brought nothing, and nothing has ended since.
    found_nothing: bool,
    /// Nothing was left to do, and that is when it was to leave.
    closed: bool,
    /// All of the last assignments were refused: what would come next is not asked for at once.
    is_refusing: bool,
    no_work: NoWork,
    /// As the log knows it.
    hold: Option<Hold>,
    holds: watch::Receiver<Option<Hold>>,
    held_since: Option<Instant>,
    /// A heartbeat was sent to ask for a hold that a claim told of.
    was_hold_asked_for: bool,
    draining: watch::Sender<bool>,
    stage: Stage,
    drain_deadline: Option<Instant>,
    farewell: Option<Instant>,
    over: Option<SessionEnd>,
    write_retry: Option<WriteRetry>,
    strangers: watch::Receiver<Option<Stranger>>,
    claim_pauses: Backoff,
    claim_not_before: Instant,
    delivery_pauses: Backoff,
    deliver_not_before: Instant,
}

impl Worker {
    /// An agent that is registered, and has these reports still to confirm.
    pub(crate) fn new(context: SlotContext, leftovers: Vec<Leftover>) -> Worker {
        let coordinator = &context.session.coordinator;
        let (claim_pauses, delivery_pauses) = (coordinator.backoff(), coordinator.backoff());
        let strangers = coordinator.strangers();
        let holds = context.session.hold.subscribe();
        let slots = usize::try_from(context.config.slots).unwrap_or(1);
        let unsent = leftovers
            .into_iter()
            .map(|left| Unsent::new(left.report, left.written))
            .collect();
        Worker {
            context: Arc::new(context),
            attempts: JoinSet::new(),
            finished: mpsc::channel(slots),
            unsent,
            claim: None,
            delivery: None,
            claimed: 0,
            has_asked: false,
            found_nothing: false,
            closed: false,
            is_refusing: false,
            no_work: NoWork::default(),
            hold: None,
            holds,
            held_since: None,
            was_hold_asked_for: false,
            draining: watch::channel(false).0,
            stage: Stage::Working,
            drain_deadline: None,
            farewell: None,
            over: None,
            write_retry: None,
            strangers,
            claim_pauses,
            claim_not_before: Instant::now(),
            delivery_pauses,
            deliver_not_before: Instant::now(),
        }
    }

    /// Works until it is told to end, has done what it was started for, or cannot go on.
    pub(crate) async fn run(mut self, shutdown: &Shutdown) -> Ending {
        let mut stage = shutdown.watch();
        let context = Arc::clone(&self.context);
        self.note_series().await;
        let draining = self.draining.subscribe();
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
            if self.is_over() {
                break;
            }
            let wake = self.next_wake();
            tokio::select! {
                Some(finished) = self.finished.1.recv() => self.take_finished(finished),
                answer = answer_of(self.claim.as_mut().map(|claim| &mut claim.answer)) => self.take_claimed(answer),
                answer = answer_of(self.delivery.as_mut().map(|delivery| &mut delivery.answer)) => {
                    self.take_delivered(answer);
                }
                written = answer_of(self.write_retry.as_mut().and_then(|write_retry| write_retry.writing.as_mut())) => {
                    self.take_written(written);
                }
                over = answer_of(beat.as_mut()) => {
                    beat = None;
                    self.take_over(over);
                }
                _ = stage.changed() => {}
                _ = self.strangers.changed() => {}
                _ = self.holds.changed() => {}
                () = sleep_until(wake) => {
                    if self.drain_deadline.is_some_and(|deadline| deadline <= Instant::now()) {
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
        if stage == self.stage {
            return;
        }
        self.stage = stage;
        self.farewell = None;
        self.drain_deadline = None;
        let running = self.context.session.held.running();
        match stage {
            Stage::Working => {}
            Stage::Draining => {
                tracing::info!(
                    "draining: nothing more is claimed, {running} attempts may finish; once more ends them"
                );
                self.drain_deadline = Some(Instant::now() + self.context.config.drain_timeout);
                // What it may have been granted meanwhile is fetched and given back, so that nobody waits for it.
                self.hasten_claim();
            }
            Stage::Ending => {
                tracing::info!("ending {running} attempts");
                self.context.session.held.order_all(Order::Release(Why::Leaving));
            }
            Stage::Stopping => {
                tracing::info!("killing {running} attempts");
                self.context.session.held.order_all(Order::Stop(Why::Leaving));
            }
        }
    }

    fn is_accepting(&self) -> bool {
        let limit = self.context.config.task_limit();
        let has_all = limit.is_some_and(|limit| self.claimed >= limit);
        self.stage == Stage::Working && self.over.is_none() && !self.closed && !has_all
    }

    fn take_finished(&mut self, finished: Unsent) {
        self.found_nothing = false;
        if finished.lost {
            self.context.session.held.forget(&finished.key);
            return;
        }
        self.context
            .session
            .held
            .report(finished.report.lease.clone().unwrap_or_default());
        if let Some(Outcome::Released(_)) = finished.report.outcome {
            self.claimed = self.claimed.saturating_sub(1);
        }
        if let Some(error) = &finished.unwritten {
            self.note_unwritten(&finished.key, error);
        }
        self.unsent.push_back(finished);
        // Whatever else has ended by now shares the delivery.
        while let Ok(another) = self.finished.1.try_recv() {
            self.take_finished(another);
        }
    }

    fn take_over(&mut self, over: SessionEnd) {
        match &over {
            SessionEnd::Replaced(_) => {
                self.context.session.held.order_all(Order::Lost);
                self.fall_silent();
            }
            SessionEnd::OtherCluster(_) => self.fall_silent(),
            SessionEnd::Refused { sentence, .. } => {
                let running = self.context.session.held.running();
                if running > 0 {
                    tracing::error!(
                        error = sentence,
                        "the coordinator refuses this agent; {running} attempts may finish"
                    );
                }
            }
        }
        self.over.get_or_insert(over);
    }

    /// Nothing that calls in flight bring is ours any more.
    fn fall_silent(&mut self) {
        self.claim = None;
        let undelivered = self.delivery.take().map(|delivery| delivery.items);
        self.unsent.extend(undelivered.into_iter().flatten());
    }

    /// Begins anew with another coordinator that answers in place of this agent's own, as when its data were made
    /// anew. Nothing that runs is ended for it, and for what can still be delivered the own one has a lease's time to
    /// come back; later the outbox keeps it.
    fn leave_for_stranger(&mut self) {
        let found = self.strangers.borrow_and_update().clone();
        let Some(stranger) = found else { return };
        if !self.is_accepting() || self.context.session.held.running() > 0 || self.write_retry.is_some() {
            return;
        }
        let undelivered = self.undelivered();
        if undelivered > 0 && !stranger.is_lasting(Instant::now().into_std(), self.lease_ttl()) {
            return;
        }
        self.take_over(SessionEnd::OtherCluster(stranger.cluster_id));
    }

    /// How many outcomes are not confirmed yet.
    fn undelivered(&self) -> usize {
        self.unsent.len() + self.delivery.as_ref().map_or(0, |delivery| delivery.items.len())
    }

    fn lease_ttl(&self) -> Duration {
        self.context.session.registration().lease_ttl
    }

    /// Leaves when nothing is left to do and that is what it was started for.
    fn close_if_done(&mut self) {
        let idle = self.context.session.held.running() == 0
            && self.unsent.is_empty()
            && self.claim.is_none()
            && self.delivery.is_none();
        if self.context.config.exit_when_idle && self.found_nothing && idle && !self.closed {
            tracing::info!("nothing is left to do");
            self.closed = true;
        }
        let is_draining = !self.is_accepting();
        self.draining
            .send_if_modified(|draining| mem::replace(draining, is_draining) != is_draining);
    }

    fn is_over(&mut self) -> bool {
        if self.is_accepting() || self.context.session.held.running() > 0 {
            return false;
        }
        if matches!(
            self.over,
            Some(SessionEnd::Replaced(_) | SessionEnd::OtherCluster(_))
        ) {
            return true;
        }
        if self.unsent.is_empty() && self.delivery.is_none() {
            return true;
        }
        let patience = match self.stage {
            Stage::Working => self.context.config.drain_timeout,
            Stage::Draining => FAREWELL_DRAINING,
            Stage::Ending => FAREWELL_ENDING,
            Stage::Stopping => FAREWELL_STOPPING,
        };
        let now = Instant::now();
        *self.farewell.get_or_insert(now + patience) <= now
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let stranger = self.strangers.borrow().as_ref().map(|stranger| stranger.since);
        [
            stranger.map(|since| Instant::from_std(since) + self.lease_ttl()),
            self.drain_deadline,
            self.farewell,
            (self.room() > 0).then_some(self.claim_not_before),
            (!self.unsent.is_empty()).then_some(self.deliver_not_before),
            self.write_retry.as_ref().map(|write_retry| write_retry.try_again),
        ]
        .into_iter()
        .flatten()
        .filter(|instant| *instant > now)
        .min()
        .unwrap_or(now + FAR)
    }

    /// Finishes what has begun on the disk, and says goodbye.
    async fn leave(mut self) -> Ending {
        let unconfirmed = self.undelivered();
        self.claim = None;
        self.write_last().await;
        self.delivery = None;
        let tidying = async { while self.attempts.join_next().await.is_some() {} };
        if timeout(TIDY, tidying).await.is_err() {
            tracing::warn!("directories of ended attempts are still being removed; the rest is left");
        }
        match self.over {
            Some(over @ (SessionEnd::Replaced(_) | SessionEnd::OtherCluster(_))) => {
                return Ending::Session(over);
            }
            // A goodbye would give the unconfirmed leases to others; without it a late report may still count.
            _ if unconfirmed > 0 => {}
            _ => match timeout(GOODBYE, self.context.session.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => tracing::debug!("left without a goodbye"),
            },
        }
        match self.over {
            Some(over) => Ending::Session(over),
            None if unconfirmed == 0 => Ending::Done,
            None if self.stage == Stage::Working => Ending::Unconfirmed(unconfirmed),
            None => Ending::Interrupted(unconfirmed),
        }
    }
}

/// The answer of a call in flight; waits for ever when there is none.
async fn answer_of<T>(call: Option<&mut Call<T>>) -> T {
    match call {
        Some(call) => call.as_mut().await,
        None => pending().await,
    }
}
