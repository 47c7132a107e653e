//! The answer to a request that changes several tasks.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    json,
    reason::Reason,
    v1::{Refusal, TaskChange},
};

use crate::{
    output::{Listing, Output, state, table::Table, text},
    program::globals::Globals,
};

/// Prints the changed tasks; refusals become a failure.
///
/// # Errors
///
/// When any was refused, or stdout is closed.
pub(super) fn tell(
    changes: &[TaskChange],
    output: &Output,
    doing: &str,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let (accepted, refused) = split(changes);
    output.list(&listing(changes, &accepted, output))?;
    if refused.is_empty() {
        return Ok(Exit::Done);
    }
    Err(failure(&refused, changes.len(), doing, globals).into())
}

/// Tells why some of several tasks were refused.
///
/// # Errors
///
/// When any was refused.
pub(super) fn tell_refusals(
    refused: &[TaskChange],
    others: usize,
    doing: &str,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    if refused.is_empty() {
        return Ok(Exit::Done);
    }
    let refused: Vec<&TaskChange> = refused.iter().collect();
    Err(failure(&refused, refused.len() + others, doing, globals).into())
}

/// The accepted changes, and the refused.
pub(super) fn split(changes: &[TaskChange]) -> (Vec<&TaskChange>, Vec<&TaskChange>) {
    changes.iter().partition(|change| change.refusal.is_none())
}

/// The changes as a list: all of them for scripts, the accepted ones for people.
pub(super) fn listing(changes: &[TaskChange], accepted: &[&TaskChange], output: &Output) -> Listing {
    let values = match output.format.is_for_people() {
        true => accepted.iter().copied().map(json::of).collect(),
        false => changes.iter().map(json::of).collect(),
    };
    let mut table = Table::new(["ID", "STATE"]).paths(&[("ID", "task_id")]);
    for change in accepted {
        table.row([change.task_id.clone(), state::task(change.state()).to_owned()]);
    }
    Listing {
        key: "results",
        message: Some(json::descriptor::<TaskChange>()),
        values,
        names: accepted.iter().map(|change| change.task_id.clone()).collect(),
        table,
        absent: &[],
    }
}

/// The reason of a refusal; `None` also for a reason that this program does not know.
pub(super) fn reason(change: &TaskChange) -> Option<Reason> {
    change
        .refusal
        .as_ref()
        .and_then(|refusal| Reason::parse(&refusal.reason))
}

/// The refused change of a task that does not exist.
pub(super) fn unknown(id: &str) -> TaskChange {
    let refusal = Refusal {
        reason: Reason::TaskNotFound.as_str().to_owned(),
        message: format!("there is no task '{id}'"),
    };
    TaskChange {
        task_id: id.to_owned(),
        refusal: Some(refusal),
        ..TaskChange::default()
    }
}

/// Tells of tasks that are needed, and so were not removed.
pub(super) fn stayed(count: usize) -> String {
    let (tasks, verb) = (
        text::counted(count as u64, "task"),
        if count == 1 { "stays" } else { "stay" },
    );
    format!("{tasks} {verb}: others depend on that and have not ended, or were skipped and may come back")
}

/// The refusal in a sentence.
pub(super) fn why(change: &TaskChange) -> String {
    let refusal = change.refusal.clone().unwrap_or_default();
    if refusal.message.is_empty() {
        refusal.reason
    } else {
        refusal.message
    }
}

/// The failure of refused changes.
pub(super) fn failure(refused: &[&TaskChange], total: usize, doing: &str, globals: &Globals) -> Failure {
    let reasons: Vec<Option<Reason>> = refused.iter().map(|change| reason(change)).collect();
    let all_unknown = reasons.iter().all(|reason| *reason == Some(Reason::TaskNotFound));
    let exit = if all_unknown {
        Exit::NotFound
    } else {
        Exit::Refused
    };
    let sentences: Vec<String> = refused
        .iter()
        .map(|change| format!("{}: {}", change.task_id, why(change)))
        .collect();
    let mut failure = match (sentences.as_slice(), total) {
        ([sentence], 1) => Failure::new(exit, format!("{doing} {sentence}")),
        _ => {
            let count = text::counted(total as u64, "task");
            let mut failure = Failure::new(exit, format!("{doing} {} of {count}", refused.len()));
            failure.faults = sentences.iter().map(|sentence| format!("  {sentence}")).collect();
            failure
        }
    };
    if reasons.contains(&Some(Reason::TaskNotFound)) {
        failure = failure.help(format!("{} shows the tasks there are", globals.next("list")));
    }
    if reasons.contains(&Some(Reason::RevisionMismatch)) {
        failure = failure.help(format!(
            "a task changed meanwhile: look at it with {}, and try again",
            globals.next("inspect ID")
        ));
    }
    if reasons.contains(&Some(Reason::TaskNeeded)) {
        failure = failure.help(format!(
            "once they have ended, name the tasks that depend on it, too: {}",
            globals.next("remove ID…")
        ));
    }
    if reasons.contains(&Some(Reason::DependencyFailed)) {
        failure = failure.help("retry the dependency instead; it brings back what was skipped because of it");
    }
    failure
}
