//! `swarmctl agent`: the agents as the coordinator knows them.

use clap::Subcommand;
use swarm_proto::v1::{GetAgentRequest, ListAgentsRequest};

use super::describe;
use crate::{
    args::Globals,
    client::Client,
    exit::Exit,
    output::{Output, json, note},
};

/// The largest page that a coordinator gives.
const PAGE_SIZE: u32 = 1_000;

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
    },
    /// Show one agent with its leases
    #[command(before_help = EXAMPLES)]
    Inspect {
        /// The agent
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
        AgentVerb::List { all } => list(&client, all, &output).await?,
        AgentVerb::Inspect { id } => {
            let request = GetAgentRequest { agent_id: id.clone() };
            let answer = client.get_agent(request).await;
            let agent = answer
                .map_err(client.trouble(format!("cannot inspect agent {id}")))?
                .agent;
            let agent = agent.unwrap_or_default();
            output.one(
                &json::of("Agent", &agent),
                &agent.agent_id,
                &describe::agent_page(&agent),
            )?;
        }
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, include_gone: bool, output: &Output) -> anyhow::Result<()> {
    let mut agents = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAgentsRequest {
            include_gone,
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client
            .list_agents(request)
            .await
            .map_err(client.trouble("cannot list the agents"))?;
        agents.extend(page.agents);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    output.list(&describe::agents(&agents))?;
    if agents.is_empty() {
        note(format!(
            "no agents; start one with: agent --coordinator {}",
            client.address()
        ));
    }
    Ok(())
}
