//! `swarmctl agent forget`: ends everything that an agent holds, because its machine is gone.

use swarm_program::exit::Exit;
use swarm_proto::v1::{AgentState, ForgetAgentRequest, ForgetAgentResponse};

use super::flags::agent_id;
use crate::{
    call::client::Client,
    output::{Output, page::Page, state, text},
    program::{actor::Actor, globals::Globals},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl agent forget lab-3                  by the agent's name, or its id
  swarmctl lease release k3v7q2mzdh            only one of its tasks
  swarmctl agent list --all                    also agents that are gone";

/// What to forget.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The agent: its id, or its name if no other has it; the beginning of an id asks first
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    actor: Actor,
}

/// Forgets an agent.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let request = ForgetAgentRequest {
        agent_id: agent_id(&client, &args.agent, "forget").await?,
        actor: args.actor.name(),
    };
    let doing = format!("cannot forget {}", args.agent);
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    output.one(&answer, &answer.agent_id, page(&answer))?;
    Ok(Exit::Done)
}

fn page(answer: &ForgetAgentResponse) -> String {
    let mut page = Page::default();
    page.add("agent", &answer.agent_id)
        .add(
            "state",
            format!("{} until it registers again", state::agent(AgentState::Gone)),
        )
        .add("given up", text::counted(answer.leases.into(), "lease"));
    page.to_string()
}
