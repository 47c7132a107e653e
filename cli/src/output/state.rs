//! States as people see them: a glyph and a word, and a colour besides.

use swarm_proto::v1::{AgentState, AttemptOutcome, HoldKind, TaskState};

use super::sheet::Ink;

/// Whether a task in this state has ended.
pub fn is_final(state: TaskState) -> bool {
    match state {
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Skipped => true,
        TaskState::Unspecified
        | TaskState::Blocked
        | TaskState::Delayed
        | TaskState::Queued
        | TaskState::Running
        | TaskState::Waiting => false,
    }
}

/// The word for a task's state, as in JSON.
pub fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "unknown",
        TaskState::Blocked => "blocked",
        TaskState::Delayed => "delayed",
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Waiting => "waiting",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
        TaskState::Skipped => "skipped",
    }
}

/// A task's state for a table.
pub fn task(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "? unknown",
        TaskState::Blocked => "◌ blocked",
        TaskState::Delayed => "◷ delayed",
        TaskState::Queued => "○ queued",
        TaskState::Running => "▶ running",
        TaskState::Waiting => "? waiting",
        TaskState::Succeeded => "✔ succeeded",
        TaskState::Failed => "✘ failed",
        TaskState::Cancelled => "⊘ cancelled",
        TaskState::Skipped => "↷ skipped",
    }
}

/// An online agent whose machine fails, for a table.
pub const SLOWED: &str = "◔ slowed";

/// An online agent of which a copy was refused, for a table.
pub const COPIED: &str = "⧉ copied";

/// An agent that is not lost, and whose call is overdue, for a table.
pub const SILENT: &str = "◌ silent";

/// An attempt's outcome for a table.
pub fn attempt(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Unspecified => "? unknown",
        AttemptOutcome::Running => "▶ running",
        AttemptOutcome::Succeeded => "✔ succeeded",
        AttemptOutcome::Failed => "✘ failed",
        AttemptOutcome::Cancelled => "⊘ cancelled",
        AttemptOutcome::Lost => "✘ lost",
        AttemptOutcome::Released => "↺ released",
    }
}

/// An agent's state for a table.
pub fn agent(state: AgentState) -> &'static str {
    match state {
        AgentState::Unspecified => "? unknown",
        AgentState::Online => "● online",
        AgentState::Draining => "◑ draining",
        AgentState::Paused => "◫ paused",
        AgentState::Lost => "✘ lost",
        AgentState::Gone => "○ gone",
    }
}

/// A hold for a table.
pub fn hold(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Unspecified => "? unknown",
        HoldKind::Pause => "◫ paused",
        HoldKind::Drain => "◑ draining",
        HoldKind::Stop => "■ stopped",
    }
}

/// The ink of a task's state.
pub fn ink(state: TaskState) -> Ink {
    match state {
        TaskState::Unspecified | TaskState::Blocked | TaskState::Delayed => Ink::Faint,
        TaskState::Queued => Ink::Plain,
        TaskState::Running => Ink::Busy,
        TaskState::Waiting | TaskState::Cancelled | TaskState::Skipped => Ink::Notable,
        TaskState::Succeeded => Ink::Good,
        TaskState::Failed => Ink::Bad,
    }
}

/// Colours every state in a finished page. The columns are laid out before, so that escape bytes count as no width.
pub fn paint(page: &str) -> String {
    const PAINTED: &[(&str, Ink)] = &[
        ("◌ blocked", Ink::Faint),
        ("◷ delayed", Ink::Faint),
        ("▶ running", Ink::Busy),
        ("? waiting", Ink::Notable),
        ("✔ succeeded", Ink::Good),
        ("✘ failed", Ink::Bad),
        ("✘ lost", Ink::Bad),
        ("⊘ cancelled", Ink::Notable),
        ("↷ skipped", Ink::Notable),
        ("↺ released", Ink::Notable),
        ("● online", Ink::Good),
        ("◔ slowed", Ink::Notable),
        ("⧉ copied", Ink::Notable),
        ("◑ draining", Ink::Notable),
        ("◫ paused", Ink::Notable),
        ("■ stopped", Ink::Bad),
        ("○ gone", Ink::Faint),
    ];
    PAINTED.iter().fold(page.to_owned(), |page, (plain, ink)| {
        let style = ink.style();
        page.replace(plain, &format!("{style}{plain}{style:#}"))
    })
}
