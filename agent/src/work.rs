//! The agent's work: from the settings to a registered agent, once for each coordinator that answers, and the last
//! words.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use swarm_program::{exit::Exit, failure::Failure};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    attempt::starter::Starter,
    coordinator::{
        self, CallError, Coordinator,
        last_words::LastWords,
        leases::Leases,
        session::{Profile, Session, SessionEnd},
    },
    disk::{
        outbox::{Leftover, Outbox},
        state_directory::{OpenError, StateDirectory},
        workspace::{self, Bounds, Workspace},
    },
    executor::KINDS,
    process::{
        private,
        tree::{
            guard::Guard,
            series::Series,
            sweep::{Sweeper, Swept},
        },
    },
    program::{
        config::Config,
        shutdown::{Shutdown, Stage},
    },
    slot::{Ending, SlotContext, Worker, attempts},
};

/// How often in a row a copy waits for the agent that is at work elsewhere: that one may end during the first wait, and
/// is silent for long enough at the end of the second.
const MAX_WAITS: u32 = 2;

/// On top of the silence of another process with this identity: the two machines count time by clocks of their own.
const AFTER_ITS_TTL: Duration = Duration::from_millis(100);

/// How long to wait for a state directory that somebody uses, and how often to look: an agent that is ending has it for
/// a moment. A service manager that starts the agent again after this does not take it for a program that ends at once.
const DIRECTORY_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// After how long it is told that the directories are not open yet. What an earlier process left may take some seconds.
const OPENING_TOLD: Duration = Duration::from_secs(20);

/// The time for the answer to a registration that a signal finds under way: with it the agent can say goodbye. Whoever
/// stops a container waits for ten seconds by default.
const REGISTERED: Duration = Duration::from_secs(5);

/// The time for the last sweep, which gives up after ten seconds by itself. The state directory may hang.
const LAST_SWEEP: Duration = Duration::from_secs(15);

/// The last words of an agent that a signal ended before all attempts had ended and all results were confirmed.
pub(crate) struct Unfinished(pub(crate) String);

/// Works for the coordinator of the settings, until a signal ends the agent or it cannot go on.
pub(crate) async fn run(config: Config) -> Result<Option<Unfinished>, Failure> {
    private::close();
    let config = Arc::new(config);
    let coordinator = Arc::new(Coordinator::new(&config).map_err(|error| Failure::new(Exit::Usage, error))?);
    let shutdown = Shutdown::listen().context("cannot listen to signals")?;
    let mut stage = shutdown.watch();
    // A signal ends the agent also when a disk does not answer.
    let (state, workspace) = tokio::select! {
        opened = open_directories(&config) => opened?,
        _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
    };
    let series = Series::begin(state.path());
    let guard = Guard::keep(&series, &config);
    let ended = work(
        &config,
        &coordinator,
        &shutdown,
        &state,
        &workspace,
        &series,
        &guard.last_words(),
    )
    .await;
    // Every attempt has ended its own processes. This sweep is for those that could not.
    let last = timeout(LAST_SWEEP, spawn_blocking(move || series.end())).await;
    if !matches!(&last, Ok(Ok(swept)) if swept.is_gone) {
        tracing::warn!("processes that attempts left running cannot be ended; the next start tries again");
    }
    if last.is_ok() {
        // Otherwise the guard waits for the same disk, and ends when that answers.
        guard.release().await;
    }
    ended
}

