//! Claims: one in flight, how many tasks it asks for, and the time of the next.

use std::{mem, sync::Arc, time::Duration};

use swarm_proto::{
    duration::{read_duration, write_duration},
    limits::MAX_REQUEST_ID_BYTES,
    v1::{ClaimRequest, ClaimResponse, EmptyReason},
};
use tokio::time::Instant;

use super::{context::SlotContext, hold::is_by_hold, in_flight::Call};
use crate::{
    coordinator::{lease::BootTime, session::SessionEnd},
    program::{backoff::Backoff, config::Config, random},
};

/// The longest pause that the coordinator can ask for. It asks for minutes; a longer pause by mistake must not put a
/// machine out of work for good.
const MAX_CLAIM_PAUSE: Duration = Duration::from_secs(10 * 60);
/// The longest pause between claims during a hold, unless the coordinator names a time. The news of the hold's end
/// may be lost.
const HELD_PAUSE: Duration = Duration::from_secs(5);
/// How many claims in a row have to find nothing until an agent that was told so leaves. Each waits for
/// [`IDLE_WAIT`], or for the poll interval when claims do not wait: what is due within that time is waited for.
const IDLE_CHECKS: u32 = 10;
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// The coordinator knows a repeated claim by it.
const REQUEST_ID_CHARACTERS: usize = 20;

const _: () = assert!(REQUEST_ID_CHARACTERS <= MAX_REQUEST_ID_BYTES);

/// The claims of one agent, and when to send the next.
pub(super) struct Claiming {
    in_flight: Option<Claim>,
    /// How many tasks to take before leaving; `None` is no limit.
    limit: Option<u64>,
    /// Tasks taken so far, without those given back undone.
    taken: u64,
    has_asked: bool,
    /// How many answers in a row brought nothing, since an attempt ended or the coordinator held back for a moment.
    idle_checks: u32,
    /// All of the last assignments were refused, so the next claim waits.
    is_refusing: bool,
    pauses: Backoff,
    not_before: Instant,
}

/// A claim in flight.
pub(super) struct Claim {
    answer: Call<Result<ClaimResponse, SessionEnd>>,
    request: ClaimRequest,
    asked: u32,
    /// When the request was first sent. Its leases count from then.
    pub(super) sent: BootTime,
    begun: Instant,
    wait: Duration,
}

impl Claiming {
    pub(super) fn new(limit: Option<u64>, pauses: Backoff) -> Claiming {
        Claiming {
            in_flight: None,
            limit,
            taken: 0,
            has_asked: false,
            idle_checks: 0,
            is_refusing: false,
            pauses,
            not_before: Instant::now(),
        }
    }

