//! A task's spec: read with its checks when it comes in, shown without secrets when it goes out.

use std::time::Duration;

use prost::Message as _;
use swarm_engine::{
    command::submit::NewTask,
    id::{GroupName, QueueName, TaskId},
    limits::{
        INITIAL_BACKOFF, MAX_ASKED_BACKOFF, MAX_BACKOFF, MAX_DELAY, MAX_RETRIES, MAX_SELECTOR_TERMS,
        MAX_TIMEOUT,
    },
    noun::{
        needs::{Bucket, Class, Executor, Needs},
        rules::Program,
        selector::Selector,
        task::Condition,
        tries::RetryPolicy,
    },
    time::Timestamp,
};
use swarm_proto::{
    limits::{MAX_GROUP_BYTES, MAX_NAME_BYTES, PRIORITIES},
    mask,
    v1::{self, DependencyCondition, task_spec::Work},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    command,
    field::Fields,
    time::{describe, read_timestamp},
};

/// What the operator decided for tasks that do not say it themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// How long one attempt may run.
    pub(crate) timeout: Duration,
    /// Further tries after the first failure.
    pub(crate) max_retries: u32,
}

/// The line that tasks wait in which name none.
const DEFAULT_QUEUE: &str = "default";

/// Reads a spec. Where a field has a fault, something harmless stands in its place.
pub(crate) fn read(
    id: TaskId,
    spec: v1::TaskSpec,
    defaults: Defaults,
    now: Timestamp,
    fields: &mut Fields<'_>,
) -> NewTask {
    match &spec.work {
        Some(Work::Command(command)) => command::check(command, &mut fields.below("command")),
        Some(Work::Prompt(prompt)) if prompt.text.is_empty() => {
            fields.refuse_place("says nothing to do: prompt.text is empty")
        }
        Some(Work::Prompt(_)) => {}
        None => fields.refuse_place("says nothing to do: set command, or use a newer coordinator"),
    }
    fields.text("name", &spec.name, MAX_NAME_BYTES);
    fields.pairs("labels", &spec.labels);
    fields.pairs("metadata", &spec.metadata);
    let (not_before, delay, deadline) = read_times(&spec, now, fields);
    NewTask {
        bucket: bucket(&id, &spec),
        needs: read_needs(&spec, fields),
        id,
        priority: read_priority(spec.priority, fields),
        dependencies: read_dependencies(&spec.depends_on, fields),
        retry: read_retry(spec.retry.as_ref(), defaults, fields),
        timeout: read_timeout(spec.timeout.as_ref(), defaults, fields).into(),
        not_before,
        delay,
        deadline,
        spec: spec.encode_to_vec().into(),
    }
}

/// A stored spec as its agent needs it, with environment values.
pub(crate) fn whole(stored: &[u8]) -> v1::TaskSpec {
    v1::TaskSpec::decode(stored).expect("a stored spec was encoded by a coordinator")
}

/// A stored spec as others may see it: the values of environment variables are masked, but for a
/// task's place in its series.
pub(crate) fn masked(stored: &[u8]) -> v1::TaskSpec {
    mask::masked(whole(stored))
}

fn read_needs(spec: &v1::TaskSpec, fields: &mut Fields<'_>) -> Needs {
    let terms = spec
        .requirements
        .as_ref()
        .map(|requirements| requirements.labels.as_slice());
    let selector = Selector::parse(terms.unwrap_or_default()).unwrap_or_else(|faults| {
        for (index, fault) in faults {
            if index < MAX_SELECTOR_TERMS {
                fields.refuse(format_args!("requirements.labels[{index}]"), fault);
            } else {
                fields.refuse("requirements.labels", fault);
            }
        }
        Selector::default()
    });
    let group = if spec.exclusive_group.is_empty() {
        None
    } else {
        fields.name("exclusive_group", &spec.exclusive_group, GroupName::parse)
    };
    fields.text("shard_key", &spec.shard_key, MAX_GROUP_BYTES);
    Needs {
        class: Class {
            queue: read_queue(&spec.queue, fields),
            executor: match &spec.work {
                Some(Work::Prompt(_)) => Executor::Prompt,
                Some(Work::Command(_)) | None => Executor::Command,
            },
            selector,
        },
        program: match &spec.work {
            Some(Work::Command(command)) => command::program(command),
            Some(Work::Prompt(_)) | None => Program::Unnamed,
        },
        group,
    }
}