async fn work(
    config: &Arc<Config>,
    coordinator: &Arc<Coordinator>,
    shutdown: &Shutdown,
    state: &Arc<StateDirectory>,
    workspace: &Arc<Workspace>,
    series: &Series,
    last_words: &LastWords,
) -> Result<Option<Unfinished>, Failure> {
    let sweeper = Sweeper::adopt_orphans().context("cannot start the thread that ends process trees")?;
    let starter = Starter::default();
    let profile = Profile {
        agent_id: state.agent_id().to_owned(),
        name: state.name().to_owned(),
        labels: config.labels_of(state.name()),
        slots: config.slots,
        executors: KINDS.map(|kind| kind.name.to_owned()).to_vec(),
        rules: config.rules(),
        process: state.process().cloned(),
    };
    if config.no_command {
        tracing::warn!("commands are all that this agent can do, and with --no-command it is given none");
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
    let mut waits = 0;
    // One round for each coordinator. When one with other data takes its place, the agent begins again.
    loop {
        let mut stage = shutdown.watch();
        let joined = tokio::select! {
            joined = join(coordinator, state) => joined?,
            _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
        };
        let opened = match joined {
            Ok(joined) => {
                let opening = open_session(config, coordinator, state, &profile, last_words, joined);
                let opening = Box::pin(opening);
                let Some(opened) = answered(opening, shutdown).await else {
                    return Ok(None);
                };
                opened
            }
            Err(end) => Err(end),
        };
        let ending = match opened {
            Ok(opened) => {
                pauses.reset();
                waits = 0;
                let context = SlotContext {
                    config: Arc::clone(config),
                    session: opened.session,
                    state: Arc::clone(state),
                    outbox: opened.outbox,
                    workspace: Arc::clone(workspace),
                    series: series.clone(),
                    sweeper: sweeper.clone(),
                    starter: starter.clone(),
                };
                Worker::new(context, opened.leftovers).run(shutdown).await
            }
            Err(end) => Ending::Session(end),
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
                return Err(Failure::new(Exit::Unreachable, sentence).help(send));
            }
            Ending::Interrupted {
                results: unconfirmed,
                attempts: running,
            } => {
                let kept = (unconfirmed > 0).then(|| {
                    format!(
                        "{} unconfirmed in {}; {send}",
                        results(unconfirmed),
                        outbox.display()
                    )
                });
                let left = (running > 0).then(|| format!("{} that did not end", attempts(running)));
                let parts: Vec<String> = left.into_iter().chain(kept).collect();
                return Ok(Some(Unfinished(format!("leaving {}", parts.join(", and ")))));
            }
            Ending::Stateless(why, unconfirmed) => {
                let lost = match unconfirmed {
                    0 => String::new(),
                    count => format!("; {} could not be delivered", results(count)),
                };
                return Err(Failure::new(Exit::Disk, format!("{why}{lost}")).help(
                    "make room for the directory, or name another one with --state-dir, and start again",
                ));
            }
            Ending::Session(SessionEnd::OtherCluster(found)) => {
                tracing::warn!(
                    "beginning anew with the other coordinator ({found}); what the former one has not confirmed \
                     stays in {}",
                    outbox.display()
                );
                // Two coordinators may take turns at one address. The pause keeps the agent from changing sides at
                // full speed.
                let mut stage = shutdown.watch();
                tokio::select! {
                    () = sleep(pauses.pause()) => {}
                    _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
                }
            }
            Ending::Session(SessionEnd::Elsewhere { sentence, rest }) => {
                let place = state.path().display();
                if waits == MAX_WAITS {
                    let help = format!(
                        "each agent needs a state directory of its own: empty {place}, or name another one with \
                         --state-dir; unconfirmed results are kept there"
                    );
                    return Err(Failure::new(Exit::Elsewhere, sentence).help(help));
                }
                waits += 1;
                tracing::warn!(
                    "{sentence}; waiting that long, for the first one may have ended without a goodbye"
                );
                let mut stage = shutdown.watch();
                tokio::select! {
                    () = sleep(rest + AFTER_ITS_TTL) => {}
                    _ = stage.wait_for(|stage| *stage > Stage::Working) => return Ok(None),
                }
            }
            Ending::Session(SessionEnd::Replaced(why)) => {
                let sentence = format!(
                    "another agent works under this one's identity, {}: {why}",
                    state.agent_id()
                );
                let help = format!(
                    "two agents must not share a copy of the state directory {}; unconfirmed results are kept there",
                    state.path().display()
                );
                return Err(Failure::new(Exit::Refused, sentence).help(help));
            }
            Ending::Session(SessionEnd::Refused { sentence, invalid }) => {
                let exit = if invalid { Exit::Usage } else { Exit::Refused };
                let sentence = format!(
                    "the coordinator at {} refuses this agent: {sentence}",
                    coordinator.address()
                );
                return Err(Failure::new(exit, sentence));
            }
        }
    }
}

fn results(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} result{plural}")
}

/// The cluster of the coordinator that answers, its outbox, and the reports of an earlier process.
struct Joined {
    cluster_id: String,
    outbox: Outbox,
    leftovers: Vec<Leftover>,
}

/// A registered agent, its outbox, and the reports of an earlier process.
struct Opened {
    session: Session,
    outbox: Outbox,
    leftovers: Vec<Leftover>,
}

