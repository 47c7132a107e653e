//! The coordinator: keeps tasks durably and hands them to agents.
//!
//! A request goes through a thin handler in `request` to `core`, which decides
//! with the engine, waits until the journal has the decision on disk, and
//! answers. `view` keeps the store in step, behind the answers.

mod config;
mod failure;
mod limits;
mod log;
mod meters;

mod admission;
mod backup;
mod claim;
mod core;
mod durable;
mod heartbeat;
mod ids;
mod list;
mod outputs;
mod parked;
mod pins;
mod recall;
mod retention;
mod scrub;
mod stored_ids;
mod tail;
mod timer;
mod upkeep;
mod waiters;

pub mod journal;
mod writer;

mod records;
pub mod snapshot;
pub mod store;
pub mod stored;
mod view;

mod base;
mod clock;
mod data_dir;
mod machine;
mod new_history;
mod open;
mod random;
mod rates;
mod restoring;
mod running;
mod thread;
mod usage;

mod overview;

mod door;
mod request;
mod verb;
mod wire;
mod words;
// For this workspace's own tests, benchmarks and fuzzing; no promise to anybody else.
#[doc(hidden)]
pub use crate::door::inside;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod scene;

use std::{ffi::OsString, io::Write as _, net::SocketAddr, path::Path, process::ExitCode, sync::Arc};

use swarm_settings::{Refusal, Settings};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    data_dir::DataDir,
    failure::{Exit, Failure, abort, chain},
    running::Running,
    upkeep::KeepEvents,
    verb::{PROGRAM, Program, Verb},
};

/// Runs the program with these arguments, the first of which is its name, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (Program { verb, config }, settings) = match PROGRAM.parse(args) {
        Ok(parsed) => parsed,
        Err(Refusal::Usage(error)) => {
            // Nothing can be done about a terminal that does not take the message.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
        Err(Refusal::Wrong(wrong)) => {
            return ended(Err(Failure::new(
                Exit::Configuration,
                wrong.to_string(),
                wrong.help,
            )));
        }
    };
    if let Some(Verb::CheckStore { dir, look }) = verb {
        return check_store(&dir, look);
    }
    if let Some(Verb::Config(show)) = verb {
        return ended(begin_log(&config, &settings).and_then(|()| show.run(settings)));
    }
    if let Some(verb) = verb {
        return ended(begin_log(&config, &settings).and_then(|()| verb.run()));
    }
    if let Err(failure) = begin_log(&config, &settings).and_then(|()| config.check()) {
        return ended(Err(failure));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let sentence = format!("cannot start threads: {error}");
            return ended(Err(Failure::new(Exit::Bug, sentence, "")));
        }
    };
    ended(runtime.block_on(run(config)))
}

fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.code()
        }
    }
}

/// Reads a store for another process, which ends this one when it takes too long.
fn check_store(dir: &Path, look: store::probe::Look) -> ExitCode {
    match store::probe::check(dir, look) {
        Ok(()) => ExitCode::SUCCESS,
        Err((exit, why)) => {
            eprintln!("{why}");
            ExitCode::from(exit as u8)
        }
    }
}

fn begin_log(config: &Config, settings: &Settings) -> Result<(), Failure> {
    log::start(&config.log_level, config.log_format)?;
    for note in settings.notes() {
        tracing::warn!("{note}");
    }
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
async fn run(config: Config) -> Result<(), Failure> {
    allow_many_files();
    let dir = DataDir::open(&config.data_dir()?)?;
    let opened = open::open(&dir)?;
    let (listener, address) = listen("--listen", config.listen).await?;
    let metrics = match config.metrics_listen {
        Some(address) => Some(listen("--metrics-listen", address).await?),
        None => None,
    };

    let mut running = Running::start(opened)?;
    let core = Arc::clone(&running.core);
    core.until_durable(running.began).await;
    if let Err(error) = new_history::begun(dir.path()) {
        tracing::warn!(error = chain(&error), "cannot note that a new history has begun");
    }

    let keep = KeepEvents {
        age: config.keep_events,
        bytes: config.keep_events_bytes,
    };
    running.keep_up(&dir, keep)?;

    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone())?);
    core.grace_at_start(config.lease_ttl);
    let timer = tokio::spawn(timer::run(Arc::clone(&core), config.lease_ttl, shutdown.clone()));

    let retention = tokio::spawn(retention::run(
        Arc::clone(&core),
        config.keep_tasks,
        running.jump,
        shutdown.clone(),
    ));
    let stored_ids = tokio::spawn(upkeep::stored_ids::run(Arc::clone(&core), shutdown.clone()));

    announce("listening", address);
    let door = metrics.map(|(listener, address)| {
        announce("metrics", address);
        tracing::info!(%address, "serving metrics");
        let core = Arc::clone(&core);
        tokio::spawn(door::http::serve(
            listener,
            core,
            config.lease_ttl,
            shutdown.clone(),
        ))
    });
    tracing::info!(%address, epoch = running.epoch, data_dir = %dir.path().display(), "serving");
    let served = door::grpc::serve(listener, Arc::clone(&core), &config, address, shutdown.clone()).await;

    shutdown.cancel();
    if !matches!(
        tokio::task::spawn_blocking(move || running.stop()).await,
        Ok(true)
    ) {
        abort("a thread of the coordinator ended because of a bug");
    }
    let _ = (timer.await, retention.await, stored_ids.await);
    if let Some(door) = door {
        let _ = door.await;
    }
    let contents = core.store.contents();
    drop(core);
    if let Ok(contents) = contents {
        tokio::task::block_in_place(|| note_closed(&dir, contents));
    }
    drop(dir);
    tracing::info!("stopped; everything is on disk");
    served.map_err(|error| Failure::new(Exit::Bug, format!("cannot serve {address}: {error}"), ""))
}

/// Says how the store is left, so that the next start need not read all of it first.
fn note_closed(dir: &DataDir, contents: store::seal::Contents) {
    match store::seal::close(&dir.store(), contents) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("the store is still in use: the next start looks at it more closely"),
        Err(error) => tracing::warn!(
            error = chain(&error),
            "cannot note how the store is left: the next start looks at it more closely"
        ),
    }
}

/// Each connection is an open file, and so is a journal segment: as many as the system lets us have.
fn allow_many_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(errno) = raised {
        tracing::debug!(error = %errno, "the limit on open files stays as it is");
    }
}

/// Opens a port, for which this flag was given.
async fn listen(flag: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!(
                    "another program has that port; take another one: {flag} {}:PORT (0 takes a free one)",
                    address.ip()
                )
            }
            _ => format!("name an address of this machine: {flag} IP:PORT"),
        };
        Failure::new(
            Exit::Configuration,
            format!("cannot listen on {address}: {}", chain(&error)),
            help,
        )
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Says on stdout where a port is: one line for each, for programs that start this one.
fn announce(what: &str, address: SocketAddr) {
    let mut stdout = std::io::stdout();
    // Whoever started us may not listen.
    let _ = writeln!(stdout, "{what} on {address}").and_then(|()| stdout.flush());
}

fn stop_on_signal(shutdown: CancellationToken) -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::new(Exit::Bug, format!("cannot listen for signals: {error}"), "");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
        shutdown.cancel();
    })
}
