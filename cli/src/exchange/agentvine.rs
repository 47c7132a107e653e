//! Tasks of AgentVine's interface: JSON, one task or a list of them.

use super::{
    schema::{Meaning, OURS, Schema},
    status::Words,
};

/// Fields that AgentVine requires of a task.
pub(super) const NEEDED: &[&str] = &["repository_url", "branch_name"];

pub(super) const SCHEMA: Schema = Schema {
    name: "AgentVine",
    prefix: "agentvine",
    fields: &[
        ("id", Meaning::Id),
        ("title", Meaning::Name),
        ("description", Meaning::Text),
        ("priority", Meaning::Priority),
        ("status", Meaning::Status),
        (OURS, Meaning::Ours),
        ("updated_at", Meaning::Past),
        ("completed_at", Meaning::Past),
    ],
    versions: &[],
    made_anew: &[],
    usual_top: &[],
    priorities: &[("low", -50), ("normal", 0), ("high", 50), ("critical", 100)],
    statuses: Words {
        open: "queued",
        running: "in_progress",
        done: "completed",
        failed: "failed",
        cancelled: Some("cancelled"),
    },
    is_named_by_id: true,
    derives_ids: true,
};
