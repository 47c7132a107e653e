//! Asking for work: never for more than there are free slots, with one claim in flight.

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use swarm_proto::{
    duration::{read_duration, write_duration},
    v1::{Assignment, AttemptReport, ClaimRequest, ClaimResponse, EmptyReason, LeaseRef, TaskSpec},
};
use tokio::time::Instant;

use super::{
    Call, Worker,
    context::run_to_report,
    delivery::{MAX_UNSENT, Unsent},
    hold::{HELD_PAUSE, is_by_hold},
};
use crate::{
    attempt::{self, veto},
    coordinator::{
        lease::{BootTime, TrustWindow},
        session::{SessionEnd, read_length},
    },
    executor::outcome::{refused, released},
    program::{file_name::is_file_name, random},
};

/// The protocol's limit of a claim.
const MAX_CLAIMED: u32 = 100;
/// The coordinator asks for minutes at most. A pause that is longer than this is cut, so that a mistake
/// elsewhere does not put a machine out of work for good.
const MAX_CLAIM_PAUSE: Duration = Duration::from_secs(10 * 60);
/// A repeat is known by it; the protocol takes 64 bytes.
const REQUEST_ID_CHARACTERS: usize = 20;

/// A claim in flight.
pub(super) struct Claim {
    pub(super) answer: Call<Result<ClaimResponse, SessionEnd>>,
    pub(super) request: ClaimRequest,
    pub(super) asked: u32,
    /// When this request was first sent: its leases last from then.
    pub(super) sent: BootTime,
    pub(super) begun: Instant,
    pub(super) wait: Duration,
}

impl Worker {
    /// How many tasks may be asked for now.
    pub(super) fn room(&self) -> u32 {
        if !self.is_accepting() || self.write_retry.is_some() || self.unsent.len() >= MAX_UNSENT {
            return 0;
        }
        let asked = self.claim.as_ref().map_or(0, |claim| claim.asked)
            + self.delivery.as_ref().map_or(0, |delivery| delivery.asked);
        let running = u32::try_from(self.context.session.held.running()).unwrap_or(u32::MAX);
        let free = self
            .context
            .config
            .slots
            .saturating_sub(running)
            .saturating_sub(asked);
        let wanted = self.context.config.task_limit().map_or(u64::MAX, |limit| {
            limit
                .saturating_sub(self.claimed)
                .saturating_sub(u64::from(asked))
        });
        free.min(MAX_CLAIMED)
            .min(u32::try_from(wanted).unwrap_or(u32::MAX))
    }

    pub(super) fn claim_request(&self, asked: u32, wait: Duration) -> ClaimRequest {
        ClaimRequest {
            agent_id: self.context.session.agent_id().to_owned(),
            session: self.context.session.registration().session,
            max_tasks: asked,
            wait: write_duration(wait),
            queues: self.context.config.queues.clone(),
            request_id: random::base32(REQUEST_ID_CHARACTERS),
            shard: self.context.config.shard(),
            scan_limit: self.context.config.scan_limit,
        }
    }

    pub(super) fn begin_claim(&mut self) {
        // A hold ends some day, and what it keeps back may be for this agent.
        let idle = self.context.config.exit_when_idle
            && self.context.session.held.running() == 0
            && self.hold.is_none();
        if idle && self.is_accepting() {
            // It has to be known now whether there is anything.
            self.hasten_claim();
        }
        let asked = self.room();
        if self.claim.is_some() || asked == 0 || Instant::now() < self.claim_not_before {
            return;
        }
        // At the start an owner wants to know at once what there is, or why there is nothing.
        let is_first = !mem::replace(&mut self.has_asked, true);
        let wait = if idle || is_first {
            Duration::ZERO
        } else {
            // What is granted after a long wait is trusted from when it was asked for.
            let quarter = self.context.session.registration().lease_ttl / 4;
            self.context.config.claim_wait.min(quarter)
        };
        let request = self.claim_request(asked, wait);
        self.send_claim(request, asked, wait, BootTime::now());
    }

    /// Asks a waiting claim again, this time for an answer at once.
    pub(super) fn hasten_claim(&mut self) {
        if let Some(Claim {
            request, asked, sent, ..
        }) = self.claim.take_if(|claim| !claim.wait.is_zero())
        {
            self.send_claim(
                ClaimRequest {
                    wait: None,
                    ..request
                },
                asked,
                Duration::ZERO,
                sent,
            );
        }
    }

    fn send_claim(&mut self, request: ClaimRequest, asked: u32, wait: Duration, sent: BootTime) {
        let (context, sending) = (Arc::clone(&self.context), request.clone());
        let answer = Box::pin(async move { context.session.claim(sending, wait).await });
        self.claim = Some(Claim {
            answer,
            request,
            asked,
            sent,
            begun: Instant::now(),
            wait,
        });
    }

