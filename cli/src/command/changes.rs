//! What became of each task of a request to change several.

use std::collections::BTreeMap;

use swarm_proto::{
    reason::Reason,
    v1::{Refusal, TaskChange, TaskState},
};

use super::bulk::Deed;
use crate::{
    exit::Exit,
    output::{Listing, Output, json, state, table::Table, text},
    program::{globals::Globals, terminal::note},
    trouble::Trouble,
};

/// Rows of a table of what many became; the rest is counted.
const MAX_ROWS: usize = 100;

/// Refused tasks that are told by name for each reason.
const MAX_TOLD: usize = 3;

/// Prints what became of each; refusals are told on stderr, too.
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
    Err(trouble(&refused, changes.len(), doing, globals).into())
}

/// Says of some out of more tasks why they were refused.
///
/// # Errors
///
/// When any was.
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
    Err(trouble(&refused, refused.len() + others, doing, globals).into())
}

/// Prints what became of very many that nobody has named, and sums it up. What had ended before it could be
/// cancelled is as it was to be.
///
/// # Errors
///
/// When any was refused, or stdout is closed.
pub(super) fn tell_many(
    changes: &[TaskChange],
    deed: Deed,
    output: &Output,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let (accepted, refused) = split(changes);
    let most = if output.format.is_for_people() {
        MAX_ROWS
    } else {
        usize::MAX
    };
    let shown = &accepted[..accepted.len().min(most)];
    output.list(&listing(changes, shown, output))?;
    if shown.len() < accepted.len() {
        note(format!("and {} more", accepted.len() - shown.len()));
    }
    let (ended, refused): (Vec<&TaskChange>, Vec<&TaskChange>) = refused
        .into_iter()
        .partition(|change| reason(change) == Some(Reason::TaskFinished));
    note(summary(&accepted, &ended, deed));
    if refused.is_empty() {
        return Ok(Exit::Done);
    }
    let mut trouble = trouble(&refused, changes.len(), &format!("cannot {}", deed.verb), globals);
    trouble.faults = by_reason(&refused);
    Err(trouble.into())
}

/// `98 tasks cancelled, of which 20 run until their agents have ended them; 2 had ended`.
fn summary(accepted: &[&TaskChange], ended: &[&TaskChange], deed: Deed) -> String {
    let mut summary = format!("{} {}", text::counted(accepted.len() as u64, "task"), deed.done);
    let running = accepted
        .iter()
        .filter(|change| change.state() == TaskState::Running)
        .count();
    match running {
        0 => {}
        1 => summary.push_str(", of which 1 runs until its agent has ended it"),
        _ => summary.push_str(&format!(
            ", of which {running} run until their agents have ended them"
        )),
    }
    if !ended.is_empty() {
        summary.push_str(&format!("; {} had ended meanwhile", ended.len()));
    }
    summary
}

/// A line for each reason of refusals.
fn by_reason(refused: &[&TaskChange]) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&TaskChange>> = BTreeMap::new();
    for change in refused {
        let word = change
            .refusal
            .as_ref()
            .map_or("", |refusal| refusal.reason.as_str());
        reasons.entry(word).or_default().push(change);
    }
    let lines = reasons.into_values().map(|changes| {
        let ids: Vec<&str> = changes
            .iter()
            .take(MAX_TOLD)
            .map(|change| change.task_id.as_str())
            .collect();
        let more = match changes.len() - ids.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("  {}{more}: {}", ids.join(", "), why(changes[0]))
    });
    lines.collect()
}

fn split(changes: &[TaskChange]) -> (Vec<&TaskChange>, Vec<&TaskChange>) {
    changes.iter().partition(|change| change.refusal.is_none())
}

/// To programs all changes, to people those that were accepted.
fn listing(changes: &[TaskChange], accepted: &[&TaskChange], output: &Output) -> Listing {
    let values = match output.format.is_for_people() {
        true => accepted
            .iter()
            .map(|change| json::of("TaskChange", *change))
            .collect(),
        false => changes
            .iter()
            .map(|change| json::of("TaskChange", change))
            .collect(),
    };
    let mut table = Table::new(["ID", "STATE"]);
    for change in accepted {
        table.row([change.task_id.clone(), state::task(change.state()).to_owned()]);
    }
    Listing {
        key: "results",
        message: Some("TaskChange"),
        values,
        names: accepted.iter().map(|change| change.task_id.clone()).collect(),
        table,
    }
}

/// Why a change was refused; nothing when it was not, or for a reason newer than this program.
pub(super) fn reason(change: &TaskChange) -> Option<Reason> {
    change
        .refusal
        .as_ref()
        .and_then(|refusal| Reason::parse(&refusal.reason))
}

/// The change of a task that does not exist.
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

fn why(change: &TaskChange) -> String {
    let refusal = change.refusal.clone().unwrap_or_default();
    if refusal.message.is_empty() {
        refusal.reason
    } else {
        refusal.message
    }
}

fn trouble(refused: &[&TaskChange], total: usize, doing: &str, globals: &Globals) -> Trouble {
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
    let mut trouble = match (sentences.as_slice(), total) {
        ([sentence], 1) => Trouble::new(exit, format!("{doing} {sentence}")),
        _ => {
            let count = text::counted(total as u64, "task");
            let mut trouble = Trouble::new(exit, format!("{doing} {} of {count}", refused.len()));
            trouble.faults = sentences.iter().map(|sentence| format!("  {sentence}")).collect();
            trouble
        }
    };
    if reasons.contains(&Some(Reason::TaskNotFound)) {
        trouble = trouble.help(format!("{} shows the tasks there are", globals.next("list")));
    }
    if reasons.contains(&Some(Reason::RevisionMismatch)) {
        trouble = trouble.help(format!(
            "a task changed meanwhile: look at it with {}, and try again",
            globals.next("inspect ID")
        ));
    }
    if reasons.contains(&Some(Reason::DependencyFailed)) {
        trouble = trouble.help("retry the dependency instead; it brings back what was skipped because of it");
    }
    trouble
}
