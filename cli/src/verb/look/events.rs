//! `swarmctl events`: what happened, and what is happening.

use jiff::Timestamp;
use serde_json::{Value, json};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{Event, StreamEventsRequest};

use crate::{
    call::{
        client::Client,
        follow::Follower,
        newest_events,
        subject::{Finder, Subject},
    },
    output::{Output, event, text},
    program::{
        globals::{Format, Globals},
        interrupt::unless_interrupted,
        past,
        terminal::{hint, note},
    },
};

const EXAMPLES: &str = "\
Examples:
  swarmctl events -n 20                        the newest twenty; -f goes on from there
  swarmctl events --since yesterday            what happened since then; also 2h, or 14:49
  swarmctl events nightly lab-3                of a job and of an agent, by their names
  swarmctl events --job nightly --kind attempt_failed,task_failed
  swarmctl events -f --from 0 -o jsonl         everything that is kept, then go on";

/// Events of a table when nothing says which.
const TABLE_EVENTS: u64 = 100;

/// The most events that are found from the end: they are all in memory.
const MAX_TAIL: u64 = 10_000;

/// Which events to print.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only events of these tasks, jobs and agents, the latter two also by name; last is what you submitted last
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Go on with what happens from now on
    #[arg(short, long)]
    follow: bool,
    /// Begin with this event; 0 is the oldest kept
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Only events since this long ago, or since this time, such as 1h, 14:49, yesterday or 2026-03-01
    #[arg(long, value_name = "WHEN", value_parser = past::parse)]
    since: Option<Timestamp>,
    /// Only events of this task; may be repeated, or separated by commas
    #[arg(long = "task", value_name = "ID", value_delimiter = ',')]
    tasks: Vec<String>,
    /// Only events of this job, by id or name, and its tasks; may be repeated, or separated by commas
    #[arg(long = "job", value_name = "JOB", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Only events of this agent, by id or name; may be repeated, or separated by commas
    #[arg(long = "agent", value_name = "AGENT", value_delimiter = ',')]
    agents: Vec<String>,
    /// Only events of this kind, such as task_succeeded; may be repeated, or separated by commas
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Only the newest N [default: 100 in a table without --from, --since and --limit]
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        conflicts_with_all = ["from", "since", "limit"],
        value_parser = clap::value_parser!(u64).range(1..=MAX_TAIL)
    )]
    tail: Option<u64>,
    /// End after this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl Args {
    /// How many of the newest events to begin with, if the list begins there.
    fn newest(&self, output: &Output) -> Option<usize> {
        let is_whole = self.from.is_some() || self.since.is_some() || self.limit.is_some();
        let usual = output.format.is_for_people() && !is_whole && !self.follow;
        let tail = self.tail.or(usual.then_some(TABLE_EVENTS));
        tail.and_then(|tail| usize::try_from(tail).ok())
    }
}

/// Prints events, across lost connections without a gap or a repeat.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let mut client = Client::open(globals)?;
    if args.follow {
        client = client.patiently();
    }
    // Times are compared here, because the journal is searched by seq only.
    let is_all_new = args.follow && args.since.is_none();
    let request = StreamEventsRequest {
        history: String::new(),
        from_seq: args.from.or(if is_all_new { None } else { Some(0) }),
        follow: args.follow,
        task_ids: args.tasks.clone(),
        job_ids: args.jobs.clone(),
        agent_ids: args.agents.clone(),
        kinds: args.kinds.clone(),
        limit: args.limit.filter(|_| args.since.is_none()).unwrap_or(0),
        names: output.format.is_for_people(),
    };
    let mut position = None;
    match unless_interrupted(print(&client, &args, request, &output, &mut position)).await {
        Ok(result) => result.map(|()| Exit::Done),
        Err(signal) => {
            let from = position
                .or(args.from)
                .map_or(String::new(), |seq| format!(" --from {seq}"));
            note(format!(
                "to go on: {}",
                globals.next(&format!("events{}{from}", flags(&args)))
            ));
            Ok(signal)
        }
    }
}

