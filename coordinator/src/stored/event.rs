//! Events as the journal keeps them. An event's seq is its position there, and is not stored.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use swarm_engine::{
    event::{Event, Fact, Subject},
    id::{AgentId, AttemptNumber, JobId, Number, QueueName, Seq, TaskId},
    time::{Clocks, Timestamp, millis},
};
use swarm_proto::store;

use super::{
    agent::{read_agent, read_agent_loss, write_agent, write_agent_loss},
    attempt::{
        read_cancelled_attempt, read_cut, read_failure, read_lease, read_loss, read_report,
        write_cancelled_attempt, write_cut, write_failure, write_lease, write_loss, write_report,
    },
    error::{Fault, StoredError},
    field::{filled, known, optional, required},
    hold::{read_hold, write_hold},
    job::{read_job, read_job_id, write_job, write_job_id},
    output::{read_output, write_output},
    task::{read_past_end, read_task, write_past_end, write_task},
};

/// An event as stored. Durations in it are cut to whole milliseconds.
///
/// # Panics
///
/// When an attempt cancelled with its task is said to be lost: a loss is an event of its own.
pub fn encode(event: &Event) -> Bytes {
    let stored = store::Event {
        time_ms: event.time.0,
        fact: Some(write_fact(&event.fact)),
    };
    stored.encode_to_vec().into()
}

/// Reads the event with this seq.
///
/// # Errors
///
/// When the bytes are no event, or one that a newer coordinator wrote.
pub fn decode(seq: Seq, bytes: Bytes) -> Result<Event, StoredError> {
    read_event(seq, bytes).map_err(StoredError::reading(format!("event {}", seq.0)))
}

fn read_event(seq: Seq, bytes: Bytes) -> Result<Event, Fault> {
    let stored = store::Event::decode(bytes.clone())?;
    let fact = stored.fact.ok_or_else(|| missing_fact(&bytes))?;
    Ok(Event {
        seq,
        time: Timestamp(stored.time_ms),
        fact: read_fact(fact)?,
    })
}

/// The kind of a stored event, without reading the rest; `None` when the bytes are no event that this program knows.
pub fn kind(mut bytes: &[u8]) -> Option<&'static str> {
    loop {
        // A field's key is a varint, and so is the time before the fact.
        let number = prost::decode_length_delimiter(&mut bytes).ok()? >> 3;
        if number != TIME_FIELD {
            let found = KIND_FIELDS.iter().find(|(_, field)| *field == number);
            return found.map(|(kind, _)| *kind);
        }
        prost::decode_length_delimiter(&mut bytes).ok()?;
    }
}

/// The fields of the facts. One that is not here is read to know its kind.
const KIND_FIELDS: &[(&str, usize)] = &[
    ("coordinator_started", 2),
    ("job_submitted", 3),
    ("task_submitted", 4),
    ("dependency_met", 5),
    ("task_due", 6),
    ("lease_granted", 7),
    ("lease_expired", 8),
    ("lease_resumed", 9),
    ("lease_released", 10),
    ("attempt_failed", 11),
    ("task_succeeded", 12),
    ("task_failed", 13),
    ("cancel_requested", 14),
    ("task_cancelled", 15),
    ("task_skipped", 16),
    ("task_retried", 17),
    ("agent_registered", 18),
    ("agent_deregistered", 19),
    ("task_removed", 20),
    ("job_removed", 21),
    ("hold_placed", 22),
    ("hold_lifted", 23),
    ("queue_limited", 24),
    ("agent_forgotten", 25),
    ("agent_removed", 26),
    ("twin_refused", 27),
    ("agent_lost", 28),
    ("agent_returned", 29),
];

const TIME_FIELD: usize = 1;

/// Tells an unknown fact from none at all: prost passes over fields that it does not know.
fn missing_fact(mut bytes: &[u8]) -> Fault {
    // A length is a varint, and so are a field's key and the time.
    while let Ok(key) = prost::decode_length_delimiter(&mut bytes) {
        let number = key >> 3;
        if number != TIME_FIELD {
            return Fault::UnknownFact { number };
        }
        if prost::decode_length_delimiter(&mut bytes).is_err() {
            break;
        }
    }
    Fault::Missing {
        field: "the event's fact",
    }
}

