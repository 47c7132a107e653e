//! `swarmctl wait`: waits until tasks and jobs have ended.

use std::{collections::BTreeSet, io, time::Duration};

use serde_json::json;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    duration::{format_duration, parse_duration},
    v1::{GetTaskRequest, ListTasksRequest, Task, TaskState},
};

use super::cut_inputs;
use crate::{
    call::{
        awaited::{self, Awaited},
        client::Client,
        names,
        pages::Pages,
        subject,
    },
    output::{
        Output, last_words,
        names::Names,
        progress::Progress,
        sheet::{Ink, Sheet},
        task, text,
    },
    program::{
        globals::Globals,
        interrupt::unless_interrupted,
        terminal::{hint, is_colored, is_silent, note, terminal_width, write_stderr},
    },
};

/// At most this many unsuccessful tasks are listed; the rest is counted.
const MAX_LISTED: usize = 1_000;

/// At most this many ids are repeated in advice.
const MAX_REPEATED_IDS: usize = 10;

/// What so many failed tasks printed last is told at the end, and so many lines of each.
const MAX_LAST_WORDS: usize = 3;
const LAST_LINES: usize = 10;

/// Of so many tasks the removed files are told; the rest is counted.
const MAX_REMOVED: usize = 3;

const EXAMPLES: &str = "\
Examples:
  swarmctl wait k3v7q2mzdh x5t2n6wqpa          until both have ended
  swarmctl wait nightly --timeout 1h           a job, by its name; exits with 5 after an hour
  swarmctl wait last --progress                the newest, with states and the time that is left
  swarmctl submit -q -f tasks.yaml | swarmctl wait -";

/// What to wait for.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Tasks and jobs, these also by name; the beginning of an id will do; last is what you submitted last; - reads ids
    /// from stdin, one a line
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Give up after this long, with exit code 5; the tasks go on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Also say in which states the tasks are, and how long the rest will take
    #[arg(long)]
    progress: bool,
}

/// Waits; exits with 1 if any did not succeed.
///
/// # Errors
///
/// When an id names nothing, or the coordinator refuses.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let ids = subject::ids(&args.ids)?;
    let client = Client::open(globals)?.patiently();
    let waiting = async {
        let (mut awaited, mut named) = (Vec::with_capacity(ids.len()), BTreeSet::new());
        for id in &ids {
            let one = Awaited::find(&client, id).await?;
            // Two words may mean the same.
            if named.insert((one.is_job, one.id.clone())) {
                awaited.push(one);
            }
        }
        let progress = if args.progress {
            Progress::detailed()
        } else {
            Progress::new()
        };
        awaited::until_ended_showing(&client, &mut awaited, false, progress).await?;
        tell_end(&client, &awaited, Some(&output), output.wants_page()).await
    };
    let limited = async {
        match args.timeout {
            Some(timeout) => tokio::time::timeout(timeout, waiting).await.ok(),
            None => Some(waiting.await),
        }
    };
    match unless_interrupted(Box::pin(limited)).await {
        Ok(Some(result)) => result,
        Ok(None) => {
            let timeout = args.timeout.unwrap_or_default();
            let sentence = format!("not all had ended after {}", format_duration(timeout));
            let help = format!("they go on; to wait again: {}", again(globals, &ids));
            Err(Failure::new(Exit::TimedOut, sentence).help(help).into())
        }
        Err(signal) => Ok(detached(globals, &ids, signal)),
    }
}

/// Waits for submitted tasks; Ctrl-C and SIGTERM detach.
pub(crate) async fn attached(
    client: &Client,
    awaited: Awaited,
    show_events: bool,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let ids = [awaited.id.clone()];
    let mut awaited = [awaited];
    let waiting = async {
        awaited::until_ended(client, &mut awaited, show_events).await?;
        let for_people = globals.format().is_for_people();
        tell_end(client, &awaited, None, for_people).await
    };
    unless_interrupted(waiting)
        .await
        .unwrap_or_else(|signal| Ok(detached(globals, &ids, signal)))
}

/// Tells that the tasks go on, and how to wait again; ends with the exit code of the signal.
pub(crate) fn detached(globals: &Globals, ids: &[String], signal: Exit) -> Exit {
    note(format!(
        "detached; what was waited for goes on. To wait again: {}",
        again(globals, ids)
    ));
    signal
}

