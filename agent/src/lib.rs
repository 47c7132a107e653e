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
mod attempt_key;
mod backoff;
mod bug;
mod config;
mod coordinator;
mod doctor;
mod executor;
mod file_name;
mod guard;
mod heartbeat;
mod held;
mod hold;
mod lease;
mod log;
mod mark;
mod outbox;
mod process;
mod random;
mod series;
mod session;
mod shutdown;
mod slot;
mod state_directory;
mod tree;
mod verb;
mod veto;
mod workspace;

use std::{ffi::OsString, io, path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use swarm_settings::{Refusal, Settings};
use tokio::{task::spawn_blocking, time::sleep};
use tracing::Level;

use crate::{
    config::{Config, LogFormat},
    coordinator::{CallError, Coordinator},
    guard::Guard,
    held::Held,
    outbox::{Leftover, Outbox},
    series::Series,
    session::{Over, Profile, Session},
    shutdown::{Shutdown, Stage},
    slot::{Ending, Ground, Worker},
    state_directory::{OpenError, StateDirectory},
    tree::{Sweeper, Swept},
    verb::Asked,
    workspace::Workspace,
};

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_REFUSED: u8 = 3;
const EXIT_UNREACHABLE: u8 = 69;
const EXIT_BUG: u8 = 70;
const EXIT_CONFIGURATION: u8 = 78;

/// Runs the program with these arguments, the first of which is its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (guarded, args) = match guard::asked_for(&args) {
        Some((file, flags)) => (Some(file), flags),
        None => (None, args),
    };
    let read = match &guarded {
        // It is told everything by the agent, and has to stand whatever happens to the files.
        Some(_) => Config::read(args).map_err(Refusal::Usage).map(|config| Asked {
            verb: None,
            config,
            settings: Settings::default(),
        }),
        None => verb::read(args),
    };
    let Asked {
        verb,
        config,
        settings,
    } = match read {
        Ok(asked) => asked,
        Err(Refusal::Usage(error)) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
        Err(Refusal::Wrong(wrong)) => {
            return fail(&Fault::new(EXIT_CONFIGURATION, wrong.to_string()).help(wrong.help));
        }
    };
    if let Err(fault) = log::start(&config) {
        return fail(&fault);
    }
    for note in settings.notes() {
        tracing::warn!("{note}");
    }
    if let Some(verb) = verb {
        return verb.run(&config, &settings).unwrap_or_else(|fault| fail(&fault));
    }
    let log_format = config.log_format;
    bug::log_panics();
    if let Some(file) = guarded {
        return guard::stand(&file);
    }
    let ended = bug::caught(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        runtime.block_on(run(config))
    });
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Unfinished(sentence))) => {
            tracing::warn!("{sentence}");
            ExitCode::SUCCESS
        }
        // Whoever reads the log line by line does not want to meet another form at its end.
        Err(fault) if log_format == LogFormat::Json && tracing::enabled!(Level::ERROR) => {
            tracing::error!(help = fault.help, "{}", fault.sentence);
            ExitCode::from(fault.exit)
        }
        Err(fault) => fail(&fault),
    }
}

/// What an agent that ended as it was asked to leaves undone: the last thing it says.
struct Unfinished(String);

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