/// Asks the coordinator for its cluster, and opens the outbox of that cluster.
async fn join(
    coordinator: &Coordinator,
    state: &StateDirectory,
) -> Result<Result<Joined, SessionEnd>, Failure> {
    let cluster_id = match coordinator.join_cluster().await {
        Ok(cluster_id) => cluster_id,
        Err(CallError::OtherCluster(found)) => return Ok(Err(SessionEnd::OtherCluster(found))),
        Err(CallError::Failed(failure)) => {
            let sentence = coordinator::sentence(&failure);
            return Ok(Err(SessionEnd::Refused {
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
    Ok(Ok(Joined {
        cluster_id,
        outbox,
        leftovers,
    }))
}

/// Registers.
async fn open_session(
    config: &Config,
    coordinator: &Arc<Coordinator>,
    state: &StateDirectory,
    profile: &Profile,
    last_words: &LastWords,
    joined: Joined,
) -> Result<Opened, SessionEnd> {
    let Joined {
        cluster_id,
        outbox,
        leftovers,
    } = joined;
    let leases = Arc::new(Leases::default());
    for leftover in &leftovers {
        leases.report(leftover.report.lease.clone().unwrap_or_default());
    }
    let session = Session::open(
        Arc::clone(coordinator),
        leases,
        profile.clone(),
        last_words.clone(),
        cluster_id,
    )
    .await?;
    let plural = if config.slots == 1 { "" } else { "s" };
    tracing::info!(
        agent_id = profile.agent_id,
        "{} works for {} with {} slot{plural}",
        profile.name,
        coordinator.address(),
        config.slots,
    );
    tracing::info!("its state is in {}", state.path().display());
    Ok(Opened {
        session,
        outbox,
        leftovers,
    })
}

/// The answer to a registration. After a signal, `None` when it does not come soon, when there is no session to end, or
/// at a second signal: an agent that left without a goodbye would be waited for until its silence is noticed.
async fn answered(
    mut opening: impl Future<Output = Result<Opened, SessionEnd>> + Unpin,
    shutdown: &Shutdown,
) -> Option<Result<Opened, SessionEnd>> {
    let mut stage = shutdown.watch();
    tokio::select! {
        opened = &mut opening => return Some(opened),
        _ = stage.wait_for(|stage| *stage > Stage::Working) => {}
    }
    tracing::info!("ending: the answer to the registration is waited for, to say goodbye");
    tokio::select! {
        opened = timeout(REGISTERED, opening) => opened.ok()?.ok().map(Ok),
        _ = stage.wait_for(|stage| *stage > Stage::Draining) => {
            tracing::info!("ending without a goodbye: a second signal came");
            None
        }
    }
}

/// Ends the processes that a killed agent left running, if its guard was killed, too. Blocks meanwhile.
fn end_left_trees(state: &Path) {
    let left = Series::left(state).unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "cannot read in {} what an earlier process of this agent may have left running",
            state.display()
        );
        Vec::new()
    });
    for series in left {
        if series.is_copied() {
            // These may be the processes of an agent that runs. The coordinator decides between the two.
            series.forget();
            continue;
        }
        match series.end() {
            Swept { killed: 0, .. } => {}
            Swept { killed, .. } => {
                tracing::warn!(
                    "killed {killed} processes that an earlier process of this agent left running"
                );
            }
        }
    }
}

/// Takes the state directory, tidies up what an earlier process left, and opens the workspace.
async fn open_directories(config: &Arc<Config>) -> Result<(Arc<StateDirectory>, Arc<Workspace>), Failure> {
    let opening = async {
        let state = Arc::new(open_state(config).await?);
        let (config, here) = (Arc::clone(config), Arc::clone(&state));
        // On a thread that may hang with the disk, so that a signal is heard meanwhile.
        let opened = spawn_blocking(move || {
            end_left_trees(here.path());
            open_workspace(&config, &here)
        });
        let opened = opened.await;
        let workspace = opened.context("cannot open the workspace")??;
        Ok((state, workspace))
    };
    tokio::pin!(opening);
    match timeout(OPENING_TOLD, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            tracing::warn!(
                "the state directory and the workspace are not open after {} s: is there a disk that does not answer?",
                OPENING_TOLD.as_secs()
            );
            opening.await
        }
    }
}

/// Takes the state directory, on a thread that may hang with the disk.
async fn open_state(config: &Arc<Config>) -> Result<StateDirectory, Failure> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        let here = Arc::clone(config);
        let opening =
            spawn_blocking(move || StateDirectory::open(here.state_dir.as_deref(), here.name.as_deref()));
        let place = match opening.await.context("cannot open the state directory")? {
            Ok(state) => return Ok(state),
            Err(OpenError::Unusable(error)) => return Err(Failure::from(error)),
            Err(OpenError::Locked(place)) => place,
        };
        let place = place.display();
        if begun.elapsed() >= DIRECTORY_WAIT {
            let sentence =
                format!("another agent, or a process that one left, uses the state directory {place}");
            let help = "stop that one, or give this one another --name or --state-dir; a process that a killed agent \
                        was starting uses it until the file system of its program answers";
            return Err(Failure::new(Exit::Again, sentence).help(help));
        }
        if !is_told {
            is_told = true;
            tracing::warn!(
                "the state directory {place} is in use; waiting {} s for it",
                DIRECTORY_WAIT.as_secs()
            );
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn open_workspace(config: &Config, state: &StateDirectory) -> Result<Arc<Workspace>, Failure> {
    if let Some(given) = &config.workspace {
        // Tasks get absolute paths. Other agents may use the same workspace, so leftovers in it are left alone.
        let workspace = std::path::absolute(given)
            .with_context(|| format!("cannot tell where the workspace {} is", given.display()))?;
        workspace::prove(&workspace).map_err(|error| {
            let sentence = format!("cannot work in the workspace {}: {error}", workspace.display());
            Failure::new(Exit::Configuration, sentence)
                .help("name a directory with --workspace that this user can make and write")
        })?;
        let workspace = Workspace::new(workspace, state.agent_id(), Bounds::of(config));
        workspace.kept().trim();
        return Ok(Arc::new(workspace));
    }
    let path = state.path().join("work");
    let workspace = Workspace::new(path, state.agent_id(), Bounds::of(config));
    let count = workspace.keep_leftovers();
    workspace.kept().trim();
    if count > 0 {
        tracing::warn!("{count} attempts were cut short when this agent ended; their directories are kept");
    }
    Ok(Arc::new(workspace))
}