/// Tasks that cannot run together are best kept together.
fn bucket(id: &TaskId, spec: &v1::TaskSpec) -> Bucket {
    let keys = [spec.shard_key.as_str(), spec.exclusive_group.as_str()];
    let key = keys.into_iter().find(|key| !key.is_empty());
    Bucket(xxh3_64(key.unwrap_or(id.as_str()).as_bytes()) as u8)
}

fn read_queue(queue: &str, fields: &mut Fields<'_>) -> QueueName {
    let named = if queue.is_empty() {
        None
    } else {
        fields.name("queue", queue, QueueName::parse)
    };
    named.unwrap_or_else(|| QueueName::stored(DEFAULT_QUEUE))
}

fn read_priority(priority: i32, fields: &mut Fields<'_>) -> i16 {
    match i16::try_from(priority) {
        Ok(small) if PRIORITIES.contains(&priority) => small,
        _ => {
            let (low, high) = (PRIORITIES.start(), PRIORITIES.end());
            fields.refuse(
                "priority",
                format!("is {priority}, it must be between {low} and {high}"),
            );
            0
        }
    }
}

/// The dependencies up to the first one without a valid id: those that the engine may find fault with keep
/// their places.
fn read_dependencies(depends_on: &[v1::Dependency], fields: &mut Fields<'_>) -> Vec<(TaskId, Condition)> {
    let mut dependencies = Vec::with_capacity(depends_on.len());
    for (position, dependency) in depends_on.iter().enumerate() {
        let condition = match DependencyCondition::try_from(dependency.condition) {
            Ok(DependencyCondition::Unspecified | DependencyCondition::Succeeded) => Condition::Succeeded,
            Ok(DependencyCondition::Finished) => Condition::Finished,
            Err(_) => {
                let fault = format!(
                    "{} is no condition that this coordinator knows",
                    dependency.condition
                );
                fields.refuse(format_args!("depends_on[{position}].condition"), fault);
                Condition::Succeeded
            }
        };
        let field = format_args!("depends_on[{position}].task_id");
        if let Some(id) = fields.name(field, &dependency.task_id, TaskId::parse)
            && dependencies.len() == position
        {
            dependencies.push((id, condition));
        }
    }
    dependencies
}

/// An end of the backoff that is not given gives way to the one that is.
fn read_retry(retry: Option<&v1::Retry>, defaults: Defaults, fields: &mut Fields<'_>) -> RetryPolicy {
    let max_retries = retry
        .and_then(|retry| retry.max_retries)
        .unwrap_or(defaults.max_retries);
    if max_retries > MAX_RETRIES {
        fields.refuse(
            "retry.max_retries",
            format!("is {max_retries}, at most {MAX_RETRIES} are allowed"),
        );
    }
    let mut backoff = |field, length| positive(field, length, MAX_ASKED_BACKOFF, fields);
    let initial = backoff(
        "retry.initial_backoff",
        retry.and_then(|retry| retry.initial_backoff.as_ref()),
    );
    let max = backoff(
        "retry.max_backoff",
        retry.and_then(|retry| retry.max_backoff.as_ref()),
    );
    if let (Some(initial), Some(max)) = (initial, max)
        && initial > max
    {
        let (initial, max) = (describe(initial), describe(max));
        fields.refuse(
            "retry.initial_backoff",
            format!("is {initial}, more than max_backoff with {max}"),
        );
    }
    RetryPolicy {
        max_retries,
        initial_backoff: initial
            .unwrap_or_else(|| INITIAL_BACKOFF.min(max.unwrap_or(MAX_BACKOFF)))
            .into(),
        max_backoff: max
            .unwrap_or_else(|| MAX_BACKOFF.max(initial.unwrap_or(INITIAL_BACKOFF)))
            .into(),
    }
}

fn read_timeout(
    timeout: Option<&prost_types::Duration>,
    defaults: Defaults,
    fields: &mut Fields<'_>,
) -> Duration {
    positive("timeout", timeout, MAX_TIMEOUT, fields).unwrap_or(defaults.timeout)
}

