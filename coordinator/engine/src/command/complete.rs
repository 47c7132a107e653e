//! An agent reports outcomes.

use std::{sync::Arc, time::Duration};

use crate::{
    draft::Draft,
    event::{CancelledAttempt, Fact, Subject},
    id::{AgentId, AttemptNumber, ReportHash},
    noun::{
        lease::Proof,
        outcome::{Blame, Failure, Outcome, Output},
        task::{Task, TaskState},
    },
    rejection::Rejection,
    rule::{
        dependency::settle,
        fit::Liveness,
        retry::{Verdict, after_failure, mix},
    },
    time::Timestamp,
};

/// Reports to accept. The lease alone proves the right to report, because an outbox outlives sessions.
#[derive(Clone, Debug)]
pub struct Complete {
    /// The agent.
    pub agent: AgentId,
    /// The reports.
    pub reports: Vec<Report>,
    /// A random number for the backoffs.
    pub jitter: u64,
    /// The length of leases: an agent that is silent for longer is lost.
    pub lease_ttl: Duration,
    /// The start of the coordinator: agents that have not called since have been silent for that long only.
    pub started: Timestamp,
}

/// A report on an attempt.
#[derive(Clone, Debug)]
pub struct Report {
    /// The proof of the attempt's lease.
    pub proof: Proof,
    /// The outcome, in the agent's words.
    pub result: Reported,
    /// The output of the attempt.
    pub output: Arc<Output>,
    /// The hash of the report: a repeat has the same.
    pub hash: ReportHash,
}

/// The outcome of an attempt, as an agent can report it.
#[derive(Clone, Debug)]
pub enum Reported {
    /// The work was done.
    Success,
    /// The work was tried and failed.
    Failure {
        /// The failure.
        failure: Failure,
        /// The shortest wait before the next try.
        retry_after: Option<Duration>,
    },
    /// The agent ended the attempt because the task is to be cancelled.
    Cancelled,
    /// The agent gives it back.
    Released {
        /// The reason, in words.
        reason: Arc<str>,
        /// The agent will not do this task.
        refused: bool,
    },
}

/// The answer to an accepted report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The state of the task now.
    pub state: TaskState,
    /// The same report had been accepted before.
    pub already_completed: bool,
}

/// Takes each report by itself: a refused report does not touch the others.
pub fn decide(draft: &mut Draft<'_>, request: Complete) -> Vec<Result<Accepted, Rejection>> {
    draft.known_agent_seen(&request.agent);
    let liveness = Liveness {
        now: draft.now(),
        ttl: request.lease_ttl,
        started: request.started,
    };
    let mut results = Vec::with_capacity(request.reports.len());
    for (index, report) in request.reports.into_iter().enumerate() {
        results.push(take(
            draft,
            &request.agent,
            report,
            liveness,
            mix(request.jitter, index as u64),
        ));
    }
    settle(draft);
    results
}

/// The rules for reports, in their order. A repeat is confirmed. A report under the live lease is accepted, and so is
/// one under an expired lease while nothing has happened to the task since. Every other lease is lost.
fn take(
    draft: &mut Draft<'_>,
    agent: &AgentId,
    report: Report,
    liveness: Liveness,
    jitter: u64,
) -> Result<Accepted, Rejection> {
    let proof = &report.proof;
    let Some(task) = draft.task(&proof.task).cloned() else {
        return Err(Rejection::TaskNotFound(proof.task.clone()));
    };
    let repeated = task
        .attempts
        .iter()
        .any(|attempt| attempt.is_proven_by(agent, proof) && attempt.report == Some(report.hash));
    if repeated {
        return Ok(Accepted {
            state: task.state(),
            already_completed: true,
        });
    }
    let lease = task.lease().filter(|lease| lease.is_proven_by(agent, proof));
    if lease.is_some_and(|lease| lease.cancel_asked) {
        cancel(draft, &task, agent, report);
    } else if lease.is_some()
        || task
            .untouched_loss()
            .is_some_and(|(lost, _)| lost.is_proven_by(agent, proof))
    {
        accept(draft, &task, agent, report, liveness, jitter);
    } else {
        return Err(Rejection::LeaseLost {
            task: task.id.clone(),
            attempt: proof.attempt,
            state: task.state(),
            newest: task.attempt_count,
        });
    }
    let state = draft.tasks[&task.number].state();
    Ok(Accepted {
        state,
        already_completed: false,
    })
}

