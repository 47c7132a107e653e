//! The answer to a submit, for people and scripts.

use serde_json::{Value, json};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    json,
    v1::{GetStatusRequest, Hold, NewTask, SubmitTasksResponse, SubmittedTask},
};

use crate::{
    call::{
        client::Client,
        subject::{Kind, own},
    },
    output::{Listing, Output, change, hold, state, table::Table, task, text},
    program::terminal::note,
};

/// At most this many existing tasks are named.
const MAX_NAMED: usize = 10;

/// At most this many tasks are shown to people; programs get all of them.
const MAX_SHOWN: usize = 100;

/// Remembers what was submitted, for `last`. What was there before may be somebody else's.
pub(crate) fn remember(client: &Client, job_id: Option<&str>, answer: &SubmitTasksResponse) {
    let tasks = &answer.tasks;
    let Some(as_of) = answer.as_of.as_ref().filter(|_| !is_nothing_new(client, tasks)) else {
        return;
    };
    let is_own = |task: &&SubmittedTask| !task.existed || client.has_lost_an_answer();
    match (job_id, tasks.iter().rfind(is_own)) {
        (Some(job_id), _) => own::remember(&as_of.history, Kind::Job, job_id),
        (None, Some(task)) => own::remember(&as_of.history, Kind::Task, &task.task_id),
        (None, None) => {}
    }
}

/// Whether all of several tasks existed already. After a lost answer nobody knows whose they are.
pub(crate) fn is_nothing_new(client: &Client, tasks: &[SubmittedTask]) -> bool {
    !tasks.is_empty() && tasks.iter().all(|task| task.existed) && !client.has_lost_an_answer()
}

/// Tells which tasks existed already, with their states.
pub(crate) fn tell_existing(tasks: &[SubmittedTask]) {
    if tasks.iter().any(|task| task.existed) {
        note(format!(
            "already there, and not submitted again: {}",
            existing(tasks)
        ));
    }
}

/// Nothing was submitted, and cron sees it. `again` says how to run what is there once more.
pub(crate) fn nothing_new(tasks: &[SubmittedTask], again: String) -> Failure {
    let there = existing(tasks);
    let sentence = format!("nothing was submitted, for all of it was there before: {there}");
    Failure::new(Exit::NothingNew, sentence).help(again)
}

/// What to do about the one task that was there before.
pub(crate) fn another_id(client: &Client, task: &SubmittedTask) -> String {
    let id = &task.task_id;
    match state::is_final(task.state()) {
        true => {
            let retry = client.next(&format!("retry {id}"));
            format!("give another --id, or bring the ended task back: {retry}")
        }
        false => format!(
            "give another --id, or wait for it: {}",
            client.next(&format!("wait {id}"))
        ),
    }
}

/// The tasks that existed already, with their states.
fn existing(tasks: &[SubmittedTask]) -> String {
    let existed: Vec<&SubmittedTask> = tasks.iter().filter(|task| task.existed).collect();
    let mut named: Vec<String> = existed
        .iter()
        .take(MAX_NAMED)
        .map(|task| format!("{} ({})", task.task_id, state::word(task.state())))
        .collect();
    if existed.len() > MAX_NAMED {
        named.push(format!("{} more", existed.len() - MAX_NAMED));
    }
    named.join(", ")
}

/// Warns when no agent takes work, for "nothing happens and nothing says why" is the worst answer.
pub(crate) async fn warn_without_agents(client: &Client) {
    // The tasks are submitted; a failure of this extra question is not worth a word.
    let Ok(status) = client.call(GetStatusRequest {}).await else {
        return;
    };
    let Some(agents) = status.agents.filter(|agents| agents.online == 0) else {
        return;
    };
    // A hold on everything would hold a new agent too. A hold on an agent may outlive that agent.
    let is_one_held = agents.paused + agents.draining > 0;
    let is_in_the_way = |hold: &&Hold| match hold::Scope::of(hold) {
        hold::Scope::Queue(_) => false,
        hold::Scope::Agent(_) => is_one_held,
        hold::Scope::Everything => true,
    };
    note(match status.holds.iter().find(is_in_the_way) {
        Some(hold) => format!(
            "no agent takes work: {}; to give work again: {}",
            hold::sentence(hold),
            change::resume(&hold::Scope::of(hold), client.address())
        ),
        None => format!(
            "no agent is online yet; start one with: {}",
            change::start_agent(client.address())
        ),
    });
}

/// The number of tasks that a table for people shows.
pub(super) fn shown_rows(output: &Output) -> usize {
    match output.format.is_for_people() && output.fields().is_everything() {
        true => MAX_SHOWN,
        false => usize::MAX,
    }
}

/// Tells how many tasks the table does not show.
pub(super) fn tell_left(tasks: usize, shown: usize) {
    let left = tasks.saturating_sub(shown);
    if left > 0 {
        note(format!("and {}", text::counted(left as u64, "more task")));
    }
}

/// What each task of a request is, for people, in their order.
pub(crate) fn in_words(tasks: &[NewTask]) -> Vec<String> {
    let spec = |task: &NewTask| task.spec.clone().unwrap_or_default();
    tasks.iter().map(|task| task::what(&spec(task))).collect()
}

/// Prints the submitted tasks with their states. `words` say what each is.
///
/// # Errors
///
/// When stdout cannot be written.
pub(crate) fn print(
    answer: &SubmitTasksResponse,
    words: &[String],
    job_id: Option<&str>,
    output: &Output,
) -> anyhow::Result<()> {
    let tasks = &answer.tasks;
    let mut table = Table::new(["WHAT", "ID", "STATE", "SUBMITTED"])
        .free_text(&["WHAT"])
        .usual("SUBMITTED", &["now"])
        .paths(&[("ID", "task_id")]);
    let shown = shown_rows(output);
    for (place, task) in tasks.iter().enumerate().take(shown) {
        let submitted = if task.existed { "before" } else { "now" };
        table.row([
            words.get(place).cloned().unwrap_or_default(),
            task.task_id.clone(),
            state::task(task.state()).to_owned(),
            submitted.to_owned(),
        ]);
    }
    let listing = Listing::of_messages("tasks", tasks, |task| &task.task_id, table);
    if output.format.is_one_value() {
        output.check_fields(&listing)?;
        let tasks = listing.chosen(output.fields());
        let unmatched: Value = answer.unmatched.iter().map(json::of).collect();
        let mut whole = json!({ "tasks": tasks, "unmatched": unmatched });
        if let (Some(job_id), Value::Object(whole)) = (job_id, &mut whole) {
            whole.shift_insert(0, "job_id".to_owned(), job_id.into());
        }
        output.value(&whole)?;
    } else {
        output.list(&listing)?;
        tell_left(tasks.len(), shown);
    }
    if let Some(job_id) = job_id {
        note(format!(
            "job {job_id}: {}",
            text::counted(answer.tasks.len() as u64, "task")
        ));
    }
    Ok(())
}
