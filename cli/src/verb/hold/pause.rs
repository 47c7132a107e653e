//! `swarmctl pause`: places a hold on everything, a queue, or an agent, so that no more tasks are granted.

use swarm_program::exit::Exit;
use swarm_proto::v1::{HoldKind, PauseRequest, pause_request::Scope as PauseScope};

use super::{
    flags::{Reason, ScopeFlags},
    known_queue,
};
use crate::{
    call::client::Client,
    output::{
        Output, change,
        hold::{self, Scope},
    },
    program::{actor::Actor, globals::Globals, terminal::hint},
    verb::look::holds,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl pause --reason 'moving house'       nobody is given work; what runs goes on
  swarmctl pause --queue slow                  only the tasks of one queue wait
  swarmctl pause --agent lab-3                 only one agent is given nothing more";

/// What to pause.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeFlags,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    actor: Actor,
}

/// Places a hold, which lasts across restarts until somebody lifts it.
///
/// # Errors
///
/// When there is no such agent, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let client = Client::open(globals)?;
    let scope = args.scope.scope(&client, "pause").await?;
    pause(&client, scope, args.reason, &args.actor, globals).await
}

/// Places a hold on a scope.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached.
pub(super) async fn pause(
    client: &Client,
    scope: Scope,
    reason: Reason,
    actor: &Actor,
    globals: &Globals,
) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let request = PauseRequest {
        scope: scope.on_wire(PauseScope::Queue, PauseScope::AgentId),
        actor: actor.name(),
        reason: reason.reason,
    };
    let doing = format!("cannot pause {}", scope.title());
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    let held = answer.hold.clone().unwrap_or_default();
    let named = holds::one_by_name(client, &held).await;
    output.one(&answer, scope.name(), output.sentence(&hold::sentence(&named)))?;
    if let Scope::Queue(queue) = &scope {
        known_queue::tell_unknown(client, queue).await;
    }
    let resume = change::resume(&scope, client.address());
    hint(match held.kind() {
        HoldKind::Stop | HoldKind::Drain => {
            format!("that hold is stricter than a pause and stays; to give work again: {resume}")
        }
        HoldKind::Pause | HoldKind::Unspecified => {
            format!("what runs goes on; to give work again: {resume}")
        }
    });
    Ok(Exit::Done)
}
