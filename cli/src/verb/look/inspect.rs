//! `swarmctl inspect`: everything about one task, job or agent.

use std::collections::VecDeque;

use swarm_program::{exit::Exit, failure::Failure, words::clean::clean};
use swarm_proto::v1::{Event, GetServerInfoRequest, Output as TaskOutput, StreamEventsRequest, Task};

use crate::{
    call::{
        client::Client,
        clocks, names, newest_events,
        subject::{self, Finder, Subject},
    },
    output::{
        Output, agent, event,
        sheet::{Ink, Sheet},
        task, text,
    },
    program::globals::Globals,
};

/// At most this many events of a task are on the page, the newest.
const SHOWN_EVENTS: usize = 30;

/// At most this many lines of each output stream are on the page; `logs` shows all.
const SHOWN_LINES: usize = 10;

const EXAMPLES: &str = "\
Examples:
  swarmctl inspect k3v7q2mzdh                  its outcome, output, attempts and events
  swarmctl inspect last                        what you submitted last
  swarmctl inspect lab-3                       an agent with its leases
  swarmctl inspect k3v7q2mzdh -o json          the Task message";

/// What to show.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// A task, a job or an agent, these two also by name; the beginning of an id will do; last is what you submitted
    /// last; - reads the id from stdin
    id: String,
}

/// Shows a task, a job or an agent.
///
/// # Errors
///
/// When the id names nothing, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let id = subject::one_id(&args.id, "inspect")?;
    let doing = format!("cannot inspect {id}");
    match Finder::to_look(&client).find_anything(&id, &doing).await? {
        Some(Subject::Task(task)) => {
            let page = if output.wants_page() {
                page(&client, &task, &output).await?
            } else {
                Sheet::default()
            };
            output.one(&*task, &task.task_id, page)?;
        }
        Some(Subject::Job(job)) => super::job::show(&client, &job, &output).await?,
        Some(Subject::Agent(agent)) => {
            output.one(&*agent, &agent.agent_id, agent::page(&agent, output.width()))?;
        }
        None => return Err(nothing_named(&client, &id).into()),
    }
    clocks::compare(&client, &output).await;
    Ok(Exit::Done)
}

fn nothing_named(client: &Client, id: &str) -> Failure {
    let sentence = format!("there is no task with the id {id}, and no job or agent with that id or name");
    Failure::new(Exit::NotFound, sentence).help(format!(
        "{} shows the tasks there are, {} the jobs, {} the agents",
        client.next("list"),
        client.next("job list"),
        client.next("agent list --all")
    ))
}

/// What a person came for stands first: the outcome and the output, then how it came to it.
async fn page(client: &Client, task: &Task, output: &Output) -> anyhow::Result<Sheet> {
    let names = names::of_task(client, task).await;
    let server = client.call(GetServerInfoRequest {}).await;
    let defaults = server.map_err(client.failure("cannot ask for the defaults"))?;
    let mut page = task::page(task, &names, &defaults, output.width());
    if let Some(TaskOutput {
        stdout,
        stderr,
        stdout_bytes,
        stderr_bytes,
        ..
    }) = task.result.as_ref().and_then(|result| result.output.as_ref())
    {
        add_tail(&mut page, "stdout", stdout, *stdout_bytes);
        add_tail(&mut page, "stderr", stderr, *stderr_bytes);
    }
    let attempts = task::attempts(task, &names, output.width());
    if attempts.height() > 0 {
        page.blank().append(attempts);
    }
    let events = events_of(client, &task.task_id).await?;
    if !events.is_empty() {
        page.section("events");
    }
    for event in &events {
        page.append(event::sheet_of_task(event, output.width()));
    }
    Ok(page)
}

async fn events_of(client: &Client, task_id: &str) -> anyhow::Result<VecDeque<Event>> {
    let request = StreamEventsRequest {
        task_ids: vec![task_id.to_owned()],
        names: true,
        ..StreamEventsRequest::default()
    };
    let newest = newest_events::find(client, &request, SHOWN_EVENTS).await;
    let (events, _searched) =
        newest.map_err(client.failure(format!("cannot read the events of {task_id}")))?;
    Ok(events)
}

/// The last lines of a stream, under a heading with its size.
fn add_tail(page: &mut Sheet, name: &str, bytes: &[u8], whole: u64) {
    if bytes.is_empty() {
        return;
    }
    let cleaned = clean(&String::from_utf8_lossy(bytes));
    let lines: Vec<&str> = cleaned.lines().collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    if shown.len() < lines.len() {
        page.section(&format!(
            "{name}, the last {SHOWN_LINES} lines of {}",
            text::bytes(whole)
        ));
    } else {
        page.section(&format!("{name}, {}", text::bytes(whole)));
    }
    for line in shown {
        page.line([(Ink::Unpainted, format!("  {line}"))]);
    }
}
