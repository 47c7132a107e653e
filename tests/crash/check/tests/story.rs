//! A history from a few words a line.

use std::time::Duration;

use swarm_proto::v1::{
    AsOf, Attempt, AttemptFailed, CancelRequested, Dependency, DependencyCondition, DependencyMet, Event,
    LeaseExpired, LeaseGranted, LeaseReleased, LeaseResumed, NewTask, RegisterAgentRequest,
    SubmitTasksRequest, SubmitTasksResponse, SubmittedTask, Task, TaskCancelled, TaskDue, TaskFailed,
    TaskRetried, TaskSkipped, TaskSpec, TaskState, TaskSubmitted, TaskSucceeded, Tries, event::Payload,
};

use super::super::life;
use crate::crash::history::{Answer, Call, Exchange, History};

/// A history whose log was written by hand, in which every task was submitted and every end is read as it is.
pub(super) struct Story {
    pub(super) history: History,
}

impl Story {
    /// Reads one event from each line: `task what attempt agent …`.
    pub(super) fn of(text: &str) -> Story {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut history = History::default();
        let mut submitted: Vec<String> = Vec::new();
        for (seq, line) in (1..).zip(lines) {
            let event = event(seq, line, &history.log);
            if let Some(Payload::TaskSubmitted(payload)) = &event.payload
                && !submitted.contains(&event.task_id)
            {
                submitted.push(event.task_id.clone());
                let task = NewTask {
                    task_id: event.task_id.clone(),
                    spec: payload.spec.clone(),
                };
                history.calls.push(submit(vec![task], seq));
            }
            history.log.push(event);
        }
        // Nobody here runs commands, unless a test says so.
        for agent_id in ["a", "b", "c"].map(str::to_owned) {
            let request = RegisterAgentRequest {
                agent_id,
                ..Default::default()
            };
            history
                .calls
                .push(call("fake", Exchange::Register(request, Answer::Unknown)));
        }
        let (lives, _) = life::lives(&history.log);
        history.tasks = lives
            .iter()
            .map(|(id, life)| Task {
                task_id: (*id).to_owned(),
                state: life.state.into(),
                attempt_count: life.attempts().keys().next_back().copied().unwrap_or(0),
                round: life.round,
                revision: life.seqs.last().copied().unwrap_or(0),
                tries: Some(Tries {
                    failures: life.failures(),
                    ..Default::default()
                }),
                attempts: Vec::<Attempt>::new(),
                ..Default::default()
            })
            .collect();
        // Reports and cancels stand in the log alone: who asked for a retry has to be known.
        let retried = lives
            .iter()
            .flat_map(|(id, life)| life.retries.iter().map(|_| (*id).to_owned()));
        let retried: Vec<String> = retried.collect();
        for id in retried {
            history.calls.push(super::calls::unanswered_retry(&id));
        }
        Story { history }
    }

    /// The task as it was read at the end.
    pub(super) fn task(&mut self, id: &str) -> &mut Task {
        let mut tasks = self.history.tasks.iter_mut();
        tasks.find(|task| task.task_id == id).unwrap()
    }

    /// The last seq.
    pub(super) fn last(&self) -> u64 {
        self.history.log.len() as u64
    }
}

/// A call that was sent and answered at once, at the time that is its place among the others.
pub(super) fn call(client: &str, exchange: Exchange) -> Call {
    let (_, seq) = exchange.as_of().unwrap_or_default();
    at(client, seq, exchange)
}

/// The same at a time in seconds.
pub(super) fn at(client: &str, second: u64, exchange: Exchange) -> Call {
    Call {
        client: client.to_owned(),
        called: Duration::from_secs(second),
        returned: Duration::from_secs(second),
        exchange,
    }
}

/// The position of an answer.
pub(super) fn as_of(seq: u64) -> Option<AsOf> {
    let history = "h".to_owned();
    Some(AsOf { history, seq })
}

/// A submit of tasks that are new, acknowledged as of this seq.
pub(super) fn submit(tasks: Vec<NewTask>, seq: u64) -> Call {
    let response = SubmitTasksResponse {
        as_of: as_of(seq),
        tasks: tasks
            .iter()
            .map(|task| SubmittedTask {
                task_id: task.task_id.clone(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let request = SubmitTasksRequest { job: None, tasks };
    call("c", Exchange::Submit(request, Answer::Given(response)))
}

fn event(seq: u64, line: &str, log: &[Event]) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
    let number = word(2).parse().unwrap_or(0);
    let is_attempt = !matches!(words[1], "submitted" | "retried" | "returned");
    let payload = match words[1] {
        "submitted" => Payload::TaskSubmitted(submitted(&words[2..], log)),
        "met" => Payload::DependencyMet(DependencyMet {
            cut: None,
            dependency_id: word(2),
            unmet: 0,
        }),
        "due" => Payload::TaskDue(TaskDue {}),
        "granted" => Payload::LeaseGranted(LeaseGranted::default()),
        "expired" => Payload::LeaseExpired(LeaseExpired {
            cause: word(4),
            due_time: None,
        }),
        "resumed" => Payload::LeaseResumed(LeaseResumed {}),
        "released" => Payload::LeaseReleased(LeaseReleased::default()),
        "silenced" => Payload::LeaseReleased(LeaseReleased {
            reason: life::SILENCE.to_owned(),
        }),
        "failed" => Payload::AttemptFailed(AttemptFailed::default()),
        "gave-up" => Payload::TaskFailed(TaskFailed::default()),
        "succeeded" => Payload::TaskSucceeded(TaskSucceeded {
            late: word(4) == "late",
            ..Default::default()
        }),
        "cancel-asked" => Payload::CancelRequested(CancelRequested {}),
        "cancelled" => Payload::TaskCancelled(TaskCancelled::default()),
        "skipped" => Payload::TaskSkipped(TaskSkipped {
            dependency_id: word(2),
        }),
        "retried" | "returned" => Payload::TaskRetried(TaskRetried {
            round: number,
            dependency_id: word(3),
        }),
        other => panic!("what is '{other}'?"),
    };
    Event {
        seq,
        task_id: word(0),
        attempt: if is_attempt { number } else { 0 },
        agent_id: word(3),
        summary: line.to_owned(),
        as_of: as_of(seq),
        payload: Some(payload),
        ..Default::default()
    }
}

/// `in` a group, or `after` other tasks, which may have to be `finished:` only.
fn submitted(words: &[&str], log: &[Event]) -> TaskSubmitted {
    let mut spec = TaskSpec::default();
    match words.split_first() {
        Some((&"in", group)) => spec.exclusive_group = group.concat(),
        Some((&"after", others)) => {
            spec.depends_on = others
                .iter()
                .map(|other| match other.strip_prefix("finished:") {
                    Some(other) => (other, DependencyCondition::Finished),
                    None => (*other, DependencyCondition::Succeeded),
                })
                .map(|(other, condition)| Dependency {
                    task_id: other.to_owned(),
                    condition: condition.into(),
                })
                .collect();
        }
        _ => {}
    }
    let ended = |dependency: &Dependency| {
        log.iter().any(|event| {
            event.task_id == dependency.task_id
                && matches!(
                    event.payload,
                    Some(Payload::TaskSucceeded(_) | Payload::TaskCancelled(_))
                )
        })
    };
    let state = if spec.depends_on.iter().all(ended) {
        TaskState::Queued
    } else {
        TaskState::Blocked
    };
    TaskSubmitted {
        spec: Some(spec),
        state: state.into(),
    }
}