async fn run(config: Config) -> Result<Option<Unfinished>, Fault> {
    let config = Arc::new(config);
    let coordinator = Arc::new(Coordinator::new(&config).map_err(|error| Fault::new(EXIT_USAGE, error))?);
    let shutdown = Shutdown::listen().context("cannot listen to signals")?;
    let state = open_state(&config)?;
    end_left_trees(state.path()).await;
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
    workspace: &Arc<Workspace>,
    series: &Series,
) -> Result<Option<Unfinished>, Fault> {
    let sweeper = Sweeper::start().context("cannot start the thread that ends process trees")?;
    let profile = Profile {
        agent_id: state.agent_id().to_owned(),
        name: state.name().to_owned(),
        labels: config.label_map(),
        slots: config.slots,
    };
    if config.no_command {
        tracing::warn!(
            "commands are all that this agent can do, and with --no-command it gives every one back"
        );
    }
    for address in config.coordinator.iter().filter(|address| !address.is_loopback()) {
        tracing::warn!(
            "the connection to {address} is not encrypted: whoever can listen there sees tasks and results"
        );
    }

    let outbox = state.path().join("outbox");
    let send = format!(
        "to send what is kept, start an agent with --state-dir {}",
        state.path().display()
    );
    let mut pauses = coordinator.backoff();
    // Once per coordinator: one with other data that answers in its place is begun with anew.
    loop {
        let mut stage = shutdown.watch();
        let opened = tokio::select! {
            opened = open_session(config, coordinator, state, &profile) => opened,
            _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
        };
        let ending = match opened? {
            Ok(opened) => {
                pauses.reset();
                let ground = Ground {
                    config: Arc::clone(config),
                    session: opened.session,
                    outbox: opened.outbox,
                    workspace: Arc::clone(workspace),
                    series: series.clone(),
                    sweeper: sweeper.clone(),
                };
                Worker::new(ground, opened.leftovers).run(shutdown).await
            }
            Err(over) => Ending::Over(over),
        };
        match ending {
            Ending::Done => return Ok(None),
            Ending::Unconfirmed(count) => {
                let sentence = format!(
                    "cannot deliver {} to the coordinator at {}; what is left is kept in {}",
                    results(count),
                    coordinator.address(),
                    outbox.display(),
                );
                return Err(Fault::new(EXIT_UNREACHABLE, sentence).help(send));
            }
            Ending::Interrupted(count) => {
                let sentence = format!(
                    "leaving {} unconfirmed in {}; {send}",
                    results(count),
                    outbox.display()
                );
                return Ok(Some(Unfinished(sentence)));
            }
            Ending::Over(Over::OtherCluster(found)) => {
                tracing::warn!(
                    "beginning anew with the other coordinator ({found}); what the former one has not confirmed \
                     stays in {}",
                    outbox.display()
                );
                // Two that take turns at one address are not to be followed in a circle at full speed.
                let mut stage = shutdown.watch();
                tokio::select! {
                    () = sleep(pauses.pause()) => {}
                    _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
                }
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

fn results(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} result{plural}")
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
        Err(CallError::Failed(failure)) => {
            let sentence = coordinator::sentence(&failure);
            return Ok(Err(Over::Refused {
                sentence,
                invalid: false,
            }));
        }
    };
    let (directory, name) = (state.path().to_owned(), cluster_id.clone());
    let (outbox, leftovers) = spawn_blocking(move || Outbox::open(&directory, &name))
        .await
        .map_err(io::Error::other)
        .flatten()
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
async fn end_left_trees(state: &Path) {
    let left = Series::left(state).unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "cannot read in {} what an earlier process of this agent may have left running",
            state.display()
        );
        Vec::new()
    });
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

fn open_workspace(config: &Config, state: &StateDirectory) -> Result<Arc<Workspace>, Fault> {
    if let Some(given) = &config.workspace {
        // Tasks are told absolute paths. Others may work in a given place too: what is found there is left alone.
        let workspace = std::path::absolute(given)
            .with_context(|| format!("cannot tell where the workspace {} is", given.display()))?;
        workspace::prove(&workspace).map_err(|error| {
            let sentence = format!("cannot work in the workspace {}: {error}", workspace.display());
            Fault::new(EXIT_CONFIGURATION, sentence)
                .help("name a directory with --workspace that this user can make and write")
        })?;
        return Ok(Arc::new(Workspace::new(workspace, state.agent_id())));
    }
    let workspace = Workspace::new(state.path().join("work"), state.agent_id());
    let count = workspace::keep_leftovers(workspace.path());
    if count > 0 {
        tracing::warn!("{count} attempts were cut short when this agent ended; their directories are kept");
    }
    Ok(Arc::new(workspace))
}
