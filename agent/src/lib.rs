//! The agent: lends a machine to a coordinator. It claims tasks, runs them, renews
//! their leases, and reports what they came to.
//!
//! One task of a coordinator goes `slot` → `attempt` → `executor` → `process` →
//! `outbox` → `slot` → `coordinator`. What must hold on the way:
//!
//! - an outcome is on the disk before it is sent, and goes only when it is confirmed;
//! - a request whose answer was lost is repeated unchanged, for ever;
//! - a process that was started here is ended here, with all that it started, even when the agent is killed;
//! - nothing about one coordinator's tasks goes to another.

mod attempt;
mod backoff;
mod config;
mod coordinator;
mod executor;
mod guard;
mod heartbeat;
mod held;
mod lease;
mod mark;
mod outbox;
mod process;
mod random;
mod session;
mod shutdown;
mod slot;
mod state_directory;
mod tree;
mod workspace;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Parser as _;
use tokio::task::spawn_blocking;
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, LogFormat},
    coordinator::{CallError, Coordinator},
    guard::Guard,
    held::Held,
    mark::Series,
    outbox::{Leftover, Outbox},
    session::{Over, Profile, Session},
    shutdown::{Shutdown, Stage},
    slot::{Ending, Ground, Worker},
    state_directory::{OpenError, StateDirectory},
    tree::{Sweeper, Swept},
};

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_REFUSED: u8 = 3;
const EXIT_UNREACHABLE: u8 = 69;

/// Runs the program with these arguments, the first of which is its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (guarded, args) = match guard::asked_for(&args) {
        Some((file, flags)) => (Some(file), flags),
        None => (None, args),
    };
    let config = match Config::try_parse_from(args) {
        Ok(config) => config,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    if let Err(error) = start_log(&config) {
        return fail(&error);
    }
    if let Some(file) = guarded {
        return guard::stand(&file);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Fault::from(
                anyhow::Error::new(error).context("cannot start the runtime"),
            ));
        }
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fail(&fault),
    }
}

/// Why the program ends without having done its work.
struct Fault {
    sentence: String,
    help: Option<String>,
    exit: u8,
}

impl Fault {
    fn new(exit: u8, sentence: impl Into<String>) -> Fault {
        Fault {
            sentence: sentence.into(),
            help: None,
            exit,
        }
    }

    fn help(self, help: impl Into<String>) -> Fault {
        Fault {
            help: Some(help.into()),
            ..self
        }
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault::new(EXIT_FAILURE, format!("{error:#}"))
    }
}

fn fail(fault: &Fault) -> ExitCode {
    eprintln!("error: {}", fault.sentence);
    if let Some(help) = &fault.help {
        eprintln!("help: {help}");
    }
    ExitCode::from(fault.exit)
}

async fn run(config: Config) -> Result<(), Fault> {
    let config = Arc::new(config);
    let coordinator = Arc::new(Coordinator::new(&config).map_err(|error| Fault::new(EXIT_USAGE, error))?);
    let shutdown = Shutdown::listen().context("cannot listen to signals")?;
    let state = open_state(&config)?;
    end_left_trees(state.path()).await?;
    let workspace = open_workspace(&config, &state)?;
    let series = Series::begin(state.path());
    let guard = Guard::keep(&series, &config);
    let ended = work(&config, &coordinator, &shutdown, &state, &workspace, &series).await;
    // Every attempt has ended its own; this is for those that could not.
    let last = spawn_blocking(move || series.end()).await;
    if last.is_ok_and(|swept| !swept.is_gone) {
        tracing::warn!("processes that attempts left running cannot be ended; the next start tries again");
    }
    guard.release().await;
    ended
}

async fn work(
    config: &Arc<Config>,
    coordinator: &Arc<Coordinator>,
    shutdown: &Shutdown,
    state: &StateDirectory,
    workspace: &Path,
    series: &Series,
) -> Result<(), Fault> {
    let sweeper = Sweeper::start().context("cannot start the thread that ends process trees")?;
    let profile = Profile {
        agent_id: state.agent_id().to_owned(),
        name: state.name().to_owned(),
        labels: config.label_map(),
        slots: config.slots,
    };
    for address in config.coordinator.iter().filter(|address| !address.is_loopback()) {
        tracing::warn!(
            "the connection to {address} is not encrypted: whoever can listen there sees tasks and results"
        );
    }

    // Once per coordinator: one with other data that appears at the address is begun with anew.
    loop {
        let mut stage = shutdown.watch();
        let opened = tokio::select! {
            opened = open_session(config, coordinator, state, &profile) => opened,
            _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(()),
        };
        let ending = match opened? {
            Ok(opened) => {
                let ground = Ground {
                    config: Arc::clone(config),
                    session: opened.session,
                    outbox: opened.outbox,
                    workspace: workspace.to_owned(),
                    series: series.clone(),
                    sweeper: sweeper.clone(),
                };
                Worker::new(ground, opened.leftovers).run(shutdown).await
            }
            Err(over) => Ending::Over(over),
        };
        match ending {
            Ending::Done => return Ok(()),
            Ending::Unconfirmed(count) => {
                let sentence = format!(
                    "{count} results could not be delivered to the coordinator at {}; they are kept in {}",
                    coordinator.address(),
                    state.path().join("outbox").display(),
                );
                let help = format!(
                    "they are sent when an agent starts with --state-dir {}",
                    state.path().display()
                );
                return Err(Fault::new(EXIT_UNREACHABLE, sentence).help(help));
            }
            Ending::Over(Over::OtherCluster(found)) => {
                tracing::warn!(
                    "another coordinator, with other data ({found}), answers now; beginning anew with it"
                );
            }
            Ending::Over(Over::Replaced(why)) => {
                let sentence = format!(
                    "another agent works under this one's identity, {}: {why}",
                    state.agent_id()
                );
                let help = format!(
                    "two agents must not share a copy of the state directory {}; unconfirmed results are kept there",
                    state.path().display()
                );
                return Err(Fault::new(EXIT_REFUSED, sentence).help(help));
            }
            Ending::Over(Over::Refused { sentence, invalid }) => {
                let exit = if invalid { EXIT_USAGE } else { EXIT_REFUSED };
                let sentence = format!(
                    "the coordinator at {} refuses this agent: {sentence}",
                    coordinator.address()
                );
                return Err(Fault::new(exit, sentence));
            }
        }
    }
}

