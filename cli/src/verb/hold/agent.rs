//! `swarmctl agent`: lists, shows and forgets agents, and places and lifts holds on them.

use clap::Subcommand;
use swarm_program::exit::Exit;
use swarm_proto::v1::ListAgentsRequest;

use super::{
    drain,
    flags::{Reason, agent_id},
    forget, pause, resume, undrain,
};
use crate::{
    call::{client::Client, pages::Pages, subject::Finder},
    output::{Output, agent, change, hold::Scope},
    program::{actor::Actor, globals::Globals, terminal::hint, unflagged::or_list},
    verb::look::listing,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl agent list                          who works, and on how much
  swarmctl agent list --label os=linux --all   of these also those that said goodbye
  swarmctl agent show lab-3 -o json            one agent with its leases
  swarmctl agent forget lab-3                  its machine is gone: others get what it held, at once";

/// What to do with agents.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to do; without it they are listed
    #[command(subcommand)]
    verb: Option<AgentVerb>,
}

/// Which agents to list.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Also those that said goodbye
    #[arg(long)]
    all: bool,
    /// Only those whose labels meet this: k=v, k!=v, k, !k; may be repeated, or separated by commas
    #[arg(long = "label", value_name = "TERM", value_delimiter = ',')]
    labels: Vec<String>,
    #[command(flatten)]
    limit: listing::Limit,
}

#[derive(Debug, Subcommand)]
enum AgentVerb {
    /// List agents
    #[command(before_help = EXAMPLES, alias = "ls")]
    List(ListArgs),
    /// Show one agent with its leases
    #[command(before_help = EXAMPLES, visible_alias = "inspect")]
    Show {
        /// The agent: its id, or its name if no other has it
        id: String,
    },
    /// Give an agent nothing more, and let it finish
    Drain(drain::Args),
    /// Let a drained agent work again
    Undrain(undrain::Args),
    /// Give an agent nothing more until it is resumed
    #[command(before_help = EXAMPLES)]
    Pause {
        /// The agent: its id, or its name if no other has it; the beginning of an id asks first
        agent: String,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        actor: Actor,
    },
    /// Give an agent work again after a pause or a drain
    #[command(before_help = EXAMPLES)]
    Resume {
        /// The agent: its id, or its name if no other has it; the beginning of an id asks first
        agent: String,
        #[command(flatten)]
        actor: Actor,
    },
    /// Give up an agent whose machine is gone: others may have its tasks at once
    Forget(forget::Args),
}

/// Lists agents, shows one, forgets one, or places or lifts a hold on it.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    match or_list(args.verb, AgentVerb::List)? {
        AgentVerb::List(ListArgs { all, labels, limit }) => {
            let is_filtered = !labels.is_empty();
            let request = ListAgentsRequest {
                include_gone: all,
                labels,
                ..ListAgentsRequest::default()
            };
            let pages = Pages::new(&client, request);
            let printed = match output.format.is_for_people() {
                true => {
                    listing::print_ordered(pages, agent::by_name, limit, &agent::listing, &output).await?
                }
                false => listing::print(pages, limit, &agent::listing, &output).await?,
            };
            if printed == 0 && !is_filtered {
                hint(format!(
                    "help: start one with: {}",
                    change::start_agent(client.address())
                ));
            }
        }
        AgentVerb::Show { id } => {
            let agent = Finder::to_look(&client).agent(&id).await?;
            output.one(&agent, &agent.agent_id, agent::page(&agent, output.width()))?;
        }
        AgentVerb::Drain(args) => return drain::run(args, globals).await,
        AgentVerb::Undrain(args) => return undrain::run(args, globals).await,
        AgentVerb::Forget(args) => return forget::run(args, globals).await,
        AgentVerb::Pause { agent, reason, actor } => {
            let scope = Scope::Agent(agent_id(&client, &agent, "pause").await?);
            return pause::pause(&client, scope, reason, &actor, globals).await;
        }
        AgentVerb::Resume { agent, actor } => {
            let scope = Scope::Agent(agent_id(&client, &agent, "resume").await?);
            return resume::resume(&client, scope, &actor, globals).await;
        }
    }
    Ok(Exit::Done)
}