    pub(super) fn take_claimed(&mut self, answer: Result<ClaimResponse, SessionEnd>) {
        let Some(Claim {
            sent, begun, wait, ..
        }) = self.claim.take()
        else {
            return;
        };
        match answer {
            Err(over) => self.take_over(over),
            Ok(answer) => {
                self.found_nothing = answer.assignments.is_empty();
                if self.found_nothing && self.take_nothing(&answer) {
                    return;
                }
                let empty = answer.assignments.is_empty();
                let is_held = is_by_hold(answer.empty_reason());
                let begun_any = self.take_assignments(answer.assignments, sent);
                let waited = empty && !wait.is_zero() && begun.elapsed() >= wait / 2;
                let is_polling = empty && self.context.config.claim_wait.is_zero();
                if begun_any || waited {
                    self.claim_pauses.reset();
                } else if is_polling {
                    let jitter = random::part_of(self.context.config.jitter_max);
                    self.claim_not_before = Instant::now() + self.context.config.poll_interval + jitter;
                } else {
                    // It did not wait, or gave nothing that can be done here, so we wait.
                    let longest = if is_held { HELD_PAUSE } else { Duration::MAX };
                    self.claim_not_before = Instant::now() + self.claim_pauses.pause().min(longest);
                }
            }
        }
    }

    /// Notes that there was nothing to claim; true when the coordinator says how long to wait.
    pub(super) fn take_nothing(&mut self, answer: &ClaimResponse) -> bool {
        let slowed = answer.empty_reason() == EmptyReason::MachineSlowed;
        // There may be work, only not at this moment. Who drains an agent means it to be free.
        let is_momentary = matches!(answer.empty_reason(), EmptyReason::Paused | EmptyReason::Stopped);
        self.found_nothing = !slowed && !is_momentary;
        self.is_refusing = false;
        if !slowed {
            self.explain_nothing(answer);
        }
        let pause = answer.retry_after.as_ref().and_then(read_duration);
        let Some(pause) = pause else { return false };
        let pause = pause.min(MAX_CLAIM_PAUSE);
        if slowed {
            tracing::warn!(
                "the last attempts failed because of this machine: the coordinator gives it nothing for {} s",
                pause.as_secs().max(1)
            );
        }
        self.claim_not_before = Instant::now() + pause;
        true
    }

    /// Begins what was granted, or gives it back; says whether anything began.
    pub(super) fn take_assignments(&mut self, assignments: Vec<Assignment>, sent: BootTime) -> bool {
        let (mut begun_any, mut refused_any) = (false, false);
        for assignment in assignments {
            let Some(lease) = assignment.lease.clone() else {
                continue;
            };
            // Files are named by it: what the other side sends is not trusted to be harmless.
            if !is_file_name(&lease.task_id, 128) {
                self.give_back(lease, "this agent cannot keep files for a task with this id");
            } else if !self.is_accepting() {
                self.give_back(lease, "the agent is leaving");
            } else if self.write_retry.is_some() {
                self.give_back(lease, "the agent cannot write its state directory");
            } else if let Some(objection) = self.objection(&assignment) {
                tracing::info!(
                    task_id = lease.task_id,
                    attempt = lease.attempt,
                    job_id = assignment.job_id,
                    reason = objection,
                    "refused"
                );
                refused_any = true;
                self.give_back_report(attempt::not_begun(lease, refused(objection)));
            } else {
                begun_any |= self.start(assignment, lease, sent);
            }
        }
        if begun_any || refused_any {
            self.is_refusing = !begun_any;
        }
        begun_any
    }

    fn objection(&self, assignment: &Assignment) -> Option<String> {
        let nothing = TaskSpec::default();
        veto::objection(&self.context.config, assignment.spec.as_ref().unwrap_or(&nothing))
    }

    fn start(&mut self, assignment: Assignment, lease: LeaseRef, sent: BootTime) -> bool {
        let ttl = read_length(assignment.lease_ttl);
        let ttl = ttl.unwrap_or(self.context.session.registration().lease_ttl);
        let trust = TrustWindow::new(sent, ttl, self.context.config.kill_grace);
        let exclusive = assignment
            .spec
            .as_ref()
            .is_some_and(|spec| !spec.exclusive_group.is_empty());
        if exclusive && trust.has_ended(BootTime::now()) {
            self.give_back(
                lease,
                "its lease may have expired before it came, and it is in an exclusive group",
            );
            return false;
        }
        // A repeated answer brings leases that are at work already.
        let Some(orders) = self.context.session.held.take(lease, trust, exclusive) else {
            return false;
        };
        self.claimed += 1;
        self.found_nothing = false;
        self.note_work();
        if exclusive {
            // The parked heartbeat does not list it, and its trust window is to be renewed in time.
            self.context.session.beat_now.notify_one();
        }
        let (context, finished) = (Arc::clone(&self.context), self.finished.0.clone());
        self.attempts
            .spawn(run_to_report(context, assignment, orders, finished));
        true
    }

    fn give_back(&mut self, lease: LeaseRef, reason: &str) {
        self.give_back_report(attempt::not_begun(lease, released(reason)));
    }

    fn give_back_report(&mut self, report: AttemptReport) {
        self.context
            .session
            .held
            .report(report.lease.clone().unwrap_or_default());
        self.unsent.push_back(Unsent::new(report, SystemTime::now()));
    }
}
