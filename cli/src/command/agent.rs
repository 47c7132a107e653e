//! `swarmctl agent`: the agents as the coordinator knows them.

use clap::Subcommand;
use swarm_proto::v1::ListAgentsRequest;

use super::{describe, listing};
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    output::{Output, json, note},
    pages::Pages,
    subject,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl agent list                          who works, and on how much
  swarmctl agent list --all                    also those that said goodbye
  swarmctl agent inspect lab-3 -o json         one agent with its leases";

/// What to do with agents.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: AgentVerb,
}

#[derive(Debug, Subcommand)]
enum AgentVerb {
    /// List agents
    #[command(before_help = EXAMPLES)]
    List {
        /// Also those that said goodbye
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: listing::Limit,
    },
    /// Show one agent with its leases
    #[command(before_help = EXAMPLES)]
    Inspect {
        /// The agent: its id, or its name if no other has it
        id: String,
    },
}

/// Lists agents, or shows one.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    match args.verb {
        AgentVerb::List { all, limit } => {
            let request = ListAgentsRequest {
                include_gone: all,
                ..ListAgentsRequest::default()
            };
            let pages = Pages::new(&client, request);
            if listing::print(pages, limit, describe::agents, &output).await? == 0 {
                note(format!(
                    "help: start one with: agent --coordinator {}",
                    client.address()
                ));
            }
        }
        AgentVerb::Inspect { id } => {
            let doing = format!("cannot inspect agent {id}");
            let agent = subject::find_agent(&client, &id, &doing).await?;
            let agent = agent.ok_or_else(|| subject::no_agent(&client, &id))?;
            output.one(
                "Agent",
                &json::of("Agent", &agent),
                &agent.agent_id,
                &describe::agent_page(&agent, output.width()),
            )?;
        }
    }
    Ok(Exit::Done)
}
