//! The task file of Amplifier Swarm: YAML, version 2.0 as its own export writes it.

use serde_json::{Map, Value};
use swarm_proto::v1::{AttemptOutcome, Task};

use super::{
    schema::{Meaning, OURS, Schema},
    status::Words,
};

/// The version that export writes. A file written by hand has none.
pub(super) const VERSION: &str = "2.0";

pub(super) const SCHEMA: Schema = Schema {
    name: "Amplifier",
    prefix: "amplifier",
    fields: &[
        ("id", Meaning::Id),
        ("name", Meaning::Name),
        ("title", Meaning::Name),
        ("status", Meaning::Status),
        ("priority", Meaning::Priority),
        ("description", Meaning::Text),
        ("dependencies", Meaning::Dependencies),
        ("depends_on", Meaning::Dependencies),
        ("max_retries", Meaning::Retries),
        (OURS, Meaning::Ours),
        ("retry_count", Meaning::Past),
        ("last_error", Meaning::Past),
        ("worker_id", Meaning::Past),
        ("claimed_by", Meaning::Past),
        ("claimed_at", Meaning::Past),
        ("started_at", Meaning::Past),
        ("completed_at", Meaning::Past),
        ("updated_at", Meaning::Past),
        ("builder_session_id", Meaning::Past),
        ("validator_session_id", Meaning::Past),
        ("result", Meaning::Past),
        ("validation_result", Meaning::Past),
    ],
    versions: &["1.0", VERSION],
    made_anew: &["version", "exported_at", "summary"],
    usual_top: &[],
    priorities: &[
        ("low", -50),
        ("medium", 0),
        ("normal", 0),
        ("high", 50),
        ("critical", 100),
    ],
    statuses: Words {
        open: "not_started",
        running: "in_progress",
        done: "completed",
        failed: "failed",
        cancelled: None,
    },
    is_named_by_id: false,
    derives_ids: false,
};

/// Adds a task's failures in the fields of Amplifier's own export.
pub(super) fn add_past(task: &Task, fields: &mut Map<String, Value>) {
    let failures = task.tries.as_ref().map_or(0, |tries| tries.failures);
    fields.insert("retry_count".to_owned(), failures.into());
    let last_failed = task
        .attempts
        .iter()
        .rev()
        .find(|attempt| attempt.outcome() == AttemptOutcome::Failed && !attempt.message.is_empty());
    let error = last_failed.map(|attempt| attempt.message.clone());
    fields.insert("last_error".to_owned(), error.into());
}
