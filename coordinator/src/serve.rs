//! Serving: the ports are opened, the doors answer, and a signal stops it.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use swarm_program::{exit::Exit, failure::Failure};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    core::budget::Budget,
    door::{self, emergency::Emergency, port::Port},
    machine::{
        data_dir::DataDir,
        memory::{Memory, without_huge_pages},
        open_files,
    },
    program::{
        config::Config,
        failure::{abort, chain},
        limits::{HUGE_PAGES_FROM, MEMORY_UNKNOWN},
    },
    request::{Requests, Settings},
    start::{
        self,
        running::{Running, Times},
    },
    store,
    upkeep::KeepEvents,
};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), Failure> {
    let emergency = Emergency::listen().map_err(no_signals)?;
    let connections = open_files::connections(open_files::raise())?;
    let memory = memory(&config);
    if memory < HUGE_PAGES_FROM {
        without_huge_pages();
    }
    let budget = Budget::of(memory);
    let dir = DataDir::open(&config.data_dir()?)?;
    // First: who mistook the port need not wait for the data.
    let port = Port::take("--listen", config.listen)?;
    let metrics = config
        .metrics_listen
        .map(|address| Port::take("--metrics-listen", address))
        .transpose()?;
    let opened = start::open(&dir)?;
    let (listener, address) = port.open()?;
    let metrics = metrics.map(Port::open).transpose()?;

    let mut running = Running::start(opened, config.accept_clock, budget)?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone())?);
    let times = Times {
        lease_ttl: config.lease_ttl,
        keep_tasks: config.keep_tasks,
    };
    running.begin(&dir, times, &shutdown).await;
    let keep = KeepEvents {
        age: config.keep_events,
        bytes: config.keep_events_bytes,
    };
    running.keep_up(&dir, keep)?;

    let core = Arc::clone(&running.core);
    announce(address, metrics.as_ref().map(|(_, address)| *address));
    let door = metrics.map(|(listener, address)| {
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
    let settings = Settings {
        lease_ttl: config.lease_ttl,
        default_timeout: config.default_timeout,
        default_retries: config.default_retries,
        address,
    };
    let requests = Requests::new(Arc::clone(&core), settings, shutdown.clone());
    let emergency = tokio::spawn(emergency.serve(requests.clone(), shutdown.clone()));
    door::grpc::serve(listener, connections, requests, &core, shutdown.clone()).await;

    shutdown.cancel();
    if !running.stop().await {
        abort("a thread of the coordinator ended because of a bug");
    }
    if let Some(door) = door {
        let _ = door.await;
    }
    let _ = emergency.await;
    let contents = core.store().contents();
    drop(core);
    if let Ok(contents) = contents {
        tokio::task::block_in_place(|| note_closed(&dir, contents));
    }
    drop(dir);
    tracing::info!("stopped; everything is on disk");
    Ok(())
}

/// Notes how the store is left, so that the next start need not read all of it first.
fn note_closed(dir: &DataDir, contents: store::closing::Contents) {
    match store::closing::close(&dir.store(), contents) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("the store is still in use: the next start looks at it more closely"),
        Err(error) => tracing::warn!(
            error = chain(&error),
            "cannot note how the store is left: the next start looks at it more closely"
        ),
    }
}

/// The memory that others may take: as the operator says, or half of what there is.
fn memory(config: &Config) -> u64 {
    let found = Memory::of_this_process();
    let (bytes, whose) = match (config.memory, found) {
        (Some(bytes), _) => (bytes, "as --memory says"),
        (None, Some(memory)) => (memory.bytes / 2, memory.whose),
        (None, None) => (MEMORY_UNKNOWN, "not known to the system"),
    };
    tracing::info!(
        bytes,
        reason = whose,
        "requests, answers and tasks may take this much memory"
    );
    bytes
}

/// Says on stdout where the ports are: one line for each, for programs that start this one.
fn announce(address: SocketAddr, metrics: Option<SocketAddr>) {
    let mut lines = format!("listening on {address}\n");
    if let Some(metrics) = metrics {
        lines += &format!("metrics on {metrics}\n");
    }
    let write = move || {
        let mut stdout = std::io::stdout();
        // The program that started this one may not listen.
        let _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
    };
    // In a thread of its own, which nothing waits for: stdout may be a full pipe that nobody reads.
    if let Err(error) = std::thread::Builder::new()
        .name("announce".to_owned())
        .spawn(write)
    {
        tracing::warn!(error = %error, "cannot say on standard output where the ports are");
    }
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::new(Exit::Bug, format!("cannot listen for signals: {error}"))
}

fn stop_on_signal(shutdown: CancellationToken) -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
        shutdown.cancel();
    })
}
