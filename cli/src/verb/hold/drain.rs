//! `swarmctl drain`: an agent gets no more work, and gives back at the deadline what it still runs.

use std::time::Duration;

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    duration::{format_duration, parse_duration, write_duration},
    limits::MAX_TIMEOUT,
    v1::{Agent, AgentState, DrainAgentRequest, GetAgentRequest, Hold, HoldKind},
};
use tokio::time::Instant;

use super::flags::{Reason, agent_id};
use crate::{
    call::client::Client,
    output::{Output, change, hold, progress::LINE_INTERVAL, text},
    program::{
        actor::Actor,
        clock,
        globals::Globals,
        interrupt::unless_interrupted,
        terminal::{hint, note},
    },
    verb::look::holds,
};

/// How often the agent's leases are asked for, which is one small answer.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  swarmctl drain lab-3                         it finishes what it runs and takes nothing more
  swarmctl drain lab-3 --timeout 5m --wait     what still runs in five minutes is given back
  swarmctl undrain lab-3                       it may work again";

/// What to drain, and for how long.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The agent: its id, or its name if no other has it; the beginning of an id asks first
    #[arg(value_name = "AGENT")]
    agent: String,
    /// How long it may go on with what it runs; as long as it takes when not given
    #[arg(long, alias = "deadline", value_name = "DURATION", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Wait until the agent holds nothing any more
    #[arg(long)]
    wait: bool,
    /// With --wait: give up waiting after this long, with exit code 5; the agent goes on draining
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    wait_timeout: Option<Duration>,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    actor: Actor,
}

/// Drains an agent; with `--wait`, waits for the end of its last lease.
///
/// # Errors
///
/// When there is no such agent, somebody lifts the drain meanwhile, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let agent_id = agent_id(&client, &args.agent, "drain").await?;
    let request = DrainAgentRequest {
        agent_id: agent_id.clone(),
        timeout: args.timeout.and_then(write_duration),
        actor: args.actor.name(),
        reason: args.reason.reason,
    };
    let doing = format!("cannot drain {}", args.agent);
    let answer = client.call(request).await.map_err(client.failure(doing))?;
    let held = answer.hold.clone().unwrap_or_default();
    let named = holds::one_by_name(&client, &held).await;
    let scope = hold::Scope::of(&named);
    let name = match answer.hold.is_some() {
        true => scope.name(),
        false => &agent_id,
    };
    let page = format!(
        "{}{}",
        output.sentence(&hold::sentence(&named)),
        output.sentence(&still_holds(name, answer.leases as usize))
    );
    output.one(&answer, &agent_id, page)?;
    let undrain = change::undrain(&agent_id, client.address());
    if !args.wait {
        hint(format!("to let it work again: {undrain}"));
        return Ok(Exit::Done);
    }

    let client = client.patiently();
    let waiting = until_idle(&client, &agent_id, name, answer.leases as usize);
    let limited = async {
        match args.wait_timeout {
            Some(timeout) => tokio::time::timeout(timeout, waiting).await.ok(),
            None => Some(waiting.await),
        }
    };
    match unless_interrupted(Box::pin(limited)).await {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            let waited = format_duration(args.wait_timeout.unwrap_or_default());
            let sentence = format!("agent {name} still held leases after {waited}");
            let again = again(&client, &agent_id, &held);
            let help = format!("it goes on draining; to wait again: {again}");
            Err(Failure::new(Exit::TimedOut, sentence).help(help).into())
        }
        Err(signal) => {
            note(format!(
                "detached; agent {name} goes on draining. To wait again: {}",
                again(&client, &agent_id, &held)
            ));
            note(format!("to let it work again: {undrain}"));
            Ok(signal)
        }
    }
}

/// Waits until an agent holds no lease, and tells now and then how many are left.
async fn until_idle(client: &Client, agent_id: &str, name: &str, leases: usize) -> anyhow::Result<Exit> {
    let mut told = (leases, Instant::now());
    let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
    loop {
        refresh.tick().await;
        let request = GetAgentRequest {
            agent_id: agent_id.to_owned(),
        };
        let answer = client.call(request).await;
        let agent = answer
            .map_err(client.failure(format!("cannot wait for {agent_id}")))?
            .agent
            .unwrap_or_default();
        if agent.leases.is_empty() {
            note(format!(
                "agent {name} holds nothing any more: {}",
                what_now(&agent)
            ));
            return Ok(Exit::Done);
        }
        if agent
            .hold
            .as_ref()
            .is_none_or(|hold| hold.kind() != HoldKind::Drain)
        {
            let sentence = format!("agent {name} is not being drained any more: somebody lifted it");
            let failure = Failure::new(Exit::Refused, sentence);
            return Err(failure
                .help(format!(
                    "see: {}",
                    client.next(&format!("events --agent {agent_id}"))
                ))
                .into());
        }
        if agent.leases.len() != told.0 || told.1.elapsed() >= LINE_INTERVAL {
            told = (agent.leases.len(), Instant::now());
            note(still_holds(name, told.0));
        }
    }
}

fn still_holds(agent_id: &str, leases: usize) -> String {
    match leases {
        0 => format!("agent {agent_id} holds nothing"),
        leases => format!(
            "agent {agent_id} still holds {}",
            text::counted(leases as u64, "lease")
        ),
    }
}

fn what_now(agent: &Agent) -> &'static str {
    match agent.state() {
        AgentState::Gone => "it has said goodbye",
        AgentState::Lost => "it is lost, and what it held was given to others",
        AgentState::Unspecified | AgentState::Online | AgentState::Draining | AgentState::Paused => {
            "it can be switched off"
        }
    }
}

/// The command that waits again. It has the remaining timeout, because a repeated drain sets the deadline anew.
fn again(client: &Client, agent_id: &str, held: &Hold) -> String {
    let left = held.deadline.as_ref().and_then(text::moment).map(|deadline| {
        let left = deadline.duration_since(clock::now()).as_secs().max(1);
        format!(" --timeout {left}s")
    });
    client.next(&format!("drain {agent_id}{} --wait", left.unwrap_or_default()))
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if timeout > MAX_TIMEOUT {
        return Err(format!("'{text}' is too long: at most 30 days"));
    }
    Ok(timeout)
}