fn accept(
    draft: &mut Draft<'_>,
    task: &Task,
    agent: &AgentId,
    report: Report,
    liveness: Liveness,
    jitter: u64,
) {
    let subject = Subject::of(task);
    let attempt = report.proof.attempt;
    let (agent, hash, output) = (agent.clone(), report.hash, report.output);
    match report.result {
        Reported::Success => {
            draft.machine_worked(&agent);
            draft.started_elsewhere(task, &agent);
            draft.emit(Fact::TaskSucceeded {
                task: subject,
                attempt,
                agent,
                late: task.lease().is_none(),
                report: hash,
                output,
            });
        }
        Reported::Failure {
            mut failure,
            retry_after,
        } => {
            let fault = draft.fault(task, &agent, &failure, liveness);
            match failure.blame {
                Blame::Machine if failure.is_not_started() => {
                    draft.could_not_start(task, &agent, &failure, &output, fault);
                }
                Blame::Machine => draft.machine_failed(&agent),
                Blame::Task => draft.machine_worked(&agent),
                Blame::Provider => {}
            }
            failure.blame = fault.blame(failure.blame);
            let mut tries = task.tries_without_loss();
            tries.charge_failure(failure.blame, &agent);
            let verdict = after_failure(
                task,
                &tries,
                &failure,
                retry_after,
                draft.deadline(task),
                draft.now(),
                jitter,
            );
            let due = match &verdict {
                Verdict::Again(due) => *due,
                Verdict::Enough(_) => None,
            };
            draft.emit(Fact::AttemptFailed {
                task: subject.clone(),
                attempt,
                agent,
                failure,
                due,
                report: hash,
                output,
            });
            if let Verdict::Enough(reason) = verdict {
                let reason = match fault.addition() {
                    None => reason,
                    Some(addition) => format!("{reason}: {addition}").into(),
                };
                draft.emit(Fact::TaskFailed {
                    task: subject,
                    reason,
                });
            }
        }
        // The lease may have expired since the agent was told to cancel, and the task was not cancelled after all. The
        // attempt is over without blame either way.
        Reported::Cancelled => release(
            draft,
            subject,
            attempt,
            agent,
            hash,
            "ended as cancelled".into(),
            false,
        ),
        Reported::Released { reason, refused } => {
            release(draft, subject, attempt, agent, hash, reason, refused)
        }
    }
}

fn release(
    draft: &mut Draft<'_>,
    task: Subject,
    attempt: AttemptNumber,
    agent: AgentId,
    report: ReportHash,
    reason: Arc<str>,
    refused: bool,
) {
    draft.emit(Fact::LeaseReleased {
        task,
        attempt,
        agent,
        reason,
        refused,
        report,
    });
}

/// Cancels a task whose cancel was asked, whatever the report says. The attempt keeps its own outcome.
fn cancel(draft: &mut Draft<'_>, task: &Task, agent: &AgentId, report: Report) {
    let outcome = match report.result {
        Reported::Success => Outcome::Succeeded,
        Reported::Failure { failure, .. } => Outcome::Failed(failure),
        Reported::Cancelled => Outcome::Cancelled,
        Reported::Released { reason, refused } => Outcome::Released { reason, refused },
    };
    draft.emit(Fact::TaskCancelled {
        task: Subject::of(task),
        attempt: Some(CancelledAttempt {
            number: report.proof.attempt,
            agent: agent.clone(),
            outcome,
            report: Some(report.hash),
            output: report.output,
        }),
    });
}