/// Lists unsuccessful tasks: on stdout, or for people on stderr without an `output`.
async fn tell_end(
    client: &Client,
    awaited: &[Awaited],
    output: Option<&Output>,
    for_people: bool,
) -> anyhow::Result<Exit> {
    let total: u64 = awaited.iter().map(|one| one.total).sum();
    let unsuccessful: u64 = awaited.iter().map(|one| one.unsuccessful).sum();
    let tasks = unsuccessful_tasks(client, awaited).await?;
    let names = match tasks.is_empty() || !for_people {
        true => Names::default(),
        false => names::of_agents(client).await,
    };
    let listing = task::listing(&tasks, &names);
    match output {
        Some(output) if output.format.is_one_value() => {
            output.check_fields(&listing)?;
            output.value(&json!({
                "tasks": total,
                "succeeded": total - unsuccessful.min(total),
                "unsuccessful": listing.chosen(output.fields()),
            }))?;
        }
        Some(output) => output.list(&listing)?,
        None if tasks.is_empty() || is_silent() => {}
        None => {
            let mut sheet = Sheet::default();
            sheet.table(
                &listing.table,
                &listing.table.layout(terminal_width(io::stderr())),
            );
            tell(&sheet);
        }
    }
    if for_people {
        tell_last_words(client, &tasks, &names).await;
    }
    if for_people {
        tell_removed_files(awaited);
    }
    cut_inputs::tell(client, awaited).await?;
    if unsuccessful == 0 {
        let tasks = text::counted(total, "task");
        note(if total == 1 {
            format!("{tasks} succeeded")
        } else {
            format!("all {tasks} succeeded")
        });
        return Ok(Exit::Done);
    }
    note(format!(
        "{unsuccessful} of {} did not succeed",
        text::counted(total, "task")
    ));
    if let Some(task) = tasks.first() {
        hint(format!(
            "help: {} shows what {} printed, {} the rest",
            client.next(&format!("logs {}", task.task_id)),
            task.task_id,
            client.next(&format!("inspect {}", task.task_id))
        ));
    }
    Ok(Exit::Failed)
}

/// Tells which files went with the directories of the first tasks that were named; a job's are told by `inspect`.
fn tell_removed_files(awaited: &[Awaited]) {
    let lines: Vec<&String> = awaited
        .iter()
        .filter_map(|one| one.removed_files.as_ref())
        .collect();
    lines.iter().take(MAX_REMOVED).for_each(note);
    let more = lines.len().saturating_sub(MAX_REMOVED);
    if more > 0 {
        let more = text::counted(more as u64, "more task");
        note(format!("{more} left files that were removed"));
    }
}

/// Tells what the first failed tasks printed last, as make does: it mostly says why.
async fn tell_last_words(client: &Client, tasks: &[Task], names: &Names) {
    let failed = tasks.iter().filter(|task| task.state() == TaskState::Failed);
    for task in failed.take(MAX_LAST_WORDS) {
        let request = GetTaskRequest {
            task_id: task.task_id.clone(),
        };
        // The failure is told without them.
        let Ok(answer) = client.call(request).await else {
            return;
        };
        let words = last_words::of(&answer.task.unwrap_or_default(), LAST_LINES);
        if words.height() == 0 {
            continue;
        }
        let mut sheet = Sheet::default();
        sheet.line([
            (
                Ink::Bad,
                format!("{}: ", task::what(&task.spec.clone().unwrap_or_default())),
            ),
            (Ink::Plain, task::why(task, names)),
        ]);
        sheet.append(words);
        tell(&sheet);
    }
}

async fn unsuccessful_tasks(client: &Client, awaited: &[Awaited]) -> anyhow::Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for one in awaited.iter().filter(|one| one.unsuccessful > 0) {
        let left = MAX_LISTED - tasks.len();
        if left == 0 {
            break;
        }
        if one.is_job {
            let states = [TaskState::Failed, TaskState::Cancelled, TaskState::Skipped];
            let filter = ListTasksRequest {
                job_id: one.id.clone(),
                states: states.map(Into::into).to_vec(),
                ..ListTasksRequest::default()
            };
            let mut pages = Pages::new(client, filter);
            while tasks.len() < MAX_LISTED
                && let Some(page) = pages.next(MAX_LISTED - tasks.len()).await?
            {
                tasks.extend(page);
            }
        } else {
            let request = GetTaskRequest {
                task_id: one.id.clone(),
            };
            let answer = client
                .call(request)
                .await
                .map_err(client.failure("cannot look at a task"))?;
            tasks.extend(answer.task.map(|task| Task { result: None, ..task }));
        }
    }
    Ok(tasks)
}

fn tell(sheet: &Sheet) {
    write_stderr(&sheet.shown(is_colored(&io::stderr())));
}

fn again(globals: &Globals, ids: &[String]) -> String {
    if ids.len() > MAX_REPEATED_IDS {
        globals.next("wait … with the same ids")
    } else {
        globals.next(&format!("wait {}", ids.join(" ")))
    }
}
