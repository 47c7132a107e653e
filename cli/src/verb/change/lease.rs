//! `swarmctl lease`: ends the lease of a task whose agent's machine is gone.

use clap::Subcommand;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{ReleaseLeaseRequest, ReleaseLeaseResponse};

use crate::{
    call::{
        client::Client,
        names,
        subject::{Change, Finder},
    },
    output::{Output, page::Page, state},
    program::globals::Globals,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl lease release k3v7q2mzdh            its machine is gone: give the task to another agent now
  swarmctl lease release k3v7q2mzdh --attempt 2  the same, and nothing if another attempt runs by now
  swarmctl agent forget lab-3                  the same for everything that the agent holds
  swarmctl explain k3v7q2mzdh                  for how long its agent has been silent";

/// What to do with leases.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: LeaseVerb,
}

#[derive(Debug, Subcommand)]
enum LeaseVerb {
    /// Give up the machine that runs a task: another agent may have it at once, and no retry is used up
    #[command(before_help = EXAMPLES)]
    Release {
        /// The task; the beginning of its id asks first
        #[arg(value_name = "ID")]
        id: String,
        /// The attempt to give up; otherwise the newest one
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
    },
}

/// Releases the lease of a task.
///
/// # Errors
///
/// When there is no such task, or it does not run, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let LeaseVerb::Release { id, attempt } = args.verb;
    let doing = format!("cannot release the lease of {id}");
    let change = Change {
        object: "its lease",
        ..Change::of_it("release")
    };
    let task = Finder::to_change(&client, change).task(&id, &doing).await?;
    // Always named: another agent may be given the task at any moment, and its lease must not be released.
    let attempt = attempt.unwrap_or(task.attempt_count);
    if attempt == 0 {
        let sentence = format!(
            "{doing}: nobody was given it yet, it is {}",
            state::task(task.state())
        );
        let explain = client.next(&format!("explain {}", task.task_id));
        return Err(Failure::new(Exit::Refused, sentence)
            .help(format!("{explain} says what it waits for"))
            .into());
    }
    let request = ReleaseLeaseRequest {
        task_id: task.task_id.clone(),
        attempt,
    };
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    let agent = names::of_agent(&client, &answer.agent_id).await;
    output.one(&answer, &answer.task_id, page(&answer, &agent))?;
    Ok(Exit::Done)
}

fn page(answer: &ReleaseLeaseResponse, agent: &str) -> String {
    let mut page = Page::default();
    page.add("task", &answer.task_id)
        .add("state", state::task(answer.state()))
        .add("given up", format!("attempt {} on agent {agent}", answer.attempt));
    page.to_string()
}
