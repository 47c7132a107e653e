//! `swarmctl resume`: lifts the hold on everything, a queue, or an agent.

use prost::Name;
use swarm_program::exit::Exit;
use swarm_proto::v1::{Hold, ResumeRequest, resume_request::Scope as ResumeScope};

use super::flags::ScopeFlags;
use crate::{
    call::client::Client,
    output::{
        Output,
        hold::{self, Scope},
    },
    program::{actor::Actor, globals::Globals},
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

/// Lifts a hold, and tells the remaining ones.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    let scope = args.scope.scope(&client, "resume").await?;
    resume(&client, scope, &args.actor, globals).await
}

/// Lifts the hold on a scope.
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
    let request = ResumeRequest {
        scope: scope.on_wire(ResumeScope::Queue, ResumeScope::AgentId),
        actor: actor.name(),
    };
    let doing = format!("cannot resume {}", scope.title());
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    tell_lifted(client, &scope, &answer, answer.lifted.as_ref(), globals).await
}

/// Prints the answer, and tells the remaining holds.
///
/// # Errors
///
/// When a chosen field cannot be there, or stdout is closed.
pub(super) async fn tell_lifted(
    client: &Client,
    scope: &Scope,
    answer: &impl Name,
    lifted: Option<&Hold>,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let named = holds::scope_by_name(client, scope).await;
    let page = output.sentence(&hold::lifted(&named, lifted));
    output.one(answer, scope.name(), &page)?;
    holds::tell_others(client).await;
    Ok(Exit::Done)
}
