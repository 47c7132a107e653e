//! Numbers of tasks by state, as values and in words.

use swarm_proto::v1::{StateCounts, TaskState};

use super::{
    bar,
    sheet::Ink,
    state::{self, word},
    text,
};

/// The counts of one task.
pub fn of(state: TaskState) -> StateCounts {
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

/// The counts of two together.
pub fn sum(one: &StateCounts, other: &StateCounts) -> StateCounts {
    StateCounts {
        blocked: one.blocked + other.blocked,
        delayed: one.delayed + other.delayed,
        queued: one.queued + other.queued,
        running: one.running + other.running,
        waiting: one.waiting + other.waiting,
        succeeded: one.succeeded + other.succeeded,
        failed: one.failed + other.failed,
        cancelled: one.cancelled + other.cancelled,
        skipped: one.skipped + other.skipped,
    }
}

/// The counts with their states, in the order of a task's life.
pub fn by_state(counts: &StateCounts) -> [(TaskState, u64); 9] {
    [
        (TaskState::Blocked, counts.blocked),
        (TaskState::Delayed, counts.delayed),
        (TaskState::Queued, counts.queued),
        (TaskState::Running, counts.running),
        (TaskState::Waiting, counts.waiting),
        (TaskState::Succeeded, counts.succeeded),
        (TaskState::Failed, counts.failed),
        (TaskState::Cancelled, counts.cancelled),
        (TaskState::Skipped, counts.skipped),
    ]
}

/// The number of ended tasks.
pub fn ended(counts: &StateCounts) -> u64 {
    counts.succeeded + counts.failed + counts.cancelled + counts.skipped
}

/// The counts above zero, in the order of a task's life.
pub fn present(counts: &StateCounts) -> impl Iterator<Item = (TaskState, u64)> {
    by_state(counts).into_iter().filter(|(_, count)| *count > 0)
}

/// The counts above zero in words: `3 queued, 1 failed`.
pub fn in_words(counts: &StateCounts) -> String {
    let words = present(counts).map(|(state, count)| format!("{count} {}", word(state)));
    words.collect::<Vec<_>>().join(", ")
}

/// The states of unended tasks, over several counts: `5 running, 58 queued`.
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

/// `████░░░░ 12 of 40 tasks ended: 10 succeeded, 2 failed; 7 running, 21 queued`.
pub fn bar(counts: &StateCounts, width: usize) -> Vec<(Ink, String)> {
    let all = by_state(counts).iter().map(|(_, count)| count).sum();
    if all == 0 {
        return vec![(Ink::Plain, "no tasks".to_owned())];
    }
    let (bar, tasks) = (bar::of(ended(counts), all, width), text::counted(all, "task"));
    let mut line = vec![(Ink::Plain, format!("{bar} {} of {tasks} ended", ended(counts)))];
    for is_final in [true, false] {
        let states = present(counts).filter(|(state, _)| state::is_final(*state) == is_final);
        for (place, (state, count)) in states.enumerate() {
            let before = match (place, is_final) {
                (0, true) => ": ",
                (0, false) => "; ",
                _ => ", ",
            };
            line.push((state::ink(state), format!("{before}{count} {}", word(state))));
        }
    }
    line
}
