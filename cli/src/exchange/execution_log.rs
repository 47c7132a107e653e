//! `execution_log.jsonl` of Vivarium and Black Swarm: one event a line. Export writes it, and import reads the tasks'
//! progress from it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use swarm_proto::v1::{Event, event::Payload};

use super::status::{self, Status};
use crate::output::text::moment;

/// Events as lines of the log. The line of a failure has its cause, so the last failed attempt is remembered.
#[derive(Default)]
pub(crate) struct Lines {
    failed: Option<Failed>,
}

/// The last failed attempt and its cause.
struct Failed {
    task_id: String,
    agent_id: String,
    attempt: u32,
    cause: String,
}

impl Lines {
    /// The line of an event; `None` for an event that is no step of a task. The format's fields come first.
    pub(crate) fn line(&mut self, event: &Event) -> Option<String> {
        let failed = self
            .failed
            .take()
            .filter(|failed| failed.task_id == event.task_id);
        let (status, errors) = self.step(event, failed.as_ref())?;
        let by = failed.as_ref().filter(|_| event.attempt == 0);
        let agent_id = by.map_or(event.agent_id.as_str(), |failed| failed.agent_id.as_str());
        let line = json!({
            "task_id": event.task_id,
            "worker_id": (!agent_id.is_empty()).then_some(agent_id),
            "status": status,
            "timestamp": event.time.as_ref().and_then(moment).map(timestamp),
            "result_summary": (status == "completed").then_some(event.summary.as_str()),
            "errors": errors,
            "model": null,
            "seq": event.seq,
            "attempt": by.map_or(event.attempt, |failed| failed.attempt),
        });
        Some(swarm_proto::json::escape(&line.to_string()))
    }

    fn step(&mut self, event: &Event, last: Option<&Failed>) -> Option<(&'static str, Option<String>)> {
        let step = match event.payload.as_ref()? {
            Payload::LeaseGranted(_) | Payload::LeaseResumed(_) => ("in_progress", None),
            Payload::TaskSucceeded(_) => ("completed", None),
            Payload::AttemptFailed(failed) => {
                let cause = match (failed.message.as_str(), failed.reason.as_str()) {
                    ("", reason) => reason.to_owned(),
                    (message, _) => message.to_owned(),
                };
                if failed.due_time.is_none() {
                    // The task's own failure follows.
                    self.failed = Some(Failed {
                        task_id: event.task_id.clone(),
                        agent_id: event.agent_id.clone(),
                        attempt: event.attempt,
                        cause,
                    });
                    return None;
                }
                ("pending", Some(cause))
            }
            Payload::TaskFailed(failed) => {
                let errors = match last {
                    Some(last) if failed.reason.is_empty() => last.cause.clone(),
                    Some(last) => format!("{}: {}", failed.reason, last.cause),
                    None => failed.reason.clone(),
                };
                ("failed", Some(errors))
            }
            Payload::LeaseExpired(expired) => ("pending", Some(format!("lease expired: {}", expired.cause))),
            Payload::LeaseReleased(released) => ("pending", Some(format!("given back: {}", released.reason))),
            Payload::TaskRetried(_) => ("pending", None),
            Payload::TaskCancelled(_) => ("failed", Some("cancelled".to_owned())),
            Payload::TaskSkipped(skipped) => (
                "failed",
                Some(format!(
                    "skipped: its dependency {} did not succeed",
                    skipped.dependency_id
                )),
            ),
            _ => return None,
        };
        Some(step)
    }
}

/// The status of each task, by the last line about it.
///
/// # Errors
///
/// A sentence with the number of the first malformed line.
pub(crate) fn statuses(text: &str) -> Result<BTreeMap<String, Status>, String> {
    let mut statuses = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let event: Value =
            serde_json::from_str(line).map_err(|_| format!("line {number} is no JSON object"))?;
        let field = |key: &str| event.get(key).and_then(Value::as_str);
        let (Some(task_id), Some(word)) = (field("task_id"), field("status")) else {
            return Err(format!("line {number} has no task_id and status"));
        };
        // A subtask's steps say nothing about the task itself.
        if let Ok(status) = status::parse(word) {
            statuses.insert(task_id.to_owned(), status);
        }
    }
    Ok(statuses)
}

/// Whether a text looks like a log, and so not like a file of tasks.
pub(crate) fn is_log(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let event = first.and_then(|line| serde_json::from_str::<Value>(line).ok());
    event.is_some_and(|event| {
        let has = |key| event.get(key).is_some();
        has("task_id") && has("status") && has("timestamp")
    })
}

/// A time as Python's `isoformat` writes it.
fn timestamp(moment: jiff::Timestamp) -> String {
    let format = match moment.subsec_nanosecond() {
        0 => "%Y-%m-%dT%H:%M:%S+00:00",
        _ => "%Y-%m-%dT%H:%M:%S.%6f+00:00",
    };
    moment.strftime(format).to_string()
}
