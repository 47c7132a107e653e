//! States as people see them: always a glyph and a word, a colour only besides.

use anstyle::{AnsiColor, Style};
use swarm_proto::v1::{AgentState, AttemptOutcome, HoldKind, StateCounts, TaskState};

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

/// One task in this state.
pub fn counts_of(state: TaskState) -> StateCounts {
    let mut counts = StateCounts::default();
    match state {
        TaskState::Unspecified => {}
        TaskState::Blocked => counts.blocked = 1,
        TaskState::Delayed => counts.delayed = 1,
        TaskState::Queued => counts.queued = 1,
        TaskState::Running => counts.running = 1,
        TaskState::Waiting => counts.waiting = 1,
        TaskState::Succeeded => counts.succeeded = 1,
        TaskState::Failed => counts.failed = 1,
        TaskState::Cancelled => counts.cancelled = 1,
        TaskState::Skipped => counts.skipped = 1,
    }
    counts
}

/// In which states those are that have not ended: `5 running, 58 queued`.
pub fn unended<'c>(counts: impl Iterator<Item = &'c StateCounts> + Clone) -> String {
    let sum = |count: fn(&StateCounts) -> u64| counts.clone().map(count).sum::<u64>();
    let present: Vec<String> = [
        (TaskState::Running, sum(|counts| counts.running)),
        (TaskState::Waiting, sum(|counts| counts.waiting)),
        (TaskState::Queued, sum(|counts| counts.queued)),
        (TaskState::Delayed, sum(|counts| counts.delayed)),
        (TaskState::Blocked, sum(|counts| counts.blocked)),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(state, count)| format!("{count} {}", word(state)))
    .collect();
    present.join(", ")
}

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

/// Colours every state in a finished page. Columns are laid out before, so that no width counts escape bytes.
pub fn paint(page: &str) -> String {
    const PAINTED: &[(&str, AnsiColor)] = &[
        ("◌ blocked", AnsiColor::BrightBlack),
        ("◷ delayed", AnsiColor::BrightBlack),
        ("▶ running", AnsiColor::Cyan),
        ("? waiting", AnsiColor::Yellow),
        ("✔ succeeded", AnsiColor::Green),
        ("✘ failed", AnsiColor::Red),
        ("✘ lost", AnsiColor::Red),
        ("⊘ cancelled", AnsiColor::Yellow),
        ("↷ skipped", AnsiColor::Yellow),
        ("● online", AnsiColor::Green),
        ("◑ draining", AnsiColor::Yellow),
        ("◫ paused", AnsiColor::Yellow),
        ("■ stopped", AnsiColor::Red),
        ("○ gone", AnsiColor::BrightBlack),
    ];
    PAINTED.iter().fold(page.to_owned(), |page, (plain, color)| {
        let style = Style::new().fg_color(Some((*color).into()));
        page.replace(plain, &format!("{style}{plain}{style:#}"))
    })
}