async fn print(
    client: &Client,
    args: &Args,
    mut request: StreamEventsRequest,
    output: &Output,
    position: &mut Option<u64>,
) -> anyhow::Result<()> {
    name(client, &args.ids, &mut request).await?;
    let unknown = resolve(client, &mut request).await?;
    output.fields().check(&event::paths(), &[])?;
    let failed = || client.failure("cannot read events");
    // A followed list has no end and so no closing bracket: its events are printed one a line.
    let whole = output.format.is_one_value() && !request.follow;
    let mut printed = Printed {
        output,
        collected: whole.then(Vec::new),
        found: 0,
    };
    if let Some(tail) = args.newest(output) {
        let (newest, searched) = newest_events::find(client, &request, tail)
            .await
            .map_err(failed())?;
        if newest.len() == tail && args.tail.is_none() {
            hint(format!(
                "the newest {tail}; all that are kept: {}",
                client.next(&format!("events --from 0{}", flags(args)))
            ));
        }
        request.from_seq = Some(searched + 1);
        for event in &newest {
            printed.print(event)?;
        }
    }
    if request.follow || args.newest(output).is_none() {
        let mut follower = Follower::open(client, request).await.map_err(failed())?;
        *position = Some(follower.position());
        while let Some(event) = follower.next().await.map_err(|failure| failed()(failure))? {
            if !event.kind.is_empty() && !is_before(&event, args.since) {
                printed.print(&event)?;
            }
            *position = Some(follower.position());
            if args.limit == Some(printed.found) {
                break;
            }
        }
    }
    match unknown {
        // What is not there now may come while somebody follows.
        Some(unknown) if printed.found == 0 && !args.follow => {
            let sentence = format!("there is no {unknown}, and no such event of it is kept");
            Err(Failure::new(Exit::NotFound, sentence).into())
        }
        _ => printed.end(),
    }
}

/// Events on their way to stdout.
struct Printed<'a> {
    output: &'a Output,
    /// The events of a list that is one value.
    collected: Option<Vec<Value>>,
    found: u64,
}

impl Printed<'_> {
    fn print(&mut self, event: &Event) -> anyhow::Result<()> {
        self.found += 1;
        let output = self.output;
        if output.wants_page() {
            return Ok(output.sheet(&event::sheet(event, output.width()))?);
        }
        if output.format.is_for_people() {
            return Ok(output.page(&event::chosen(event, output.fields()))?);
        }
        let chosen = output.fields().of(&event::object(event));
        match (&mut self.collected, output.format) {
            (Some(collected), _) => collected.push(chosen),
            (None, Format::Name) => output.line(&event.seq.to_string())?,
            (None, Format::Yaml) => output.yaml(&json!([chosen]))?,
            (None, _) => output.json_line(&chosen)?,
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        if let Some(collected) = self.collected {
            self.output.value(&json!({ "events": collected }))?;
        }
        if self.found == 0 {
            note("no events");
        }
        Ok(())
    }
}

fn is_before(event: &Event, since: Option<Timestamp>) -> bool {
    let time = event.time.unwrap_or_default();
    since
        .map(past::wire)
        .is_some_and(|since| (time.seconds, time.nanos) < (since.seconds, since.nanos))
}

/// Adds what the words without a flag mean.
async fn name(client: &Client, words: &[String], request: &mut StreamEventsRequest) -> anyhow::Result<()> {
    for word in words {
        let doing = format!("cannot look for {word}");
        match Finder::to_look(client).find_anything(word, &doing).await? {
            Some(Subject::Task(task)) => request.task_ids.push(task.task_id),
            Some(Subject::Job(job)) => request.job_ids.push(job.job_id),
            Some(Subject::Agent(agent)) => request.agent_ids.push(agent.agent_id),
            None => {
                let sentence = format!("there is no task with the id {word}, and no job or agent named so");
                let help = client.next(&format!("events --task {word}"));
                return Err(Failure::new(Exit::NotFound, sentence)
                    .help(format!("the events of a task that was removed: {help}"))
                    .into());
            }
        }
    }
    Ok(())
}

/// Puts ids in place of names. Other texts are left as they are, for the journal may still know them; the first of them
/// is returned in words.
async fn resolve(client: &Client, request: &mut StreamEventsRequest) -> anyhow::Result<Option<String>> {
    let finder = Finder::to_look(client);
    let mut unknown = Vec::new();
    for id in &mut request.task_ids {
        match finder.find_task(id, "cannot look for a task").await? {
            Some(task) => *id = task.task_id,
            None => unknown.push(format!("task {id}")),
        }
    }
    for id in &mut request.job_ids {
        match finder.find_job(id, "cannot look for a job").await? {
            Some((job, _)) => *id = job.job_id,
            None => unknown.push(format!("job {id}")),
        }
    }
    for id in &mut request.agent_ids {
        match finder.find_agent(id, "cannot look for an agent").await? {
            Some(agent) => *id = agent.agent_id,
            None => unknown.push(format!("agent {id}")),
        }
    }
    Ok(unknown.into_iter().next())
}

/// The filters as flags, to be typed again.
fn flags(args: &Args) -> String {
    let mut flags = if args.follow {
        " -f".to_owned()
    } else {
        String::new()
    };
    for id in &args.ids {
        flags.push_str(&format!(" {}", text::shell_word(id)));
    }
    for (flag, values) in [
        ("--task", &args.tasks),
        ("--job", &args.jobs),
        ("--agent", &args.agents),
        ("--kind", &args.kinds),
    ] {
        if !values.is_empty() {
            flags.push_str(&format!(" {flag} {}", text::shell_word(&values.join(","))));
        }
    }
    flags
}