    /// The answer of the claim in flight.
    pub(super) fn answer(&mut self) -> Option<&mut Call<Result<ClaimResponse, SessionEnd>>> {
        self.in_flight.as_mut().map(|claim| &mut claim.answer)
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// The number of tasks that the claim in flight asks for.
    pub(super) fn asked(&self) -> u32 {
        self.in_flight.as_ref().map_or(0, |claim| claim.asked)
    }

    /// Tasks up to the limit, with so many asked for already.
    pub(super) fn wanted(&self, asked: u32) -> u32 {
        let wanted = self.limit.map_or(u64::MAX, |limit| {
            limit.saturating_sub(self.taken).saturating_sub(u64::from(asked))
        });
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }

    /// Whether the limit is reached.
    pub(super) fn has_all(&self) -> bool {
        self.limit.is_some_and(|limit| self.taken >= limit)
    }

    /// Whether enough answers in a row brought nothing, and no attempt has ended since.
    pub(super) fn found_nothing(&self) -> bool {
        self.idle_checks >= IDLE_CHECKS
    }

    /// When the next claim may go out.
    pub(super) fn wake(&self) -> Instant {
        self.not_before
    }

    /// Asks for so many tasks, if it is time. An agent that leaves when it is idle is answered soon.
    pub(super) fn begin(&mut self, context: &Arc<SlotContext>, asked: u32, is_idle: bool) {
        if self.in_flight.is_some() || asked == 0 || Instant::now() < self.not_before {
            return;
        }
        // At the start the owner wants to see at once a task, or the reason for none.
        let is_first = !mem::replace(&mut self.has_asked, true);
        // A lease is trusted from the sending of its claim, so a long wait would use up the trust.
        let quarter = context.session.registration().lease_ttl / 4;
        let longest = context.config.claim_wait.min(quarter);
        let wait = match (is_first, is_idle) {
            (true, _) => Duration::ZERO,
            (false, true) => longest.min(IDLE_WAIT),
            (false, false) => longest,
        };
        self.send(
            context,
            request(context, asked, wait),
            asked,
            wait,
            BootTime::now(),
        );
    }

    /// Sends a claim that waits for long again, this time for an answer at once: the agent has become idle, and leaves
    /// when it is so for a while.
    pub(super) fn hasten_if_long(&mut self, context: &Arc<SlotContext>) {
        self.hasten_longer(context, IDLE_WAIT);
    }

    /// Sends a waiting claim again, this time for an answer at once.
    pub(super) fn hasten(&mut self, context: &Arc<SlotContext>) {
        self.hasten_longer(context, Duration::ZERO);
    }

    fn hasten_longer(&mut self, context: &Arc<SlotContext>, longest: Duration) {
        if let Some(Claim {
            request, asked, sent, ..
        }) = self.in_flight.take_if(|claim| claim.wait > longest)
        {
            let request = ClaimRequest {
                wait: None,
                ..request
            };
            self.send(context, request, asked, Duration::ZERO, sent);
        }
    }

    fn send(
        &mut self,
        context: &Arc<SlotContext>,
        request: ClaimRequest,
        asked: u32,
        wait: Duration,
        sent: BootTime,
    ) {
        let (context, sending) = (Arc::clone(context), request.clone());
        let answer = Box::pin(async move { context.session.claim(sending, wait).await });
        self.in_flight = Some(Claim {
            answer,
            request,
            asked,
            sent,
            begun: Instant::now(),
            wait,
        });
    }

    /// The claim in flight, once it is answered or nobody wants its answer.
    pub(super) fn take(&mut self) -> Option<Claim> {
        self.in_flight.take()
    }

    /// Notes whether an answer brought anything.
    pub(super) fn note_answer(&mut self, answer: &ClaimResponse) {
        if !answer.assignments.is_empty() {
            self.idle_checks = 0;
        }
    }

    /// Notes why an answer brought nothing; true when the coordinator says how long to wait.
    pub(super) fn note_nothing(&mut self, answer: &ClaimResponse) -> bool {
        let slowed = answer.empty_reason() == EmptyReason::MachineSlowed;
        // A pause or stop ends some day. A drain, by contrast, is meant to make the agent leave.
        // A claim that looked at as many tasks as it may says nothing of the others.
        let is_momentary = matches!(
            answer.empty_reason(),
            EmptyReason::Paused | EmptyReason::Stopped | EmptyReason::ScanLimit
        );
        self.idle_checks = match answer.empty_reason() {
            _ if slowed || is_momentary => 0,
            // Waiting brings nothing: the drain is for this agent.
            EmptyReason::Drained => IDLE_CHECKS,
            _ => self.idle_checks.saturating_add(1),
        };
        self.is_refusing = false;
        let Some(pause) = answer.retry_after.as_ref().and_then(read_duration) else {
            return false;
        };
        let pause = pause.min(MAX_CLAIM_PAUSE);
        if slowed {
            tracing::warn!(
                "the last attempts failed because of this machine: the coordinator gives it nothing for {} s",
                pause.as_secs().max(1)
            );
        }
        self.not_before = Instant::now() + pause;
        true
    }

    /// Notes whether any assignment of an answer began, and whether any was refused.
    pub(super) fn note_assignments(&mut self, begun_any: bool, refused_any: bool) {
        if begun_any || refused_any {
            self.is_refusing = !begun_any;
        }
    }

    /// An attempt begins.
    pub(super) fn note_begin(&mut self) {
        self.taken += 1;
        self.idle_checks = 0;
    }

    /// An attempt has ended. Other tasks may be able to run now.
    pub(super) fn note_end(&mut self) {
        self.idle_checks = 0;
    }

    /// An attempt was given back undone.
    pub(super) fn note_release(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Whether all of the last assignments were refused, and the next claim waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_refusing && Instant::now() < self.not_before
    }

    /// Delays the next claim if all of the last assignments were refused.
    pub(super) fn pause_if_refusing(&mut self) {
        if self.is_refusing {
            self.not_before = Instant::now() + self.pauses.pause();
        }
    }

    /// Sets the time of the next claim, by the result of this one.
    pub(super) fn pause_after(&mut self, claim: &Claim, brought: Brought, config: &Config) {
        let has_waited = !claim.wait.is_zero() && claim.begun.elapsed() >= claim.wait / 2;
        let pause = match brought {
            Brought::Attempts => return self.pauses.reset(),
            Brought::Nothing(_) if has_waited => return self.pauses.reset(),
            Brought::Nothing(_) if config.claim_wait.is_zero() => {
                config.poll_interval + random::part_of(config.jitter_max)
            }
            // The claim did not wait, or brought only tasks that cannot be done here, so the agent pauses.
            Brought::Nothing(reason) if is_by_hold(reason) => self.pauses.pause().min(HELD_PAUSE),
            Brought::Nothing(_) | Brought::Unwanted => self.pauses.pause(),
        };
        self.not_before = Instant::now() + pause;
    }

    /// Claims soon, because a hold was lifted. The jitter spreads the claims of all agents.
    pub(super) fn resume(&mut self, jitter_max: Duration) {
        self.pauses.reset();
        let soon = Instant::now() + random::part_of(jitter_max);
        self.not_before = self.not_before.min(soon);
    }
}

/// The result of a claim.
pub(super) enum Brought {
    /// At least one attempt began.
    Attempts,
    /// All assignments were given back.
    Unwanted,
    /// There was no assignment, for this reason.
    Nothing(EmptyReason),
}

/// A request for so many tasks, whose answer may be held back for `wait`.
pub(super) fn request(context: &SlotContext, asked: u32, wait: Duration) -> ClaimRequest {
    ClaimRequest {
        agent_id: context.session.agent_id().to_owned(),
        session: context.session.registration().session,
        max_tasks: asked,
        wait: write_duration(wait),
        queues: context.config.queues.clone(),
        request_id: random::base32(REQUEST_ID_CHARACTERS),
        shard: context.config.shard(),
        scan_limit: context.config.scan_limit,
    }
}