/// A registered agent, and what it has still to report.
struct Opened {
    session: Session,
    outbox: Outbox,
    leftovers: Vec<Leftover>,
}

/// Finds out whose data the coordinator keeps, opens the outbox for them, and registers.
async fn open_session(
    config: &Arc<Config>,
    coordinator: &Arc<Coordinator>,
    state: &StateDirectory,
    profile: &Profile,
) -> Result<Result<Opened, Over>, Fault> {
    let cluster_id = match coordinator.join_cluster().await {
        Ok(cluster_id) => cluster_id,
        Err(CallError::OtherCluster(found)) => return Ok(Err(Over::OtherCluster(found))),
        Err(CallError::Final(failure)) => {
            let sentence = coordinator::sentence(&failure);
            return Ok(Err(Over::Refused {
                sentence,
                invalid: false,
            }));
        }
    };
    let (outbox, leftovers) = Outbox::open(state.path(), &cluster_id)
        .with_context(|| format!("cannot open the outbox in {}", state.path().display()))?;
    let held = Arc::new(Held::default());
    for leftover in &leftovers {
        held.report(leftover.report.lease.clone().unwrap_or_default());
    }
    let session = match Session::open(Arc::clone(coordinator), held, profile.clone(), cluster_id).await {
        Ok(session) => session,
        Err(over) => return Ok(Err(over)),
    };
    tracing::info!(
        agent_id = profile.agent_id,
        "{} works for the coordinator at {} with {} slots; its state is in {}",
        profile.name,
        coordinator.address(),
        config.slots,
        state.path().display(),
    );
    Ok(Ok(Opened {
        session,
        outbox,
        leftovers,
    }))
}

/// Ends what an agent that was killed left running, if its guard was killed, too.
async fn end_left_trees(state: &Path) -> Result<(), Fault> {
    let left = Series::left(state)
        .with_context(|| format!("cannot read the marks in the state directory {}", state.display()))?;
    let ending = spawn_blocking(move || {
        for series in left {
            if series.is_in_use() {
                // This directory is a copy of that agent's; the coordinator decides between the two.
                series.forget();
                continue;
            }
            match series.end() {
                Swept { killed: 0, .. } => {}
                Swept { killed, .. } => tracing::warn!(
                    "killed {killed} processes that an earlier process of this agent left running"
                ),
            }
        }
    });
    // A panic is our own bug, and has said what it is.
    let _ = ending.await;
    Ok(())
}

fn open_state(config: &Config) -> Result<StateDirectory, Fault> {
    StateDirectory::open(config.state_dir.as_deref(), config.name.as_deref()).map_err(|error| match error {
        OpenError::Locked(path) => Fault::new(
            EXIT_REFUSED,
            format!("another agent uses the state directory {}", path.display()),
        )
        .help("stop that one, or give this one another --name or --state-dir"),
        OpenError::Unusable(error) => Fault::from(error),
    })
}

fn open_workspace(config: &Config, state: &StateDirectory) -> Result<PathBuf, Fault> {
    if let Some(given) = &config.workspace {
        // Tasks are told absolute paths. Others may work in a given place too: what is found there is left alone.
        let workspace = std::path::absolute(given)
            .with_context(|| format!("cannot tell where the workspace {} is", given.display()))?;
        return Ok(workspace);
    }
    let workspace = state.path().join("work");
    let count = workspace::keep_leftovers(&workspace)
        .with_context(|| format!("cannot tidy the workspace {}", workspace.display()))?;
    if count > 0 {
        tracing::warn!("{count} attempts were cut short when this agent ended; their directories are kept");
    }
    Ok(workspace)
}

fn start_log(config: &Config) -> Result<(), Fault> {
    let directives = match config.log_level.as_str() {
        // The libraries below have much to say that helps nobody here.
        level @ ("error" | "warn" | "info" | "debug" | "trace") => format!("warn,swarm_agent={level}"),
        directives => directives.to_owned(),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Fault::new(
            EXIT_USAGE,
            format!("cannot use --log-level '{directives}': {error}"),
        )
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second program in the same process logs into the first one's log.
    let _ = match config.log_format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
