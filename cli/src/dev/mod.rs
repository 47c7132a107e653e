//! `swarmctl dev`: a coordinator and agents on this machine, as child processes of one command.
//!
//! This is the one file of the program that runs the coordinator's and the agent's code: it starts its own executable
//! under their names.

mod demo;
mod directory;
mod interruption;
mod parent;
mod program;
mod swarm;
mod what_next;

use std::{
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use swarm_program::exit::Exit;
use swarm_proto::{DEFAULT_PORT, channel::Address, limits::MAX_SLOTS};

use self::{demo::Demo, directory::Directory, interruption::Interruption, swarm::Swarm};
use crate::{
    call::client::Client,
    output::text,
    program::{
        globals::Globals,
        terminal::{note, notes},
    },
};

const EXAMPLES: &str = "\
Examples:
  swarmctl dev --demo                          a whole swarm on this machine, at work
  swarmctl dev                                 the same without the demo; its data are kept
  swarmctl dev --agents 4 --slots 1            four agents that run one task at a time";

/// Flags of `dev`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// How many agents to start
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    agents: u32,
    /// How many tasks each agent runs at a time
    #[arg(long, default_value_t = 2, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SLOTS)))]
    slots: u32,
    /// Submit a job that measures the project around the current directory, and print its report
    #[arg(long)]
    demo: bool,
    /// End with the demo: with 0 if all its tasks succeeded, else with 1
    #[arg(long, requires = "demo")]
    exit_when_done: bool,
    /// Where to keep data and logs [default: $XDG_DATA_HOME/swarm/dev; with --demo a temporary directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the coordinator listens [default: 127.0.0.1:50051, or a free port when that is taken]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

/// The main function for another name of this executable: `coordinator` or `agent`.
pub fn child(arg0: &OsStr) -> Option<fn(Vec<OsString>) -> ExitCode> {
    match Path::new(arg0).file_name()?.to_str()? {
        "coordinator" => Some(|args| {
            parent::stop_with_it();
            swarm_coordinator::main(args)
        }),
        "agent" => Some(|args| {
            parent::stop_with_it();
            swarm_agent::main(args)
        }),
        _ => None,
    }
}

/// Runs a swarm until Ctrl-C, or until the demo is done if that was asked for. A killed agent is started again.
///
/// # Errors
///
/// When a program cannot be started or ends otherwise by itself, or the demo cannot be carried out.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let mut interruption = Interruption::listen().context("cannot catch Ctrl-C")?;
    let directory = Directory::open(args.data_dir.as_deref(), args.demo)?;
    let mut swarm = Swarm::new();
    let ended = tokio::select! {
        ended = work(&args, globals, &directory, &mut swarm) => ended,
        () = interruption.next() => {
            notes("\nstopping");
            // Ctrl-C is dev's usual end. Only a demo that should have ended by itself was interrupted.
            Ok(if args.exit_when_done { Exit::Interrupted } else { Exit::Done })
        }
    };
    swarm.stop(&mut interruption).await;
    directory.close(!matches!(ended, Ok(Exit::Done | Exit::Interrupted)));
    ended
}

/// Starts everything, runs the demo, and waits for the end.
async fn work(
    args: &Args,
    globals: &Globals,
    directory: &Directory,
    swarm: &mut Swarm,
) -> anyhow::Result<Exit> {
    let coordinator = swarm
        .start_coordinator(choose_address(args), directory.path())
        .await?;
    swarm.start_agents(args.agents, args.slots, &coordinator, directory.path())?;
    announce(args, &coordinator, directory);

    if args.demo {
        let client = Client::open(&Globals {
            coordinator: coordinator.clone(),
            ..globals.clone()
        })?;
        let all_succeeded = tokio::select! {
            done = Box::pin(demo::run(Demo::plan()?, &client)) => done?,
            failure = swarm.keep_up() => return Err(failure),
        };
        if args.exit_when_done {
            return Ok(if all_succeeded { Exit::Done } else { Exit::Failed });
        }
    }
    what_next::tell(&coordinator);
    Err(swarm.keep_up().await)
}

/// The usual port, or any free port when that is taken.
fn choose_address(args: &Args) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    match args.listen {
        Some(listen) => listen,
        None if swarm::is_free(usual) => usual,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn announce(args: &Args, coordinator: &Address, directory: &Directory) {
    let slots = text::counted(args.slots.into(), "slot");
    let agents = match args.agents {
        0 => "no agents".to_owned(),
        1 => format!("1 agent with {slots}"),
        agents => format!("{agents} agents with {slots} each"),
    };
    note(format!("coordinator on {coordinator}, {agents}"));
    let fate = match directory {
        Directory::Kept { .. } => "",
        Directory::Temporary(_) => " (removed at the end)",
    };
    let directory = directory.path();
    note(format!(
        "data in {}{fate}, logs in {}",
        directory.display(),
        directory.join("logs").display()
    ));
}