fn write_fact(fact: &Fact) -> store::event::Fact {
    use store::event::Fact as Stored;
    match fact {
        Fact::CoordinatorStarted {
            epoch,
            version,
            cluster_id,
            history,
            clocks,
            sets_time_back,
        } => Stored::CoordinatorStarted(store::CoordinatorStarted {
            epoch: *epoch,
            version: version.to_string(),
            cluster_id: cluster_id.to_string(),
            history: history.to_string(),
            clocks: clocks.as_ref().map(|clocks| store::Clocks {
                wall_ms: clocks.wall.0,
                boot: clocks.boot.to_string(),
                since_boot_ms: millis(clocks.since_boot),
            }),
            sets_time_back: *sets_time_back,
        }),
        Fact::JobSubmitted(job) => Stored::JobSubmitted(write_job(job)),
        Fact::TaskSubmitted(task) => Stored::TaskSubmitted(write_task(task)),
        Fact::DependencyMet {
            task,
            dependency,
            unmet,
            cut,
        } => Stored::DependencyMet(store::DependencyMet {
            subject: write_subject(task),
            dependency_id: dependency.to_string(),
            unmet: *unmet,
            cut: cut.map(write_cut),
        }),
        Fact::TaskDue { task } => Stored::TaskDue(store::TaskDue {
            subject: write_subject(task),
        }),
        Fact::LeaseGranted { task, lease } => Stored::LeaseGranted(store::LeaseGranted {
            subject: write_subject(task),
            lease: Some(write_lease(lease)),
        }),
        Fact::LeaseExpired {
            task,
            attempt,
            agent,
            cause,
            due,
        } => Stored::LeaseExpired(store::LeaseExpired {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
            cause: write_loss(*cause).into(),
            due_ms: due.map(|due| due.0),
        }),
        Fact::LeaseResumed { task, attempt, agent } => Stored::LeaseResumed(store::LeaseResumed {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
        }),
        Fact::LeaseReleased {
            task,
            attempt,
            agent,
            reason,
            refused,
            report,
        } => Stored::LeaseReleased(store::LeaseReleased {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
            reason: reason.to_string(),
            refused: *refused,
            report: write_report(*report),
        }),
        Fact::AttemptFailed {
            task,
            attempt,
            agent,
            failure,
            due,
            report,
            output,
        } => Stored::AttemptFailed(store::AttemptFailed {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
            failure: Some(write_failure(failure)),
            due_ms: due.map(|due| due.0),
            report: write_report(*report),
            output: Some(write_output(output)),
        }),
        Fact::TaskSucceeded {
            task,
            attempt,
            agent,
            late,
            report,
            output,
        } => Stored::TaskSucceeded(store::TaskSucceeded {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
            late: *late,
            report: write_report(*report),
            output: Some(write_output(output)),
        }),
        Fact::TaskFailed { task, reason } => Stored::TaskFailed(store::TaskFailed {
            subject: write_subject(task),
            reason: reason.to_string(),
        }),
        Fact::CancelRequested { task, attempt, agent } => Stored::CancelRequested(store::CancelRequested {
            subject: write_subject(task),
            attempt: attempt.0,
            agent_id: agent.to_string(),
        }),
        Fact::TaskCancelled { task, attempt } => Stored::TaskCancelled(store::TaskCancelled {
            subject: write_subject(task),
            attempt: attempt.as_ref().map(write_cancelled_attempt),
        }),
        Fact::TaskSkipped { task, because } => Stored::TaskSkipped(store::TaskSkipped {
            subject: write_subject(task),
            because: because.to_string(),
        }),
        Fact::TaskRetried { record, was, because } => Stored::TaskRetried(store::TaskRetried {
            task: Some(write_task(record)),
            was: Some(write_past_end(*was)),
            because: because.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        Fact::TaskRemoved { task, was } => Stored::TaskRemoved(store::TaskRemoved {
            subject: write_subject(task),
            was: Some(write_past_end(*was)),
        }),
        Fact::JobRemoved { number, job } => Stored::JobRemoved(store::JobRemoved {
            number: number.0,
            job_id: job.to_string(),
        }),
        Fact::HoldPlaced(hold) => Stored::HoldPlaced(write_hold(hold)),
        Fact::HoldLifted { hold, actor } => Stored::HoldLifted(store::HoldLifted {
            hold: Some(write_hold(hold)),
            actor: actor.to_string(),
        }),
        Fact::QueueLimited {
            queue,
            max_running,
            actor,
        } => Stored::QueueLimited(store::QueueLimitRecord {
            queue: queue.to_string(),
            max_running: *max_running,
            actor: actor.to_string(),
        }),
        Fact::AgentRegistered(agent) => Stored::AgentRegistered(write_agent(agent)),
        Fact::AgentForgotten { agent, actor } => Stored::AgentForgotten(store::AgentForgotten {
            agent_id: agent.to_string(),
            actor: actor.to_string(),
        }),
        Fact::TwinRefused { agent, host } => Stored::TwinRefused(store::TwinRefused {
            agent_id: agent.to_string(),
            host: host.to_string(),
        }),
        Fact::AgentLost { agent, cause } => Stored::AgentLost(store::AgentLost {
            agent_id: agent.to_string(),
            cause: write_agent_loss(*cause).into(),
        }),
        Fact::AgentReturned { agent } => Stored::AgentReturned(store::AgentReturned {
            agent_id: agent.to_string(),
        }),
        Fact::AgentDeregistered { agent } => Stored::AgentDeregistered(store::AgentDeregistered {
            agent_id: agent.to_string(),
        }),
        Fact::AgentRemoved { agent } => Stored::AgentRemoved(store::AgentRemoved {
            agent_id: agent.to_string(),
        }),
    }
}

fn read_fact(stored: store::event::Fact) -> Result<Fact, Fault> {
    use store::event::Fact as Stored;
    Ok(match stored {
        Stored::CoordinatorStarted(started) => Fact::CoordinatorStarted {
            epoch: started.epoch,
            version: started.version.into(),
            cluster_id: filled("the cluster's id", &started.cluster_id)?.into(),
            history: filled("the history's id", &started.history)?.into(),
            clocks: started.clocks.map(|clocks| Clocks {
                wall: Timestamp(clocks.wall_ms),
                boot: clocks.boot.into(),
                since_boot: Duration::from_millis(clocks.since_boot_ms),
            }),
            sets_time_back: started.sets_time_back,
        },
        Stored::JobSubmitted(job) => Fact::JobSubmitted(read_job(job)?.into()),
        Stored::TaskSubmitted(task) => Fact::TaskSubmitted(read_task(task)?.into()),
        Stored::DependencyMet(met) => Fact::DependencyMet {
            task: read_subject(met.subject)?,
            dependency: TaskId::stored(filled("the met dependency", &met.dependency_id)?),
            unmet: met.unmet,
            cut: met.cut.map(read_cut),
        },
        Stored::TaskDue(due) => Fact::TaskDue {
            task: read_subject(due.subject)?,
        },
        Stored::LeaseGranted(granted) => Fact::LeaseGranted {
            task: read_subject(granted.subject)?,
            lease: read_lease(required("the granted lease", granted.lease)?)?,
        },
        Stored::LeaseExpired(expired) => Fact::LeaseExpired {
            task: read_subject(expired.subject)?,
            attempt: AttemptNumber(expired.attempt),
            agent: read_holder(&expired.agent_id)?,
            cause: read_loss("the expiry's cause", known("the expiry's cause", expired.cause)?)?,
            due: expired.due_ms.map(Timestamp),
        },
        Stored::LeaseResumed(resumed) => Fact::LeaseResumed {
            task: read_subject(resumed.subject)?,
            attempt: AttemptNumber(resumed.attempt),
            agent: read_holder(&resumed.agent_id)?,
        },
        Stored::LeaseReleased(released) => Fact::LeaseReleased {
            task: read_subject(released.subject)?,
            attempt: AttemptNumber(released.attempt),
            agent: read_holder(&released.agent_id)?,
            reason: released.reason.into(),
            refused: released.refused,
            report: read_report(&released.report)?,
        },
        Stored::AttemptFailed(failed) => Fact::AttemptFailed {
            task: read_subject(failed.subject)?,
            attempt: AttemptNumber(failed.attempt),
            agent: read_holder(&failed.agent_id)?,
            failure: read_failure(required("the attempt's failure", failed.failure)?)?,
            due: failed.due_ms.map(Timestamp),
            report: read_report(&failed.report)?,
            output: read_output(required("the attempt's output", failed.output)?).into(),
        },
        Stored::TaskSucceeded(succeeded) => Fact::TaskSucceeded {
            task: read_subject(succeeded.subject)?,
            attempt: AttemptNumber(succeeded.attempt),
            agent: read_holder(&succeeded.agent_id)?,
            late: succeeded.late,
            report: read_report(&succeeded.report)?,
            output: read_output(required("the attempt's output", succeeded.output)?).into(),
        },
        Stored::TaskFailed(failed) => Fact::TaskFailed {
            task: read_subject(failed.subject)?,
            reason: failed.reason.into(),
        },
        Stored::CancelRequested(requested) => Fact::CancelRequested {
            task: read_subject(requested.subject)?,
            attempt: AttemptNumber(requested.attempt),
            agent: read_holder(&requested.agent_id)?,
        },
        Stored::TaskCancelled(cancelled) => Fact::TaskCancelled {
            task: read_subject(cancelled.subject)?,
            attempt: cancelled.attempt.map(read_cancelled_attempt).transpose()?,
        },
        Stored::TaskSkipped(skipped) => Fact::TaskSkipped {
            task: read_subject(skipped.subject)?,
            because: TaskId::stored(filled("the dependency that skipped the task", &skipped.because)?),
        },
        Stored::TaskRetried(retried) => Fact::TaskRetried {
            record: read_task(required("the retried task", retried.task)?)?.into(),
            was: read_past_end(required("the end that the task had", retried.was)?)?,
            because: optional(&retried.because).map(TaskId::stored),
        },
        Stored::TaskRemoved(removed) => Fact::TaskRemoved {
            task: read_subject(removed.subject)?,
            was: read_past_end(required("the end that the task had", removed.was)?)?,
        },
        Stored::JobRemoved(removed) => Fact::JobRemoved {
            number: Number(removed.number),
            job: JobId::stored(filled("the job's id", &removed.job_id)?),
        },
        Stored::HoldPlaced(hold) => Fact::HoldPlaced(read_hold(hold)?.into()),
        Stored::HoldLifted(lifted) => Fact::HoldLifted {
            hold: read_hold(required("the lifted hold", lifted.hold)?)?.into(),
            actor: lifted.actor.into(),
        },
        Stored::QueueLimited(limited) => Fact::QueueLimited {
            queue: QueueName::stored(filled("the limited queue", &limited.queue)?),
            max_running: limited.max_running,
            actor: limited.actor.into(),
        },
        Stored::AgentRegistered(agent) => Fact::AgentRegistered(read_agent(agent)?.into()),
        Stored::AgentForgotten(forgotten) => Fact::AgentForgotten {
            agent: AgentId::stored(filled("the agent's id", &forgotten.agent_id)?),
            actor: forgotten.actor.into(),
        },
        Stored::TwinRefused(refused) => Fact::TwinRefused {
            agent: AgentId::stored(filled("the agent's id", &refused.agent_id)?),
            host: refused.host.into(),
        },
        Stored::AgentLost(lost) => Fact::AgentLost {
            agent: AgentId::stored(filled("the agent's id", &lost.agent_id)?),
            cause: required(
                "why the agent is lost",
                read_agent_loss(known("why the agent is lost", lost.cause)?),
            )?,
        },
        Stored::AgentReturned(returned) => Fact::AgentReturned {
            agent: AgentId::stored(filled("the agent's id", &returned.agent_id)?),
        },
        Stored::AgentDeregistered(deregistered) => Fact::AgentDeregistered {
            agent: AgentId::stored(filled("the agent's id", &deregistered.agent_id)?),
        },
        Stored::AgentRemoved(removed) => Fact::AgentRemoved {
            agent: AgentId::stored(filled("the agent's id", &removed.agent_id)?),
        },
    })
}

fn write_subject(subject: &Subject) -> Option<store::Subject> {
    Some(store::Subject {
        number: subject.number.0,
        task_id: subject.id.to_string(),
        job_id: write_job_id(subject.job.as_ref()),
    })
}

fn read_subject(stored: Option<store::Subject>) -> Result<Subject, Fault> {
    let stored = required("the event's subject", stored)?;
    Ok(Subject {
        number: Number(stored.number),
        id: TaskId::stored(filled("the subject's task", &stored.task_id)?),
        job: read_job_id(&stored.job_id),
    })
}

fn read_holder(agent_id: &str) -> Result<AgentId, Fault> {
    Ok(AgentId::stored(filled("the attempt's agent", agent_id)?))
}
