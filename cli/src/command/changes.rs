//! What became of each task of a request to change several.

use swarm_proto::{reason::Reason, v1::TaskChange};

use crate::{
    exit::Exit,
    output::{Listing, Output, json, state, table::Table, text},
    trouble::Trouble,
};

/// Prints what became of each; refusals are told on stderr, too.
///
/// # Errors
///
/// When any was refused, or stdout is closed.
pub(super) fn tell(changes: &[TaskChange], output: &Output, doing: &str) -> anyhow::Result<Exit> {
    let (accepted, refused): (Vec<&TaskChange>, Vec<&TaskChange>) =
        changes.iter().partition(|change| change.refusal.is_none());
    let mut table = Table::new(["ID", "STATE"]);
    for change in &accepted {
        table.row([change.task_id.clone(), state::task(change.state()).to_owned()]);
    }
    output.list(&Listing {
        key: "results",
        values: changes
            .iter()
            .map(|change| json::of("TaskChange", change))
            .collect(),
        names: accepted.iter().map(|change| change.task_id.clone()).collect(),
        table,
    })?;
    if refused.is_empty() {
        return Ok(Exit::Done);
    }
    Err(trouble(&refused, changes.len(), doing).into())
}

fn trouble(refused: &[&TaskChange], total: usize, doing: &str) -> Trouble {
    let reasons: Vec<Option<Reason>> = refused
        .iter()
        .map(|change| {
            change
                .refusal
                .as_ref()
                .and_then(|refusal| Reason::parse(&refusal.reason))
        })
        .collect();
    let all_unknown = reasons.iter().all(|reason| *reason == Some(Reason::TaskNotFound));
    let exit = if all_unknown {
        Exit::NotFound
    } else {
        Exit::Refused
    };
    let sentences: Vec<String> = refused
        .iter()
        .map(|change| {
            let refusal = change.refusal.clone().unwrap_or_default();
            let why = if refusal.message.is_empty() {
                refusal.reason
            } else {
                refusal.message
            };
            format!("{}: {why}", change.task_id)
        })
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
        trouble = trouble.help("swarmctl list shows the tasks there are");
    }
    if reasons.contains(&Some(Reason::RevisionMismatch)) {
        trouble =
            trouble.help("a task changed meanwhile: look at it with swarmctl inspect ID, and try again");
    }
    if reasons.contains(&Some(Reason::DependencyFailed)) {
        trouble = trouble.help("retry the dependency instead; it brings back what was skipped because of it");
    }
    trouble
}
