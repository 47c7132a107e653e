//! `swarmctl inspect`: everything about one task, job or agent.

use std::collections::VecDeque;

use swarm_program::{exit::Exit, failure::Failure, words::clean::clean};
use swarm_proto::v1::{Event, Output as TaskOutput, StreamEventsRequest, Task};

use crate::{
    call::{
        client::Client,
        follow::Follower,
        subject::{self, Finder, Subject},
    },
    output::{Output, agent, event, task, text},
    program::globals::Globals,
};

/// At most this many events of a task are on the page, the newest.
const SHOWN_EVENTS: usize = 30;

/// At most this many lines of each output stream are on the page; `logs` shows all.
const SHOWN_LINES: usize = 10;

const EXAMPLES: &str = "\
Examples:
  swarmctl inspect k3v7q2mzdh                  attempts, events and the end of its output
  swarmctl inspect last                        what was submitted most recently
  swarmctl inspect lab-3                       an agent with its leases
  swarmctl inspect k3v7q2mzdh -o json          the Task message";

/// What to show.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// A task, a job or an agent, these two also by name; the beginning of an id will do; last is the newest;
    /// - reads the id from stdin
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
                String::new()
            };
            output.one(&*task, &task.task_id, &page)?;
        }
        Some(Subject::Job(job)) => super::job::show(&client, &job, &output).await?,
        Some(Subject::Agent(agent)) => {
            output.one(&*agent, &agent.agent_id, &agent::page(&agent, output.width()))?;
        }
        None => return Err(nothing_named(&client, &id).into()),
    }
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

async fn page(client: &Client, task: &Task, output: &Output) -> anyhow::Result<String> {
    let mut page = task::page(task, output.width());
    let events = newest_events(client, &task.task_id).await?;
    if !events.is_empty() {
        page.push_str("\nevents\n");
        for event in events {
            page.push_str(&event::line(&event));
            page.push('\n');
        }
    }
    if let Some(TaskOutput {
        stdout,
        stderr,
        stdout_bytes,
        stderr_bytes,
    }) = task.result.as_ref().and_then(|result| result.output.as_ref())
    {
        for (name, bytes, whole) in [
            ("stdout", stdout, *stdout_bytes),
            ("stderr", stderr, *stderr_bytes),
        ] {
            page.push_str(&tail(name, bytes, whole));
        }
    }
    Ok(page)
}

async fn newest_events(client: &Client, task_id: &str) -> anyhow::Result<VecDeque<Event>> {
    let failed = || client.failure(format!("cannot read the events of {task_id}"));
    let request = StreamEventsRequest {
        from_seq: Some(0),
        task_ids: vec![task_id.to_owned()],
        names: true,
        ..StreamEventsRequest::default()
    };
    let mut newest = VecDeque::with_capacity(SHOWN_EVENTS);
    let mut follower = Follower::open(client, request).await.map_err(failed())?;
    while let Some(event) = follower.next().await.map_err(|failure| failed()(failure))? {
        if event.kind.is_empty() {
            continue;
        }
        if newest.len() == SHOWN_EVENTS {
            newest.pop_front();
        }
        newest.push_back(event);
    }
    Ok(newest)
}

/// The last lines of a stream, under a heading with its size.
fn tail(name: &str, bytes: &[u8], whole: u64) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let cleaned = clean(&String::from_utf8_lossy(bytes));
    let lines: Vec<&str> = cleaned.lines().collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    let heading = if shown.len() < lines.len() {
        format!(
            "\n{name}, the last {SHOWN_LINES} lines of {}\n",
            text::bytes(whole)
        )
    } else {
        format!("\n{name}, {}\n", text::bytes(whole))
    };
    heading + &shown.iter().map(|line| format!("  {line}\n")).collect::<String>()
}
