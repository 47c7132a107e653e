//! `swarmctl undrain`: lifts the hold on an agent.

use swarm_program::exit::Exit;
use swarm_proto::v1::UndrainAgentRequest;

use super::{flags::agent_id, resume};
use crate::{
    call::client::Client,
    output::hold::Scope,
    program::{actor::Actor, globals::Globals},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl undrain lab-3                       by the agent's name, or its id
  swarmctl agent undrain lab-3                 the same
  swarmctl resume --agent lab-3                the same again, also after a pause";

/// What to undrain.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The agent: its id, or its name if no other has it; the beginning of an id asks first
    #[arg(value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    actor: Actor,
}

/// Lifts the hold on an agent.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    let agent_id = agent_id(&client, &args.agent, "undrain").await?;
    let request = UndrainAgentRequest {
        agent_id: agent_id.clone(),
        actor: args.actor.name(),
    };
    let doing = format!("cannot undrain {}", args.agent);
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    let scope = Scope::Agent(agent_id);
    let lifted = answer.lifted.as_ref();
    resume::tell_lifted(&client, &scope, &answer, lifted, globals).await
}
