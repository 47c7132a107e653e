//! A coordinator inside another program and without a port: for tests of the whole, and for fuzzing. Its requests,
//! threads and files are the real ones.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use swarm_program::failure::Failure;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::grpc::routes;
use crate::{
    core::budget::Budget,
    journal,
    machine::data_dir::DataDir,
    request::{Requests, Settings},
    start::{
        self,
        running::{Running, Times},
    },
    upkeep::{KeepEvents, Upkeep},
};

/// The program's defaults.
const LEASE_TTL: Duration = Duration::from_secs(90);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
const DEFAULT_RETRIES: u32 = 2;

/// Longer than any test: no task and no event is removed because of its age.
const KEEP_AGE: Duration = Duration::from_secs(1_000_000);

/// How its files are laid out: with small files a short run meets everything that happens to large ones.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The length of a journal segment.
    pub segment_bytes: u64,
    /// Beyond this the oldest events are removed, behind a snapshot.
    pub keep_event_bytes: u64,
}

/// See the module.
pub struct Inside {
    running: Running,
    upkeep: Upkeep,
    routes: Routes,
    shutdown: CancellationToken,
    // The last field: the directory's lock is given up when nothing is written any more.
    _dir: DataDir,
}

impl Inside {
    /// Starts one on this data directory, in a Tokio runtime, and returns when it may serve.
    ///
    /// # Errors
    ///
    /// When the program would not start: two sentences, what is wrong and what to do.
    pub async fn start(path: &Path, layout: Layout) -> Result<Inside, String> {
        let told = |failure: Failure| failure.to_string();
        let dir = DataDir::open(path).map_err(told)?;
        let options = journal::Options {
            segment_bytes: layout.segment_bytes,
        };
        let opened = start::open_with(&dir, options).map_err(told)?;
        let mut running = Running::start(opened, false, Budget::default()).map_err(told)?;
        let times = Times {
            lease_ttl: LEASE_TTL,
            keep_tasks: KEEP_AGE,
        };
        let shutdown = CancellationToken::new();
        running.begin(&dir, times, &shutdown).await;
        let keep = KeepEvents {
            age: KEEP_AGE,
            bytes: layout.keep_event_bytes,
        };
        let settings = Settings {
            lease_ttl: LEASE_TTL,
            default_timeout: DEFAULT_TIMEOUT,
            default_retries: DEFAULT_RETRIES,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let routes = routes(Requests::new(
            Arc::clone(&running.core),
            settings,
            shutdown.clone(),
        ));
        Ok(Inside {
            upkeep: running.upkeep(&dir, keep),
            running,
            routes,
            shutdown,
            _dir: dir,
        })
    }

    /// The services, for a client without a connection.
    pub fn routes(&self) -> Routes {
        self.routes.clone()
    }

    /// Gives the upkeep a turn, as the program does about every second: it marks how far the journal is on disk,
    /// reserves space, and removes old events behind a snapshot.
    pub fn keep_up(&mut self) {
        self.upkeep.once();
    }

    /// Checks what always holds in the state.
    ///
    /// # Errors
    ///
    /// The contradiction that was found.
    pub fn check(&self) -> Result<(), String> {
        self.running.core.peek(|state| state.check())
    }

    /// Stops it as a signal would; everything decided is on disk then.
    pub async fn stop(self) {
        let Inside {
            running,
            upkeep,
            routes,
            shutdown,
            _dir,
        } = self;
        shutdown.cancel();
        drop((upkeep, routes));
        assert!(running.stop().await, "no thread of it has ended because of a bug");
    }
}
