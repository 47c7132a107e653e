//! `queue.json` of Vivarium and Black Swarm, version 1.0.

use serde_json::{Map, Value};
use swarm_proto::v1::Task;

use super::{
    schema::{Meaning, OURS, Schema},
    status::Words,
};

/// The version to read and write.
pub(super) const VERSION: &str = "1.0";

/// The usual address of the tasks' language model.
pub(super) const API_ENDPOINT: &str = "http://127.0.0.1:8420";

pub(super) const SCHEMA: Schema = Schema {
    name: "queue.json",
    prefix: "seed",
    fields: &[
        ("id", Meaning::Id),
        ("type", Meaning::Usual("grind")),
        ("prompt", Meaning::Text),
        ("instruction", Meaning::Text),
        ("description", Meaning::Text),
        ("task", Meaning::Text),
        ("command", Meaning::Shell),
        ("shell", Meaning::Shell),
        ("mode", Meaning::Mode),
        ("status", Meaning::Status),
        ("depends_on", Meaning::Dependencies),
        ("dependencies", Meaning::Dependencies),
        ("parallel_safe", Meaning::Parallel),
        ("model", Meaning::Model),
        ("priority", Meaning::Priority),
        (OURS, Meaning::Ours),
        ("worker_id", Meaning::Past),
        ("started_at", Meaning::Past),
        ("completed_at", Meaning::Past),
        ("failed_at", Meaning::Past),
        ("updated_at", Meaning::Past),
        ("timestamp", Meaning::Past),
        ("result", Meaning::Past),
        ("result_summary", Meaning::Past),
        ("error", Meaning::Past),
        ("errors", Meaning::Past),
        ("budget_used", Meaning::Past),
    ],
    versions: &[VERSION],
    made_anew: &["version", "completed", "failed"],
    usual_top: &[("api_endpoint", API_ENDPOINT)],
    priorities: &[
        ("low", -50),
        ("normal", 0),
        ("medium", 0),
        ("high", 50),
        ("critical", 100),
    ],
    statuses: Words {
        open: "pending",
        running: "in_progress",
        done: "completed",
        failed: "failed",
        cancelled: None,
    },
    is_named_by_id: false,
    derives_ids: false,
};

/// Leaves out a priority of 0, because the format itself has no priorities.
pub(super) fn leave_out_usual(task: &Task, fields: &mut Map<String, Value>) {
    if task.spec.as_ref().is_none_or(|spec| spec.priority == 0) {
        fields.shift_remove("priority");
    }
}
