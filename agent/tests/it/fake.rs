//! A coordinator without rules: it hands out tasks, notes requests, and misbehaves when told to.

pub(crate) mod hold;
pub(crate) mod world;

mod agents;
mod people;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use swarm_proto::v1::{
    Assignment, AttemptReport, Command, Directive, LeaseRef, TaskSpec,
    admin_service_server::AdminServiceServer, attempt_report::Outcome,
    coordinator_service_server::CoordinatorServiceServer, task_service_server::TaskServiceServer,
    task_spec::Work,
};
use tokio::{net::TcpSocket, sync::watch, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, transport::Server};

use self::world::{World, WorldGuard};
use crate::program::PATIENCE;

/// A handle on a running fake.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<()>,
    address: SocketAddr,
    silent: Mutex<Option<TcpSocket>>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        let fake = Self::reserve().await;
        fake.serve().await;
        fake
    }

    /// A fake that is away: it has an address, and refuses connections.
    pub(crate) async fn reserve() -> Fake {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Fake(Arc::new(Shared {
            world: Mutex::default(),
            changed: watch::channel(()).0,
            address: socket.local_addr().unwrap(),
            silent: Mutex::new(Some(socket)),
            server: Mutex::default(),
        }))
    }

    /// Begins to answer.
    pub(crate) async fn serve(&self) {
        let socket = self.0.silent.lock().unwrap().take().unwrap();
        let listener = socket.listen(128).unwrap();
        let server = Server::builder()
            .add_service(CoordinatorServiceServer::new(self.clone()).max_decoding_message_size(4 << 20))
            .add_service(AdminServiceServer::new(self.clone()))
            .add_service(TaskServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let running = tokio::spawn(async move { server.await.unwrap() });
        *self.0.server.lock().unwrap() = Some(running);
    }

    pub(crate) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Reads or changes the world.
    pub(crate) fn world(&self) -> WorldGuard<'_> {
        WorldGuard {
            world: self.0.world.lock().unwrap(),
            changed: &self.0.changed,
        }
    }

    /// Waits until the closure returns something.
    pub(crate) async fn until<T>(&self, what: &str, look: impl FnMut(&World) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, look).await
    }

    /// The same with another patience.
    pub(crate) async fn until_within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> T {
        let mut changes = self.0.changed.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let found = look(&self.0.world.lock().unwrap());
                if let Some(found) = found {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        timeout(patience, waiting)
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// Puts a shell line into the queue.
    pub(crate) fn submit(&self, task_id: &str, script: &str) {
        self.submit_with(task_id, script, |_| ());
    }

    pub(crate) fn submit_with(&self, task_id: &str, script: &str, change: impl FnOnce(&mut Assignment)) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let command = Command {
            argv,
            ..Command::default()
        };
        let lease = LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            lease_token: vec![9; 16],
            run_time: None,
        };
        let mut assignment = Assignment {
            lease: Some(lease),
            spec: Some(TaskSpec {
                work: Some(Work::Command(command)),
                ..TaskSpec::default()
            }),
            lease_ttl: self.world().lease_ttl(),
            timeout: seconds(3600),
            job_id: "job".to_owned(),
            dependencies: Vec::new(),
        };
        change(&mut assignment);
        self.world().queue.push_back(assignment);
    }

    /// The first report about a task.
    pub(crate) async fn report(&self, task_id: &str) -> AttemptReport {
        self.until(&format!("a report about {task_id}"), |world| {
            world.report(task_id)
        })
        .await
    }

    /// Waits until every task is granted.
    pub(crate) async fn all_granted(&self) {
        self.until("all are granted", |world| world.queue.is_empty().then_some(()))
            .await;
    }

    /// Cancels a task; returns when it is reported as cancelled.
    pub(crate) async fn cancelled(&self, task_id: &str) {
        self.world()
            .directives
            .insert(task_id.to_owned(), Directive::Cancel);
        let report = self.report(task_id).await;
        assert!(
            matches!(report.outcome, Some(Outcome::Cancelled(_))),
            "{report:?}"
        );
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
    }
}

/// Not a refusal of ours, but the status of a connection that ended.
fn cut() -> Status {
    Status::unavailable("the connection was cut")
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}
