//! The record of a task.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use swarm_engine::{
    id::{AgentId, AttemptNumber, GroupName, Number, QueueName, Seq, TaskId},
    noun::{
        lazy_box::LazyBox,
        needs::{Bucket, Class, Executor, Needs},
        rules::Program,
        selector::Selector,
        task::{Condition, Dependency, End, PastEnd, Phase, Task, TaskState, Times},
        tries::{RetryPolicy, Tries},
    },
    time::{Timestamp, millis},
};
use swarm_proto::store;

use super::{
    attempt::{read_attempt, read_cut, read_lease, write_attempt, write_cut, write_lease},
    error::{Fault, StoredError},
    field::{filled, known, optional, required},
    job::{read_job_id, write_job_id},
};

/// A task's record as stored. Durations are cut to whole milliseconds.
pub fn encode_task(task: &Task) -> Vec<u8> {
    write_task(task).encode_to_vec()
}

/// Reads a task's record.
///
/// # Errors
///
/// When the bytes are no record of a task, or one that a newer coordinator wrote.
pub fn decode_task(bytes: &[u8]) -> Result<Task, StoredError> {
    store::TaskRecord::decode(bytes)
        .map_err(Fault::from)
        .and_then(read_task)
        .map_err(StoredError::reading("the record of a task"))
}

pub(super) fn write_task(task: &Task) -> store::TaskRecord {
    store::TaskRecord {
        number: task.number.0,
        task_id: task.id.to_string(),
        job_id: write_job_id(task.job.as_ref()),
        spec: Bytes::from_owner(task.spec.clone()),
        queue: task.queue().to_string(),
        required_labels: task
            .needs
            .class
            .selector
            .terms()
            .iter()
            .map(ToString::to_string)
            .collect(),
        exclusive_group: task
            .needs
            .group
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        executor: match task.needs.class.executor {
            Executor::Command => String::new(),
            other => other.name().to_owned(),
        },
        bucket: task.bucket.0.into(),
        priority: i32::from(task.priority),
        dependencies: task.dependencies.iter().map(write_dependency).collect(),
        retry: Some(store::RetryPolicy {
            max_retries: task.retry.max_retries,
            initial_backoff_ms: millis(task.retry.initial_backoff.into()),
            max_backoff_ms: millis(task.retry.max_backoff.into()),
        }),
        timeout_ms: millis(task.timeout.into()),
        not_before_ms: task.times.not_before.map(|time| time.0),
        deadline_ms: task.times.deadline.map(|deadline| deadline.0),
        created_ms: task.created.0,
        revision: task.revision.0,
        round: task.round,
        attempts: task.attempts.iter().map(write_attempt).collect(),
        attempt_count: task.attempt_count.0,
        tries: Some(store::Tries {
            failures: task.tries.failures,
            losses: task.tries.losses,
            provider_limits: task.tries.provider_limits,
            undelivered: task.tries.undelivered,
            lost_on: task.tries.lost_on.iter().map(ToString::to_string).collect(),
        }),
        phase: Some(write_phase(&task.phase)),
    }
}

pub(super) fn read_task(stored: store::TaskRecord) -> Result<Task, Fault> {
    let dependencies = stored
        .dependencies
        .iter()
        .map(read_dependency)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Task {
        number: Number(stored.number),
        id: TaskId::stored(filled("the task's id", &stored.task_id)?),
        job: read_job_id(&stored.job_id),
        spec: Arc::from(stored.spec.as_ref()),
        needs: Arc::new(read_needs(&stored)?),
        bucket: Bucket(u8::try_from(stored.bucket).map_err(|_| Fault::OutOfRange {
            field: "the task's bucket",
            value: stored.bucket.to_string(),
        })?),
        priority: i16::try_from(stored.priority).map_err(|_| Fault::OutOfRange {
            field: "the task's priority",
            value: stored.priority.to_string(),
        })?,
        unmet: dependencies
            .iter()
            .map(|dependency| u32::from(!dependency.met))
            .sum(),
        dependencies: dependencies.into(),
        retry: read_retry(required("the task's retry policy", stored.retry)?),
        timeout: Duration::from_millis(stored.timeout_ms).into(),
        times: LazyBox::from(Times {
            not_before: stored.not_before_ms.map(Timestamp),
            deadline: stored.deadline_ms.map(Timestamp),
        }),
        created: Timestamp(stored.created_ms),
        revision: Seq(stored.revision),
        round: stored.round,
        attempts: stored
            .attempts
            .into_iter()
            .map(read_attempt)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        attempt_count: AttemptNumber(stored.attempt_count),
        tries: read_tries(required("the task's tries", stored.tries)?)?.into(),
        phase: read_phase(stored.phase.ok_or(Fault::UnknownPhase)?)?,
    })
}

fn read_needs(stored: &store::TaskRecord) -> Result<Needs, Fault> {
    const EXECUTOR: &str = "the task's executor";
    let executor = match optional(&stored.executor) {
        None => Executor::Command,
        Some(name) => Executor::named(name).ok_or_else(|| Fault::OutOfRange {
            field: EXECUTOR,
            value: name.to_owned(),
        })?,
    };
    let selector = Selector::parse(&stored.required_labels).map_err(|_| Fault::OutOfRange {
        field: "the labels that the task requires",
        value: stored.required_labels.join(", "),
    })?;
    Ok(Needs {
        class: Class {
            queue: QueueName::stored(filled("the task's queue", &stored.queue)?),
            executor,
            selector,
        },
        program: read_program(&stored.spec),
        group: optional(&stored.exclusive_group).map(GroupName::stored),
    })
}

