//! The load on the programs: submitters, a meddler, agents that run nothing, and readers.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use swarm_proto::v1::{NewTask, Retry};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    caller::{Caller, Recorder},
    history::Reader,
    meddler,
    reader::{self, Progress},
    rogue, submitter,
};
use crate::harness::{
    PATIENCE,
    client::{duration, quoted, shell_task, with},
    seeded::Seeded,
};

const SUBMITTERS: usize = 3;
const ROGUES: usize = 2;
/// Submitters wait when so many have not ended: what is left at the end has to be done too.
const MOST_OPEN: i64 = 60;
/// Once in 20 ms.
const LOOKS_FOR_ROOM: usize = 25;

/// Everything that submitters, agents and readers share.
pub(crate) struct Board {
    /// The file into which commands write their lines.
    pub(crate) lines: PathBuf,
    /// The tasks, as the readers follow them.
    pub(crate) progress: Arc<Progress>,
    /// Ids of tasks that may be there.
    ids: Mutex<Vec<String>>,
    stop: watch::Receiver<bool>,
}

impl Board {
    /// Says that these tasks may be there now.
    pub(crate) fn add(&self, ids: impl IntoIterator<Item = String>) {
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids);
    }

    /// Some task that may be there, one of the newest as a rule.
    pub(crate) fn some_id(&self, chance: &mut Seeded) -> Option<String> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = if chance.percent(70) { 40 } else { ids.len() };
        let back = 1 + chance.index(ids.len().min(newest).max(1));
        ids.len().checked_sub(back).map(|at| ids[at].clone())
    }

    /// Whether the load is to end.
    pub(crate) fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    /// Lets up to this much time pass; less when no more load is wanted.
    pub(crate) async fn pause(&self, most: Duration) {
        let mut stop = self.stop.clone();
        let _ = timeout(most, stop.wait_for(|&stop| stop)).await;
    }

    /// Waits until there is room for more tasks, or no more load is wanted; but not for long, for what is there may
    /// wait out long backoffs.
    pub(crate) async fn until_room(&self) {
        for _ in 0..LOOKS_FOR_ROOM {
            if self.progress.open() <= MOST_OPEN || self.is_over() {
                return;
            }
            self.pause(Duration::from_millis(20)).await;
        }
    }
}

/// The addresses of the coordinator for each kind of client.
pub(crate) struct Addresses<'a> {
    pub(crate) clients: &'a str,
    pub(crate) rogues: &'a str,
    pub(crate) readers: &'a str,
    /// Without a wire in between.
    pub(crate) coordinator: &'a str,
}

/// See the module.
pub(crate) struct Load {
    pub(crate) board: Arc<Board>,
    stop: watch::Sender<bool>,
    stop_reading: watch::Sender<bool>,
    makers: JoinSet<()>,
    readers: Vec<JoinHandle<Reader>>,
}

impl Load {
    /// Begins. To be called within a runtime.
    pub(crate) fn start(
        addresses: &Addresses<'_>,
        recorder: &Arc<Recorder>,
        lines: &Path,
        chance: &mut Seeded,
    ) -> Load {
        let (stop, stop_reading) = (watch::Sender::new(false), watch::Sender::new(false));
        let board = Arc::new(Board {
            lines: lines.to_owned(),
            progress: Arc::default(),
            ids: Mutex::default(),
            stop: stop.subscribe(),
        });
        let mut makers = JoinSet::new();
        let caller = |name: &str, address: &str| Caller::new(name, address, recorder);
        for n in 0..SUBMITTERS {
            let name = format!("submitter-{n}");
            let caller = caller(&name, addresses.clients);
            makers.spawn(boxed(submitter::run(caller, chance.branch(), board.clone())));
        }
        let caller_of_meddler = caller("meddler", addresses.clients);
        makers.spawn(boxed(meddler::run(
            caller_of_meddler,
            chance.branch(),
            board.clone(),
        )));
        for n in 0..ROGUES {
            let name = format!("rogue-{n}");
            let caller = caller(&name, addresses.rogues);
            makers.spawn(boxed(rogue::run(caller, chance.branch(), board.clone())));
        }
        let watcher = caller("watcher", addresses.coordinator);
        let steady = caller("steady", addresses.readers);
        let restless = caller("restless", addresses.readers);
        let readers = [
            (watcher, None, board.progress.clone()),
            (steady, None, Arc::default()),
            (restless, Some(chance.branch()), Arc::default()),
        ];
        let readers = readers.map(|(caller, restless, progress)| {
            tokio::spawn(reader::read(caller, restless, progress, stop_reading.subscribe()))
        });
        Load {
            board,
            stop,
            stop_reading,
            makers,
            readers: readers.into(),
        }
    }

    /// Lets no more load come, and waits until nobody asks for anything.
    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        let all = async { while self.makers.join_next().await.is_some_and(|ended| ended.is_ok()) {} };
        timeout(PATIENCE, all).await.expect("whoever makes load ends");
        assert!(self.makers.is_empty(), "somebody who makes load has panicked");
    }

    /// Ends the readers, and gives what they were sent.
    pub(crate) async fn stop_reading(self) -> Vec<Reader> {
        self.stop_reading.send_replace(true);
        let mut readers = Vec::new();
        for reader in self.readers {
            let reader = timeout(PATIENCE, reader).await.expect("a reader ends");
            readers.push(reader.expect("a reader does not panic"));
        }
        readers
    }
}

fn boxed(
    maker: impl Future<Output = ()> + Send + 'static,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(maker)
}

/// A task whose command says when it begins and ends, and is at work in between for `work`. It fails in its first
/// `failing` attempts.
pub(crate) fn task(id: &str, lines: &Path, work: Duration, failing: u32, retries: u32) -> NewTask {
    let said = format!(">> {}", quoted(lines));
    let line = format!(
        "echo $SWARM_TASK_ID $SWARM_ATTEMPT start {said}; sleep {}; echo $SWARM_TASK_ID $SWARM_ATTEMPT end {said}; \
         test $SWARM_ATTEMPT -gt {failing}",
        work.as_secs_f32()
    );
    with(shell_task(id, &line), |spec| {
        spec.queue = "default".to_owned();
        spec.retry = Some(Retry {
            max_retries: Some(retries),
            initial_backoff: Some(duration(Duration::from_millis(50))),
            max_backoff: Some(duration(Duration::from_millis(300))),
        });
    })
}
