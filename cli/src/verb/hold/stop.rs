//! `swarmctl stop`: every agent ends its attempts at once and gives their tasks back.

use swarm_program::exit::Exit;
use swarm_proto::v1::{GetStatusRequest, StopAllRequest};

use super::flags::Reason;
use crate::{
    call::client::Client,
    output::{Output, change, hold, text},
    program::{
        actor::Actor,
        confirmation::is_confirmed,
        globals::Globals,
        terminal::{hint, note},
    },
};

const EXAMPLES: &str = "\
Examples:
  swarmctl stop --reason 'wrong data'          asks first; all that runs ends and is queued again
  swarmctl stop --yes                          without a question, for scripts
  swarmctl resume                              afterwards: work is given again";

/// How to stop.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    actor: Actor,
}

/// Stops all agents until somebody resumes them.
///
/// # Errors
///
/// When nobody confirms it, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    if !args.yes {
        let status = client.call(GetStatusRequest {}).await;
        let status = status.map_err(client.failure("cannot stop the agents"))?;
        let running = status.tasks.map_or(0, |tasks| tasks.running);
        let what = format!(
            "stop every agent, which ends {} and gives {} back",
            text::counted(running, "running task"),
            if running == 1 { "it" } else { "them" }
        );
        if !is_confirmed(&what, false)? {
            note("nothing was stopped");
            return Ok(Exit::Failed);
        }
    }
    let request = StopAllRequest {
        actor: args.actor.name(),
        reason: args.reason.reason,
    };
    let answer = client
        .call(request)
        .await
        .map_err(client.failure("cannot stop the agents"))?;
    let held = answer.hold.clone().unwrap_or_default();
    let given_back = format!(
        "{} to be given back; such a task is queued again, and no retry is used up",
        match answer.leases {
            1 => "1 lease is".to_owned(),
            leases => format!("{leases} leases are"),
        }
    );
    output.one(
        &answer,
        "everything",
        format!(
            "{}{}",
            output.sentence(&hold::sentence(&held)),
            output.sentence(&given_back)
        ),
    )?;
    hint(format!(
        "nothing is given to agents until: {}",
        change::resume(&hold::Scope::Everything, client.address())
    ));
    Ok(Exit::Done)
}