/// The program that owners' rules go by. It stands in the spec alone, which old records have too.
fn read_program(spec: &Bytes) -> Program {
    // No agent can run what cannot be read, so no rule has to name it.
    let spec = store::SpecCommand::decode(spec.clone()).unwrap_or_default();
    let Some(command) = spec.command else {
        return Program::Unnamed;
    };
    let name = command.argv.first().map_or(&b""[..], AsRef::as_ref);
    let has_own_path = command.env.iter().any(|variable| *variable.name == *b"PATH");
    Program::of_command(std::str::from_utf8(name).unwrap_or_default(), has_own_path)
}

fn write_dependency(dependency: &Dependency) -> store::DependencyRecord {
    store::DependencyRecord {
        task_id: dependency.task.to_string(),
        finished: match dependency.condition {
            Condition::Succeeded => false,
            Condition::Finished => true,
        },
        met: dependency.met,
        cut: dependency.cut.as_deref().copied().map(write_cut),
    }
}

fn read_dependency(stored: &store::DependencyRecord) -> Result<Dependency, Fault> {
    Ok(Dependency {
        task: TaskId::stored(filled("a dependency's task", &stored.task_id)?),
        condition: if stored.finished {
            Condition::Finished
        } else {
            Condition::Succeeded
        },
        met: stored.met,
        cut: stored.cut.map(read_cut).map(Box::new),
    })
}

fn read_retry(stored: store::RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        max_retries: stored.max_retries,
        initial_backoff: Duration::from_millis(stored.initial_backoff_ms).into(),
        max_backoff: Duration::from_millis(stored.max_backoff_ms).into(),
    }
}

fn read_tries(stored: store::Tries) -> Result<Tries, Fault> {
    let lost_on = stored
        .lost_on
        .iter()
        .map(|agent| filled("an agent that lost the task", agent));
    Ok(Tries {
        failures: stored.failures,
        losses: stored.losses,
        provider_limits: stored.provider_limits,
        undelivered: stored.undelivered,
        lost_on: lost_on
            .map(|agent| agent.map(AgentId::stored))
            .collect::<Result<_, _>>()?,
    })
}

fn write_phase(phase: &Phase) -> store::task_record::Phase {
    match phase {
        Phase::Pending { due } => store::task_record::Phase::Pending(store::Pending {
            due_ms: due.map(|due| due.0),
        }),
        Phase::Running(lease) => store::task_record::Phase::Lease(write_lease(lease)),
        Phase::Ended(ended) => store::task_record::Phase::Ended(write_end(&ended.end, ended.at)),
    }
}

fn read_phase(stored: store::task_record::Phase) -> Result<Phase, Fault> {
    Ok(match stored {
        store::task_record::Phase::Pending(pending) => Phase::Pending {
            due: pending.due_ms.map(Timestamp),
        },
        store::task_record::Phase::Lease(lease) => Phase::Running(Box::new(read_lease(lease)?)),
        store::task_record::Phase::Ended(ended) => {
            let at = Timestamp(ended.ended_ms);
            Phase::ended(read_end(ended)?, at)
        }
    })
}

fn write_end(end: &End, at: Timestamp) -> store::Ended {
    let plain = |kind: store::EndKind| store::Ended {
        kind: kind.into(),
        ended_ms: at.0,
        reason: String::new(),
        because: String::new(),
    };
    match end {
        End::Succeeded => plain(store::EndKind::Succeeded),
        End::Failed { reason } => store::Ended {
            reason: reason.to_string(),
            ..plain(store::EndKind::Failed)
        },
        End::Cancelled => plain(store::EndKind::Cancelled),
        End::Skipped { because } => store::Ended {
            because: because.to_string(),
            ..plain(store::EndKind::Skipped)
        },
    }
}

fn read_end(stored: store::Ended) -> Result<End, Fault> {
    const END: &str = "the task's end";
    Ok(match known(END, stored.kind)? {
        store::EndKind::Unspecified => return Err(Fault::Missing { field: END }),
        store::EndKind::Succeeded => End::Succeeded,
        store::EndKind::Failed => End::Failed {
            reason: stored.reason.into(),
        },
        store::EndKind::Cancelled => End::Cancelled,
        store::EndKind::Skipped => End::Skipped {
            because: TaskId::stored(filled("the dependency that skipped the task", &stored.because)?),
        },
    })
}

pub(super) fn write_past_end(was: PastEnd) -> store::PastEnd {
    let kind = match was.state {
        TaskState::Succeeded => store::EndKind::Succeeded,
        TaskState::Failed => store::EndKind::Failed,
        TaskState::Cancelled => store::EndKind::Cancelled,
        TaskState::Skipped => store::EndKind::Skipped,
        TaskState::Blocked | TaskState::Delayed | TaskState::Queued | TaskState::Running => {
            panic!("{} is no end", was.state)
        }
    };
    store::PastEnd {
        kind: kind.into(),
        ended_ms: was.at.0,
    }
}

pub(super) fn read_past_end(stored: store::PastEnd) -> Result<PastEnd, Fault> {
    const END: &str = "the end that the task had";
    let state = match known(END, stored.kind)? {
        store::EndKind::Unspecified => return Err(Fault::Missing { field: END }),
        store::EndKind::Succeeded => TaskState::Succeeded,
        store::EndKind::Failed => TaskState::Failed,
        store::EndKind::Cancelled => TaskState::Cancelled,
        store::EndKind::Skipped => TaskState::Skipped,
    };
    Ok(PastEnd {
        state,
        at: Timestamp(stored.ended_ms),
    })
}
