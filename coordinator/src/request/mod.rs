//! The requests: one file for each request or noun, a v1 message in, a v1 message or a [`Refusal`] out.
//!
//! No request knows how it came: each door translates what it is sent and what it sends back. A door gets to the
//! requests through [`Requests::admit`] only, so none can be reached around the row that [`table`] has for it.

mod refusal;
mod table;

mod page;

pub(crate) mod submit;
pub(crate) mod task;
mod unmatched;

pub(crate) mod explain;
pub(crate) mod ids;
pub(crate) mod job;
pub(crate) mod list;

pub(crate) mod cancel;
mod change;
pub(crate) mod remove;
pub(crate) mod retry;

pub(crate) mod claim;
pub(crate) mod complete;
mod granted;
pub(crate) mod heartbeat;
mod nothing;
pub(crate) mod register;

pub(crate) mod death;

pub(crate) mod agent;
pub(crate) mod give_up;
pub(crate) mod hold;
pub(crate) mod queue;

pub(crate) mod events;
mod names;
pub(crate) mod status;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use swarm_engine::{
    id::AttemptNumber,
    noun::{outcome::Output, task::Task},
    rule::fit::Liveness,
};
use swarm_proto::{reason::Reason, v1};
use tokio_util::sync::CancellationToken;

use self::table::Asked;
pub(crate) use self::{
    refusal::{Cause, Refusal},
    table::row_of,
};
use crate::core::{Answer, Core, admission::Load};

/// What the operator chose.
pub(crate) struct Settings {
    pub(crate) lease_ttl: Duration,
    pub(crate) default_timeout: Duration,
    pub(crate) default_retries: u32,
    pub(crate) address: SocketAddr,
}

/// All requests, as a door holds them.
#[derive(Clone)]
pub(crate) struct Requests(Arc<Context>);

/// What every request needs. Only [`Requests::admit`] gives it away.
pub(crate) struct Context {
    core: Arc<Core>,
    settings: Settings,
    shutdown: CancellationToken,
}

impl Requests {
    pub(crate) fn new(core: Arc<Core>, settings: Settings, shutdown: CancellationToken) -> Requests {
        Requests(Arc::new(Context {
            core,
            settings,
            shutdown,
        }))
    }

    /// Lets a request in, as its row in the table says.
    ///
    /// # Errors
    ///
    /// `BUSY` while the coordinator has more to do than it may take on, `DISK_FULL` while its disk has no space for
    /// the request, `QUEUE_FULL` while its memory has no room for new work.
    pub(crate) fn admit<Q: Asked>(&self, _request: &Q) -> Result<&Context, Refusal> {
        match Q::ROW.load.and_then(|load| self.0.obstacle(load)) {
            None => {}
            Some((reason, why)) => return Err(Refusal::later(reason, why)),
        }
        if Q::ROW.load == Some(Load::Submit) {
            self.0.check_room()?;
        }
        Ok(&self.0)
    }
}

impl Context {
    fn as_of<T>(&self, answer: &Answer<T>) -> Option<v1::AsOf> {
        Some(self.position(answer.as_of.0))
    }

    fn position(&self, seq: u64) -> v1::AsOf {
        v1::AsOf {
            history: self.core.history().to_owned(),
            seq,
        }
    }

    /// Why a request of this load is refused at the moment.
    fn obstacle(&self, load: Load) -> Option<(Reason, &'static str)> {
        if !self.core.has_space_for(load) {
            Some((Reason::DiskFull, DISK_FULL))
        } else if !self.core.admits(load) {
            Some((Reason::Busy, BUSY))
        } else {
            None
        }
    }

    /// Refuses new records while those in memory take as much of it as they may.
    fn check_room(&self) -> Result<(), Refusal> {
        let state = &self.core.budget().state;
        if !state.is_full() {
            return Ok(());
        }
        state.note_refused();
        Err(Refusal::later(
            Reason::QueueFull,
            &format!(
                "tasks, jobs, agents and holds take {} MiB of memory, and the coordinator has {} MiB for them: new \
                 ones are taken again when some have ended",
                state.used() >> 20,
                state.limit() >> 20
            ),
        ))
    }

    /// How agents are looked at now.
    fn liveness(&self) -> Liveness {
        self.core.liveness(self.settings.lease_ttl)
    }

    /// The output of the last reported attempt of a task, and the attempt's number.
    async fn output_of(&self, task: &Task) -> Result<Option<(AttemptNumber, Arc<Output>)>, Refusal> {
        let Some(reported) = task.last_report() else {
            return Ok(None);
        };
        let (core, task, attempt) = (Arc::clone(&self.core), task.number, reported.number);
        // It may wait for the store.
        let output = tokio::task::spawn_blocking(move || core.output(task, attempt))
            .await
            .map_err(|_| Refusal::stopping())?
            .map_err(Refusal::internal)?;
        Ok(output.map(|output| (attempt, output)))
    }

    /// Ends a request that waits when the coordinator stops.
    async fn unless_stopped<T>(&self, request: impl Future<Output = T>) -> Result<T, Refusal> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Refusal::stopping()),
            done = request => Ok(done),
        }
    }
}

const BUSY: &str = "the coordinator has more to write than it may take on; try again in a second";

const DISK_FULL: &str = "the disk of the coordinator is almost full; work that has begun can still end";
