//! Tasks as they go out: without tokens and environment values.

use swarm_engine::{
    id::{AttemptNumber, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::{
        cancelled::CancelledWork,
        cut::Cut,
        outcome::Output,
        task::{End, Phase, Task, TaskState},
        tries::Tries,
    },
    time::Timestamp,
};
use swarm_proto::v1;

use super::{attempt, spec, state::state_message, time::timestamp};
use crate::program::limits::MAX_SHOWN_DEPENDENCIES;

/// A task, with what its last reported attempt printed where that is wanted and known.
pub(crate) fn task_message(task: &Task, output: Option<(AttemptNumber, &Output)>) -> v1::Task {
    let (due, ended) = match &task.phase {
        Phase::Pending { due } => (*due, None),
        Phase::Running(_) => (None, None),
        Phase::Ended(ended) => (None, Some(ended.at)),
    };
    v1::Task {
        task_id: task.id.to_string(),
        spec: Some(spec::masked(&task.spec)),
        state: state_message(task.state()).into(),
        reason: reason(task),
        revision: task.revision.0,
        attempts: attempts(task),
        attempt_count: task.attempt_count.0,
        result: output.map(|(attempt, output)| v1::TaskResult {
            attempt: attempt.0,
            output: Some(output_message(output)),
        }),
        job_id: task.job.as_ref().map(ToString::to_string).unwrap_or_default(),
        unmet_dependencies: task
            .unmet_dependencies()
            .take(MAX_SHOWN_DEPENDENCIES)
            .map(|dependency| dependency.task.to_string())
            .collect(),
        unmet_dependency_count: task.unmet,
        tries: Some(tries_message(&task.tries, task.retry.max_retries)),
        cancel_requested: task.lease().is_some_and(|lease| lease.cancel_asked),
        round: task.round,
        create_time: Some(timestamp(task.created)),
        due_time: due.map(timestamp),
        start_time: newest_grant(task).map(timestamp),
        end_time: ended.map(timestamp),
        number: task.number.0,
        cut_inputs: task
            .cut_inputs()
            .take(MAX_SHOWN_DEPENDENCIES)
            .map(|(dependency, cut)| cut_input_message(dependency, cut))
            .collect(),
        cut_input_count: u32::try_from(task.cut_inputs().count()).unwrap_or(u32::MAX),
        cancelled_work: task.cancelled_work().map(|work| cancelled_message(work).into()),
    }
}

/// An input that is cut.
pub(crate) fn cut_input_message(dependency: &TaskId, cut: Cut) -> v1::CutInput {
    v1::CutInput {
        task_id: dependency.to_string(),
        name: String::new(),
        stdout_bytes: cut.whole,
        kept_bytes: cut.kept,
    }
}

fn cancelled_message(work: CancelledWork) -> v1::CancelledWork {
    match work {
        CancelledWork::NotStarted => v1::CancelledWork::NotStarted,
        CancelledWork::Ended => v1::CancelledWork::Ended,
        CancelledWork::Succeeded => v1::CancelledWork::Succeeded,
        CancelledWork::Failed => v1::CancelledWork::Failed,
        CancelledWork::Unknown => v1::CancelledWork::Unknown,
    }
}

/// What had become of a cancelled task's work, in words.
pub(crate) fn explain_cancelled(work: CancelledWork) -> &'static str {
    match work {
        CancelledWork::NotStarted => "its work had not started",
        CancelledWork::Ended => "its attempt was ended before it had finished",
        CancelledWork::Succeeded => "its attempt had succeeded before it was told",
        CancelledWork::Failed => "its attempt had failed before it was told",
        CancelledWork::Unknown => "its attempt was lost, and may have done its work",
    }
}

/// Why the task is in its state, in words; empty when the state says all.
fn reason(task: &Task) -> String {
    match &task.phase {
        Phase::Pending { due } => match (task.state(), due) {
            (TaskState::Blocked, _) if task.unmet == 1 => "waits for 1 task".to_owned(),
            (TaskState::Blocked, _) => format!("waits for {} tasks", task.unmet),
            (_, Some(due)) => format!("until {}", timestamp(*due)),
            (_, None) => String::new(),
        },
        Phase::Running(lease) if lease.cancel_asked => "is being cancelled".to_owned(),
        Phase::Running(_) => String::new(),
        Phase::Ended(ended) => match &ended.end {
            End::Succeeded => String::new(),
            End::Cancelled => task
                .cancelled_work()
                .map(explain_cancelled)
                .unwrap_or_default()
                .to_owned(),
            End::Failed { reason } => reason.to_string(),
            End::Skipped { because } => format!("because {because} did not succeed"),
        },
    }
}

