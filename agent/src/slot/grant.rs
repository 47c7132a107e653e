//! Answers to claims. Granted tasks begin or are given back; for an empty answer the log has the reason.

use std::{sync::Arc, time::SystemTime};

use swarm_proto::{
    limits::MAX_ID_BYTES,
    v1::{Assignment, ClaimResponse, EmptyReason, LeaseRef, TaskSpec, attempt_report::Outcome},
};
use tokio::time::Instant;

use super::{Worker, claiming::Brought, hold::is_by_hold, run::run_to_report, unsent::Unsent};
use crate::{
    attempt::{self, veto},
    coordinator::{
        lease::{BootTime, TrustWindow},
        session::{SessionEnd, read_length},
    },
    executor::outcome::{refused, released},
    program::file_name::is_file_name,
};

impl Worker {
    /// Takes the answer of the claim in flight.
    pub(super) fn take_claimed(&mut self, answer: Result<ClaimResponse, SessionEnd>) {
        let Some(claim) = self.claiming.take() else { return };
        let answer = match answer {
            Ok(answer) => answer,
            Err(end) => return self.end_session(end),
        };
        let reason = answer.empty_reason();
        self.claiming.note_answer(&answer);
        let brought = if answer.assignments.is_empty() {
            if self.take_nothing(&answer) {
                return;
            }
            Brought::Nothing(reason)
        } else if self.take_assignments(answer.assignments, claim.sent) {
            Brought::Attempts
        } else {
            Brought::Unwanted
        };
        self.claiming.pause_after(&claim, brought, &self.context.config);
    }

    /// Takes the answer to the claim in a delivery.
    pub(super) fn take_claimed_along(&mut self, answer: ClaimResponse, sent: BootTime) {
        self.claiming.note_answer(&answer);
        if answer.assignments.is_empty() {
            self.take_nothing(&answer);
        }
        self.take_assignments(answer.assignments, sent);
        self.claiming.pause_if_refusing();
    }

    /// Takes an empty answer; true when the coordinator says how long to wait.
    fn take_nothing(&mut self, answer: &ClaimResponse) -> bool {
        if answer.empty_reason() != EmptyReason::MachineSlowed {
            self.explain_nothing(answer);
        }
        self.claiming.note_nothing(answer)
    }

    /// Logs why a claim brought nothing, unless the log tells of a hold already.
    fn explain_nothing(&mut self, answer: &ClaimResponse) {
        let is_held = is_by_hold(answer.empty_reason());
        if is_held != self.hold.is_placed() {
            self.context.session.beat_now.notify_one();
        }
        if is_held && self.hold.is_told() {
            return;
        }
        // While other slots work, a free slot is no news.
        let is_plain = answer.empty_reason() == EmptyReason::NothingQueued && answer.passed.is_empty();
        if is_plain && self.context.session.leases.running() > 0 {
            return;
        }
        if let Some(line) = self.no_work.note(answer, Instant::now()) {
            tracing::info!("{line}");
        }
    }

    /// Logs the end of a time without work.
    fn note_work(&mut self) {
        if self.hold.is_placed() {
            self.context.session.beat_now.notify_one();
        }
        if let Some(line) = self.no_work.end(Instant::now()) {
            tracing::info!("{line}");
        }
    }

    /// Begins granted tasks, or gives them back; says whether any began.
    fn take_assignments(&mut self, assignments: Vec<Assignment>, sent: BootTime) -> bool {
        let (mut begun_any, mut refused_any) = (false, false);
        for assignment in assignments {
            let Some(lease) = assignment.lease.clone() else {
                continue;
            };
            // Files are named by the task's id, and the coordinator is not trusted to send harmless names.
            if !is_file_name(&lease.task_id, MAX_ID_BYTES) {
                let why = "this agent cannot keep files for a task with this id";
                self.give_back(lease, released(why));
            } else if !self.is_accepting() {
                self.give_back(lease, released("the agent is leaving"));
            } else if self.write_retry.is_some() {
                self.give_back(lease, released("the agent cannot write its state directory"));
            } else if let Some(objection) = self.objection(&assignment) {
                tracing::info!(
                    task_id = lease.task_id,
                    attempt = lease.attempt,
                    job_id = assignment.job_id,
                    reason = objection,
                    "refused"
                );
                refused_any = true;
                self.give_back(lease, refused(objection));
            } else {
                begun_any |= self.start(assignment, lease, sent);
            }
        }
        self.claiming.note_assignments(begun_any, refused_any);
        begun_any
    }

    fn objection(&self, assignment: &Assignment) -> Option<String> {
        let nothing = TaskSpec::default();
        veto::objection(&self.context.config, assignment.spec.as_ref().unwrap_or(&nothing))
    }

    /// Begins an attempt, unless it is at work already or might overlap with another one of its exclusive group.
    fn start(&mut self, assignment: Assignment, lease: LeaseRef, sent: BootTime) -> bool {
        let ttl = read_length(assignment.lease_ttl);
        let ttl = ttl.unwrap_or(self.context.session.registration().lease_ttl);
        let trust = TrustWindow::new(sent, ttl, self.context.config.kill_grace);
        let exclusive = assignment
            .spec
            .as_ref()
            .is_some_and(|spec| !spec.exclusive_group.is_empty());
        if exclusive && trust.has_ended(BootTime::now()) {
            let why = "its lease may have expired before it came, and it is in an exclusive group";
            self.give_back(lease, released(why));
            return false;
        }
        // A repeated answer brings leases that are held already.
        let Some(orders) = self.context.session.leases.take(lease, trust, exclusive) else {
            return false;
        };
        self.claiming.note_begin();
        self.note_work();
        if exclusive {
            // The parked heartbeat does not list this lease, and its trust window must be renewed in time.
            self.context.session.beat_now.notify_one();
        }
        let (context, finished) = (Arc::clone(&self.context), self.finished.0.clone());
        self.attempts
            .spawn(run_to_report(context, assignment, orders, finished));
        true
    }

    fn give_back(&mut self, lease: LeaseRef, outcome: Outcome) {
        self.context.session.leases.report(lease.clone());
        let report = attempt::not_begun(lease, outcome);
        self.delivering.push(Unsent::new(report, SystemTime::now()));
    }
}