/// A duration of at least a millisecond and at most `max`.
fn positive(
    field: &str,
    length: Option<&prost_types::Duration>,
    max: Duration,
    fields: &mut Fields<'_>,
) -> Option<Duration> {
    let length = fields.duration(field, length)?;
    if length.is_zero() {
        fields.refuse(field, "must be at least 1 ms");
        return None;
    }
    at_most(field, length, max, fields)
}

fn at_most(field: &str, length: Duration, max: Duration, fields: &mut Fields<'_>) -> Option<Duration> {
    if length > max {
        fields.refuse(
            field,
            format!("is {}, at most {} are allowed", describe(length), describe(max)),
        );
        return None;
    }
    Some(length)
}

type Times = (Option<Timestamp>, Option<Duration>, Option<Timestamp>);

/// When it starts at the earliest, twice, and when it ends at the latest. Delay and deadline are not compared:
/// a repeat of the submit, with less time left, would be refused.
fn read_times(spec: &v1::TaskSpec, now: Timestamp, fields: &mut Fields<'_>) -> Times {
    let mut time = |field, time: Option<&prost_types::Timestamp>| {
        let time = read_timestamp(time?)
            .map_err(|fault| fields.refuse(field, fault))
            .ok()?;
        if time > now + MAX_DELAY {
            fields.refuse(field, format!("is more than {} ahead", describe(MAX_DELAY)));
            return None;
        }
        Some(time)
    };
    let not_before = time("not_before", spec.not_before.as_ref());
    let deadline = time("deadline", spec.deadline.as_ref());
    if let (Some(not_before), Some(deadline)) = (not_before, deadline)
        && deadline <= not_before
    {
        fields.refuse("deadline", "must be after not_before");
    }
    let delay = fields.duration("delay", spec.delay.as_ref());
    let delay = delay.and_then(|delay| at_most("delay", delay, MAX_DELAY, fields));
    (not_before, delay, deadline)
}

#[cfg(test)]
mod tests {
    use swarm_engine::rejection::Faults;

    use super::*;
    use crate::wire::sample;

    const DEFAULTS: Defaults = Defaults {
        timeout: Duration::from_secs(3600),
        max_retries: 2,
    };
    const NOW: Timestamp = Timestamp(1_764_000_000_000);

    fn read_spec(spec: v1::TaskSpec) -> (NewTask, Faults) {
        let mut faults = Faults::default();
        let task = read(
            TaskId::stored("t"),
            spec,
            DEFAULTS,
            NOW,
            &mut Fields::of_request(&mut faults),
        );
        (task, faults)
    }

    fn with(change: impl FnOnce(&mut v1::TaskSpec)) -> v1::TaskSpec {
        let mut spec = sample::spec();
        change(&mut spec);
        spec
    }

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn what_is_not_said_comes_from_the_defaults() {
        let (task, faults) = read_spec(v1::TaskSpec {
            work: sample::spec().work,
            ..v1::TaskSpec::default()
        });
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(
            (task.needs.class.queue.as_str(), task.priority, task.timeout),
            ("default", 0, DEFAULTS.timeout.into())
        );
        assert_eq!(
            task.retry,
            RetryPolicy {
                max_retries: 2,
                initial_backoff: INITIAL_BACKOFF.into(),
                max_backoff: MAX_BACKOFF.into()
            }
        );
        assert_eq!((task.not_before, task.delay, task.deadline), (None, None, None));
    }