/// The first attempts and the last ones, the running one among them.
fn attempts(task: &Task) -> Vec<v1::Attempt> {
    let mut attempts: Vec<v1::Attempt> = task.attempts.iter().map(attempt::ended).collect();
    attempts.extend(task.lease().map(|lease| attempt::running(lease, task.round)));
    if attempts.len() > FIRST_ATTEMPTS + LAST_ATTEMPTS {
        attempts.remove(FIRST_ATTEMPTS);
    }
    attempts
}

fn newest_grant(task: &Task) -> Option<Timestamp> {
    let ended = task.attempts.last().map(|attempt| attempt.granted);
    task.lease().map(|lease| lease.granted).or(ended)
}

fn tries_message(tries: &Tries, max_retries: u32) -> v1::Tries {
    v1::Tries {
        failures: tries.failures,
        losses: tries.losses,
        provider_limits: tries.provider_limits,
        undelivered: tries.undelivered,
        max_retries,
    }
}

fn output_message(output: &Output) -> v1::Output {
    v1::Output {
        stdout: output.stdout.clone(),
        stderr: output.stderr.clone(),
        stdout_bytes: output.stdout_bytes,
        stderr_bytes: output.stderr_bytes,
        removed_files: output.removed_files,
        removed_bytes: output.removed_bytes,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use swarm_engine::{
        id::AgentId,
        noun::{
            outcome::{Loss, Outcome},
            task::{Condition, Dependency},
        },
    };

    use super::*;
    use crate::wire::sample;

    #[test]
    fn no_token_and_no_environment_value_is_in_a_task() {
        for task in sample::tasks() {
            let output = Output {
                stdout: b"out".to_vec(),
                stdout_bytes: 3,
                ..Output::default()
            };
            let message = task_message(&task, Some((AttemptNumber(2), &output)));
            sample::assert_keeps_secrets(&message.encode_to_vec());
            let Some(v1::task_spec::Work::Command(command)) = message.spec.unwrap().work else {
                panic!("the sample is a command")
            };
            assert_eq!(command.env[sample::ENV_NAME], "***");
            assert_eq!(command.argv, sample::command().argv);
        }
    }

    #[test]
    fn the_reason_says_what_the_state_does_not() {
        let pending = |unmet, due| Task {
            unmet,
            phase: Phase::Pending { due },
            ..sample::running()
        };
        let running = sample::running();
        let ended = |end| Task {
            phase: Phase::ended(end, Timestamp(9_000)),
            // An attempt that has ended is among the attempts.
            attempt_count: running.attempts[running.attempts.len() - 1].number,
            ..running.clone()
        };
        let because = TaskId::stored("fetch");
        for (task, state, expected) in [
            (pending(1, None), v1::TaskState::Blocked, "waits for 1 task"),
            (
                pending(2, Some(Timestamp(5))),
                v1::TaskState::Blocked,
                "waits for 2 tasks",
            ),
            (
                pending(0, Some(Timestamp(5_000))),
                v1::TaskState::Delayed,
                "until 1970-01-01T00:00:05Z",
            ),
            (pending(0, None), v1::TaskState::Queued, ""),
            (sample::running(), v1::TaskState::Running, ""),
            (ended(End::Succeeded), v1::TaskState::Succeeded, ""),
            (
                ended(End::Failed {
                    reason: "no tries left".into(),
                }),
                v1::TaskState::Failed,
                "no tries left",
            ),
            (
                ended(End::Cancelled),
                v1::TaskState::Cancelled,
                "its attempt had failed before it was told",
            ),
            (
                ended(End::Skipped { because }),
                v1::TaskState::Skipped,
                "because fetch did not succeed",
            ),
        ] {
            let message = task_message(&task, None);
            assert_eq!((message.state(), message.reason.as_str()), (state, expected));
            assert_eq!(message.end_time.is_some(), task.end().is_some());
        }
    }

    #[test]
    fn the_running_attempt_is_shown_among_at_most_ten() {
        let mut task = sample::running();
        let one = task.attempts[0].clone();
        task.attempts = (1..=10)
            .map(|n| swarm_engine::noun::attempt::Attempt {
                number: AttemptNumber(n),
                ..one.clone()
            })
            .collect::<Vec<_>>()
            .into();
        if let Phase::Running(lease) = &mut task.phase {
            (lease.attempt, lease.cancel_asked) = (AttemptNumber(11), true);
        }
        let message = task_message(&task, None);
        let numbers: Vec<u32> = message.attempts.iter().map(|attempt| attempt.attempt).collect();
        assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(message.attempts[9].outcome(), v1::AttemptOutcome::Running);
        assert!(message.attempts[9].end_time.is_none() && message.cancel_requested);
        assert_eq!(message.reason, "is being cancelled");
    }

    #[test]
    fn attempts_say_how_they_ended() {
        let of = |outcome| {
            attempt::ended(&swarm_engine::noun::attempt::Attempt {
                outcome,
                ..sample::running().attempts[0].clone()
            })
        };
        let failed = of(Outcome::Failed(sample::failure()));
        assert_eq!(failed.outcome(), v1::AttemptOutcome::Failed);
        assert_eq!(
            (failed.failure_reason.as_str(), failed.exit_code),
            ("exit", Some(3))
        );
        assert_eq!(
            (failed.blame(), failed.message.as_str()),
            (v1::Blame::Machine, "it\nbroke")
        );
        let lost = of(Outcome::Lost(Loss::Silent));
        assert_eq!(lost.outcome(), v1::AttemptOutcome::Lost);
        assert_eq!(lost.message, "nothing was heard of its agent in time");
        let released = of(Outcome::Released {
            refused: false,
            reason: "drained".into(),
        });
        assert_eq!(
            (released.outcome(), released.message.as_str()),
            (v1::AttemptOutcome::Released, "drained")
        );
        assert_eq!(of(Outcome::Cancelled).outcome(), v1::AttemptOutcome::Cancelled);
        assert_eq!(of(Outcome::Succeeded).outcome(), v1::AttemptOutcome::Succeeded);
    }

    #[test]
    fn a_hundred_unmet_dependencies_are_named_and_all_are_counted() {
        let dependencies: Vec<Dependency> = (0..150)
            .map(|n| Dependency {
                task: TaskId::stored(&format!("d{n}")),
                condition: Condition::Succeeded,
                met: n < 20,
                cut: None,
            })
            .collect();
        let task = Task {
            dependencies: dependencies.into(),
            unmet: 130,
            phase: Phase::Pending { due: None },
            ..sample::running()
        };
        let message = task_message(&task, None);
        assert_eq!(
            (message.unmet_dependencies.len(), message.unmet_dependency_count),
            (100, 130)
        );
        assert_eq!(message.unmet_dependencies[0], "d20");
    }

    #[test]
    fn counts_times_and_the_result_arrive() {
        let mut task = sample::running();
        task.tries = Tries {
            failures: 1,
            losses: 2,
            provider_limits: 3,
            undelivered: 4,
            lost_on: vec![AgentId::stored("x")],
        }
        .into();
        let output = Output {
            stdout: b"o".to_vec(),
            stderr: b"e".to_vec(),
            stdout_bytes: 9,
            stderr_bytes: 8,
            removed_files: 2,
            removed_bytes: 12,
        };
        let message = task_message(&task, Some((AttemptNumber(1), &output)));
        let tries = v1::Tries {
            failures: 1,
            losses: 2,
            provider_limits: 3,
            undelivered: 4,
            max_retries: 2,
        };
        assert_eq!(message.tries, Some(tries));
        let result = message.result.unwrap();
        assert_eq!((result.attempt, result.output.unwrap().stdout_bytes), (1, 9));
        assert_eq!(message.start_time, Some(timestamp(task.lease().unwrap().granted)));
        assert_eq!(
            (message.number, message.revision, message.job_id.as_str()),
            (3, 9, "nightly")
        );
    }
}
