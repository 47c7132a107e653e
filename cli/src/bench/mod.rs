//! `swarmctl bench`: measures a coordinator under load.

mod agents;
mod bar;
mod drain;
mod echo;
mod idle;
mod load;
mod meter;
mod phase;
mod report;
mod submit;
mod target;
mod tidy;
mod workers;

use std::{rc::Rc, time::Duration};

use clap::ValueEnum;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    duration::parse_duration,
    limits::{MAX_CALLS_PER_CONNECTION, MAX_HELD_LEASES},
};
use tokio::task::LocalSet;

use crate::{
    output::{Output, text},
    program::{globals::Globals, interrupt::unless_interrupted, terminal::note},
};
use agents::Agents;
use load::Load;
use meter::Meter;
use phase::Phases;
use target::Target;

/// Measured calls under way at the same time on one connection; a few are left for the others.
const CALLS_PER_CONNECTION: usize = MAX_CALLS_PER_CONNECTION as usize - 24;

/// Calls that an idle agent has parked: a heartbeat and a claim.
const PARKED_CALLS: usize = 2;

const EXAMPLES: &str = "\
Examples:
  swarmctl bench                               100,000 tasks, one in each request, 512 requests in flight
  swarmctl bench --batch 32 --tasks 1000000    32 in each request
  swarmctl bench --in-flight 8                 8 connections with one request each
  swarmctl bench --backlog 1000000 -o json     with a million queued already, for a script
  swarmctl bench --idle --agents 10000 --connections 200 --duration 60s";

/// What to load the coordinator with.
#[derive(Clone, Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Tasks to submit, and to claim and complete
    #[arg(
        long, default_value_t = 100_000, value_name = "N", conflicts_with = "idle",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000)
    )]
    tasks: u64,
    /// Tasks in each request; claims take 100 at most
    #[arg(
        long, default_value_t = 1, value_name = "N", conflicts_with = "idle",
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    batch: u32,
    /// Connections to the coordinator
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    connections: u32,
    /// Requests under way at the same time, over all connections
    #[arg(
        long, default_value_t = 512, value_name = "N", conflicts_with = "idle",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    in_flight: u32,
    /// Tasks that are queued before measuring begins
    #[arg(
        long, default_value_t = 0, value_name = "N", conflicts_with = "idle",
        value_parser = clap::value_parser!(u64).range(0..=100_000_000)
    )]
    backlog: u64,
    /// Simulated agents [default: as many as requests in flight; 1000 with --idle]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    agents: Option<u32>,
    /// Size of each task's command
    #[arg(
        long, default_value_t = 300, value_name = "BYTES", conflicts_with = "idle",
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    payload: u32,
    /// First measure calls that decide nothing, for the cost of gRPC itself
    #[arg(long, conflicts_with = "idle")]
    echo: bool,
    /// Measure one of the two phases only
    #[arg(long, value_enum, value_name = "PHASE", conflicts_with = "idle")]
    only: Option<Only>,
    /// Leave what is not drained in its queue; otherwise it is cancelled
    #[arg(long, conflicts_with = "idle")]
    keep: bool,
    /// Agents that do nothing but heartbeat and wait for work, in place of tasks
    #[arg(long)]
    idle: bool,
    /// How long to watch idle agents
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_duration, requires = "idle")]
    duration: Duration,
}

/// One of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Submitting tasks
    Submit,
    /// Claiming and completing them
    Drain,
}

impl Args {
    fn agents(&self) -> usize {
        let default = if self.idle { 1_000 } else { self.in_flight };
        self.agents.unwrap_or(default) as usize
    }

    /// Refuses flags that would hang at a limit of the protocol instead of measuring the coordinator.
    fn check(&self) -> Result<(), Failure> {
        let (agents, connections) = (self.agents(), self.connections as usize);
        let calls = if self.idle {
            agents * PARKED_CALLS
        } else {
            self.in_flight as usize
        };
        if calls.div_ceil(connections) > CALLS_PER_CONNECTION {
            let message = format!(
                "{calls} requests at the same time do not fit on {}",
                text::counted(connections as u64, "connection")
            );
            let enough = calls.div_ceil(CALLS_PER_CONNECTION);
            return Err(
                Failure::new(Exit::Usage, message).help(format!("write --connections {enough} or more"))
            );
        }
        let leases = self.in_flight as usize * drain::per_request(self.batch);
        if !self.idle && leases.div_ceil(agents) > MAX_HELD_LEASES {
            let message = format!("{leases} tasks at the same time are too many for {agents} agents");
            let enough = leases.div_ceil(MAX_HELD_LEASES);
            return Err(Failure::new(Exit::Usage, message).help(format!("write --agents {enough} or more")));
        }
        Ok(())
    }
}

/// Loads the coordinator and prints what it took.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    args.check()?;
    LocalSet::new().run_until(load(args, globals)).await
}

async fn load(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let target = Rc::new(Target::open(globals, args.connections as usize).await?);
    note(target.warning());

    let phases = Phases::new(Rc::clone(&target));
    let agents = Agents::new(Rc::clone(&target), args.agents());
    let mut working = Box::pin(async {
        if args.idle {
            idle::watch(&phases, &agents, args.duration).await
        } else {
            work(&args, &phases, &agents).await
        }
    });
    let finished = unless_interrupted(&mut working).await;
    if finished.is_err() {
        // Calls under way could still be decided after this run has cancelled its tasks.
        target.stop();
        if unless_interrupted(&mut working).await.is_err() {
            note("interrupted again: what was not answered yet may come to be");
        }
    }
    drop(working);
    target.go_on();
    phases.end().await;
    let tidied = tidy::leave(&target, &agents, args.keep).await;
    report::print(&output, &args, &target, &phases, finished.is_err(), &tidied)?;

    match finished {
        Err(signal) => Ok(signal),
        Ok(worked) => worked.and(tidied.outcome).map(|()| Exit::Done),
    }
}

async fn work(args: &Args, phases: &Phases, agents: &Agents) -> anyhow::Result<()> {
    let load = Load {
        batch: args.batch,
        in_flight: args.in_flight as usize,
        payload: args.payload as usize,
    };
    if args.echo {
        echo::echo(phases, load, args.tasks).await?;
    }
    if args.backlog > 0 {
        submit::queue(phases, "backlog", load.bulky(), args.backlog).await?;
    }
    match args.only {
        Some(Only::Drain) => submit::queue(phases, "queue", load.bulky(), args.tasks).await?,
        None | Some(Only::Submit) => submit::queue(phases, "submit", load, args.tasks).await?,
    }
    if args.only != Some(Only::Submit) {
        agents.register(&Rc::new(Meter::new())).await?;
        drain::drain(phases, agents, load, args.tasks).await?;
    }
    Ok(())
}