    #[test]
    fn what_is_said_arrives() {
        let spec = with(|spec| {
            spec.queue = "gpu".into();
            spec.priority = -100;
            spec.depends_on = vec![
                v1::Dependency {
                    task_id: "a".into(),
                    condition: 0,
                },
                v1::Dependency {
                    task_id: "b".into(),
                    condition: DependencyCondition::Finished as i32,
                },
            ];
            spec.retry = Some(v1::Retry {
                max_retries: Some(0),
                initial_backoff: seconds(600),
                max_backoff: None,
            });
            spec.timeout = seconds(7);
            spec.delay = seconds(0);
            spec.not_before = at(1_764_000_001);
            spec.deadline = at(1_764_000_002);
        });
        let (task, faults) = read_spec(spec.clone());
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(task.spec[..], spec.encode_to_vec()[..]);
        assert_eq!(
            (task.needs.class.queue.as_str(), task.priority, task.timeout),
            ("gpu", -100, Duration::from_secs(7).into())
        );
        assert_eq!(
            task.dependencies,
            [
                (TaskId::stored("a"), Condition::Succeeded),
                (TaskId::stored("b"), Condition::Finished)
            ]
        );
        let ten_minutes = Duration::from_secs(600).into();
        assert_eq!(
            task.retry,
            RetryPolicy {
                max_retries: 0,
                initial_backoff: ten_minutes,
                max_backoff: ten_minutes
            }
        );
        assert_eq!(task.not_before, Some(Timestamp(1_764_000_001_000)));
        assert_eq!(
            (task.delay, task.deadline),
            (Some(Duration::ZERO), Some(Timestamp(1_764_000_002_000)))
        );
    }

    #[test]
    fn each_fault_is_named_by_its_path() {
        let retry = |max_retries, initial_backoff, max_backoff| {
            with(|spec| {
                spec.retry = Some(v1::Retry {
                    max_retries,
                    initial_backoff,
                    max_backoff,
                })
            })
        };
        let far = at(1_764_000_000 + 11 * 366 * 86_400);
        let cases: Vec<(v1::TaskSpec, &[&str])> = vec![
            (sample::spec(), &[]),
            (with(|spec| spec.work = None), &[""]),
            (
                with(|spec| spec.work = Some(Work::Command(v1::Command::default()))),
                &["command.argv"],
            ),
            (with(|spec| spec.name = "n".repeat(201)), &["name"]),
            (
                with(|spec| spec.labels = [("k".repeat(129), "v".to_owned())].into()),
                &["labels"],
            ),
            (
                with(|spec| spec.metadata = [("k".to_owned(), "v".repeat(1025))].into()),
                &["metadata"],
            ),
            (with(|spec| spec.queue = "a b".into()), &["queue"]),
            (with(|spec| spec.priority = 101), &["priority"]),
            (with(|spec| spec.priority = i32::MIN), &["priority"]),
            (
                with(|spec| {
                    spec.depends_on = vec![
                        v1::Dependency {
                            task_id: "a".into(),
                            condition: 9,
                        },
                        v1::Dependency {
                            task_id: "a b".into(),
                            condition: 0,
                        },
                        v1::Dependency {
                            task_id: String::new(),
                            condition: 0,
                        },
                    ];
                }),
                &[
                    "depends_on[0].condition",
                    "depends_on[1].task_id",
                    "depends_on[2].task_id",
                ],
            ),
            (retry(Some(101), None, None), &["retry.max_retries"]),
            (
                retry(None, seconds(0), seconds(-1)),
                &["retry.initial_backoff", "retry.max_backoff"],
            ),
            (retry(None, seconds(9), seconds(8)), &["retry.initial_backoff"]),
            (retry(None, None, seconds(86_401)), &["retry.max_backoff"]),
            (retry(None, None, seconds(1)), &[]),
            (with(|spec| spec.timeout = seconds(0)), &["timeout"]),
            (with(|spec| spec.timeout = seconds(30 * 86_400 + 1)), &["timeout"]),
            (with(|spec| spec.delay = seconds(i64::MAX)), &["delay"]),
            (
                with(|spec| (spec.not_before, spec.deadline) = (far, far)),
                &["not_before", "deadline"],
            ),
            (
                with(|spec| (spec.not_before, spec.deadline) = (at(5), at(5))),
                &["deadline"],
            ),
            (with(|spec| spec.deadline = at(-1)), &["deadline"]),
        ];
        for (spec, expected) in cases {
            let (_, faults) = read_spec(spec);
            let paths: Vec<&str> = faults.named().iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(paths, expected, "{faults}");
        }
    }

    #[test]
    fn dependencies_after_a_bad_one_do_not_move_up() {
        let ids = ["a", "a b", "c"].map(|id| v1::Dependency {
            task_id: id.into(),
            condition: 0,
        });
        let (task, _) = read_spec(with(|spec| spec.depends_on = ids.into()));
        assert_eq!(task.dependencies, [(TaskId::stored("a"), Condition::Succeeded)]);
    }
}
