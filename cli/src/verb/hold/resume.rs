//! `swarmctl resume`: work is given again, of everything, of a queue, or to an agent.

use swarm_proto::v1::{ResumeRequest, resume_request::Scope as ResumeScope};

use super::flags::ScopeFlags;
use crate::{
    call::client::Client,
    output::{
        Output,
        hold::{self, Scope},
        json,
    },
    program::{actor::Actor, exit::Exit, globals::Globals},
    verb::look::holds,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl resume                              after a pause, or a stop, of everything
  swarmctl resume --queue slow                 after a pause of one queue
  swarmctl resume --agent lab-3                after a pause, or a drain, of one agent";

/// What to resume.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeFlags,
    #[command(flatten)]
    actor: Actor,
}

/// Lifts a hold, and says what others are still in the way.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    let scope = args.scope.scope(&client).await?;
    resume(&client, scope, &args.actor, globals).await
}

/// Resumes what is named.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached.
pub(super) async fn resume(
    client: &Client,
    scope: Scope,
    actor: &Actor,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let request = ResumeRequest {
        scope: match &scope {
            Scope::Everything => None,
            Scope::Queue(queue) => Some(ResumeScope::Queue(queue.clone())),
            Scope::Agent(agent) => Some(ResumeScope::AgentId(agent.clone())),
        },
        actor: actor.name(),
    };
    let doing = format!("cannot resume {}", scope.title());
    let answer = client.resume(request).await.map_err(client.trouble(doing))?;
    let page = hold::lifted(&scope, answer.lifted.as_ref());
    output.one(
        "ResumeResponse",
        &json::of("ResumeResponse", &answer),
        scope.name(),
        &output.sentence(&page),
    )?;
    holds::tell_others(client).await;
    Ok(Exit::Done)
}
