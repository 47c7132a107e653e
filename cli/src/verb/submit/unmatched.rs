//! Accepted tasks that no live agent can run. They are told at once, for otherwise nothing would happen without a
//! reason.

use std::collections::BTreeSet;

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{SubmittedTask, Unmatched};

use crate::{
    call::client::Client,
    output::{state, text},
    program::terminal::{hint, note},
};

/// At most this many groups are told; the rest is counted.
const MAX_TOLD: usize = 5;

/// At most this many tasks of a group are named; the rest is counted.
const MAX_NAMED: usize = 3;

/// Tells which tasks no agent can run, and the command that explains one.
pub(crate) fn tell(client: &Client, tasks: &[SubmittedTask], unmatched: &[Unmatched]) {
    tell_without_help(tasks, unmatched);
    if let Some(explain) = explain(client, unmatched) {
        hint(format!("help: {explain}"));
    }
}

/// The same for tasks that were not submitted, which the coordinator cannot explain.
pub(crate) fn tell_without_help(tasks: &[SubmittedTask], unmatched: &[Unmatched]) {
    lines(tasks, unmatched).iter().for_each(note);
}

/// The failure of who asked for a match.
pub(crate) fn failure(client: &Client, tasks: &[SubmittedTask], unmatched: &[Unmatched]) -> Failure {
    let failure = failure_without_help(tasks, unmatched);
    failure.help(explain(client, unmatched).unwrap_or_default())
}

/// The same for tasks that were not submitted.
pub(crate) fn failure_without_help(tasks: &[SubmittedTask], unmatched: &[Unmatched]) -> Failure {
    let mut lines = lines(tasks, unmatched).into_iter();
    let mut failure = Failure::new(Exit::Unmatched, lines.next().unwrap_or_default());
    failure.faults = lines.collect();
    failure
}

/// The command that explains one of the tasks.
fn explain(client: &Client, unmatched: &[Unmatched]) -> Option<String> {
    let id = unmatched.first()?.task_ids.first()?;
    Some(client.next(&format!("explain {id}")))
}

/// A line for each group, and one for those that are left.
fn lines(tasks: &[SubmittedTask], unmatched: &[Unmatched]) -> Vec<String> {
    let groups = unmatched.iter().take(MAX_TOLD);
    let mut lines: Vec<String> = groups.map(|group| sentence(tasks, group)).collect();
    let left: u64 = unmatched.iter().skip(MAX_TOLD).map(|group| group.tasks).sum();
    if left > 0 {
        let left = text::counted(left, "task");
        lines.push(format!("and {left} more, for other reasons"));
    }
    lines
}

/// `queued, but none of 3 agents can run it: 2 lack label docker, 1 is draining`. Names come first when several tasks
/// were submitted.
fn sentence(tasks: &[SubmittedTask], group: &Unmatched) -> String {
    let of_group = tasks.iter().filter(|task| group.task_ids.contains(&task.task_id));
    let states: BTreeSet<&str> = of_group.map(|task| state::word(task.state())).collect();
    let states = match states.is_empty() {
        true => "accepted".to_owned(),
        false => Vec::from_iter(states).join(" or "),
    };
    let said = format!("{states}, but {}", group.message);
    if tasks.len() == 1 {
        return said;
    }
    let mut names: Vec<String> = group.task_ids.iter().take(MAX_NAMED).cloned().collect();
    let left = group.tasks.saturating_sub(names.len() as u64);
    if left > 0 {
        names.push(format!("{left} more"));
    }
    format!("{}: {said}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::TaskState;

    use super::*;

    #[test]
    fn tasks_are_named_where_there_are_several() {
        let task = |id: &str| SubmittedTask {
            task_id: id.into(),
            state: TaskState::Blocked.into(),
            existed: false,
        };
        let group = Unmatched {
            task_ids: ["a", "b", "c", "d"].map(String::from).to_vec(),
            tasks: 12,
            message: "none of 2 agents can run it: 2 lack label gpu".into(),
        };
        assert_eq!(
            sentence(&[task("a"), task("b")], &group),
            "a, b, c, 9 more: blocked, but none of 2 agents can run it: 2 lack label gpu"
        );
        let queued = SubmittedTask {
            state: TaskState::Queued.into(),
            ..task("b")
        };
        assert!(sentence(&[task("a"), queued], &group).contains(": blocked or queued, but none of 2"));
        assert_eq!(
            sentence(&[task("a")], &group),
            "blocked, but none of 2 agents can run it: 2 lack label gpu"
        );
    }
}
