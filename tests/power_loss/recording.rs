//! Makes a recording: a coordinator in a process of its own, with clients that write down what they are told.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use swarm_coordinator::inside::{Inside, Layout};
use swarm_proto::v1::{
    ClaimRequest, CompleteRequest, RegisterAgentRequest, SubmitTasksRequest,
    coordinator_service_client::CoordinatorServiceClient, task_service_client::TaskServiceClient,
};
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::service::Routes;

use crate::{
    disk::{Disk, Loss},
    harness::{client::shell_task, disk, fake_agent::success},
    trace::{ACKNOWLEDGED, Acknowledged, Trace, What},
};

/// Names the directory in which the recorded process works.
const DIR: &str = "SWARM_POWER_LOSS_DIR";
/// After how many acknowledgements it ends.
const ENOUGH: &str = "SWARM_POWER_LOSS_OPERATIONS";

/// Small, so that a short run fills, begins and removes many of them, and each opening is short.
pub(crate) const SEGMENT_BYTES: u64 = 16 * 1024;

const LAYOUT: Layout = Layout {
    segment_bytes: SEGMENT_BYTES,
    keep_event_bytes: 4 * SEGMENT_BYTES,
};

/// Enough that what one is told finds another one's events half written.
const CLIENTS: usize = 3;

/// The coordinator's work of every second comes once in so many operations.
const OPERATIONS_BETWEEN_UPKEEPS: usize = 200;

/// The operations, and the files at their end.
pub(crate) struct Recording {
    pub(crate) trace: Trace,
    dir: TempDir,
}

impl Recording {
    /// Records this many operations at least. `None`, with a line that says why, where that is not possible.
    pub(crate) fn make(operations: usize) -> Option<Recording> {
        let dir = memory_dir();
        let shim = disk::Disk::build(dir.path())?;
        let (data, trace) = (dir.path().join("data"), dir.path().join("trace"));
        let plan = shim.count(&data, &dir.path().join("steps"));
        let log = File::create(dir.path().join("log")).unwrap();
        let ended = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "--exact"])
            .arg("recording::coordinator_to_record")
            .env(DIR, dir.path())
            .env(ENOUGH, operations.to_string())
            .envs(plan.env().iter().cloned())
            .env("SWARM_DISK_TRACE", &trace)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(ended.success(), "{log}");
        Some(Recording {
            trace: Trace::read(&trace, &data),
            dir,
        })
    }

    /// The first file that is not what the whole trace comes to when power is not lost.
    pub(crate) fn difference(&self) -> Option<String> {
        let mut disk = Disk::default();
        self.trace
            .operations()
            .for_each(|operation| disk.apply(operation));
        let files = disk.after(Loss::Kept, "");
        let data = self.dir.path().join("data");
        let mut names = Vec::new();
        list(&data, &data, &mut names);
        let recorded: Vec<&String> = files.keys().collect();
        if recorded != names.iter().collect::<Vec<_>>() {
            return Some(format!("there is {names:?}, and recorded are {recorded:?}"));
        }
        files
            .into_iter()
            .find(|(name, bytes)| fs::read(data.join(name)).unwrap() != *bytes)
            .map(|(name, _)| name)
    }
}

/// A directory in memory, where there is one: what is on disk is the trace's business.
pub(crate) fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn list(dir: &Path, below: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, below, names);
        } else {
            names.push(path.strip_prefix(below).unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
}

#[test]
#[ignore = "another test starts it as a process to record"]
fn coordinator_to_record() {
    let (Some(dir), Ok(enough)) = (env::var_os(DIR).map(PathBuf::from), env::var(ENOUGH)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.unwrap().block_on(run(&dir, enough.parse().unwrap()));
}

async fn run(dir: &Path, enough: usize) {
    let mut inside = Inside::start(&dir.join("data"), LAYOUT).await.unwrap();
    let notebook = Arc::new(Notebook {
        file: OpenOptions::new()
            .append(true)
            .create(true)
            .open(dir.join(ACKNOWLEDGED))
            .unwrap(),
        count: watch::Sender::new(0),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(work(inside.routes(), client, Arc::clone(&notebook), enough)))
        .collect();
    let mut count = notebook.count.subscribe();
    for next in (0..enough).step_by(OPERATIONS_BETWEEN_UPKEEPS).skip(1) {
        count.wait_for(|&count| count >= next).await.unwrap();
        tokio::task::block_in_place(|| inside.keep_up());
    }
    for client in clients {
        client.await.unwrap();
    }
    inside.check().unwrap();
    inside.stop().await;
}

/// The file into which clients write each answer at once.
struct Notebook {
    file: File,
    count: watch::Sender<usize>,
}

impl Notebook {
    fn note(&self, seq: u64, what: What, task: &str) {
        let task = task.to_owned();
        let line = Acknowledged { seq, what, task }.line();
        (&self.file).write_all(line.as_bytes()).unwrap();
        self.count.send_modify(|count| *count += 1);
    }
}

/// Submits, claims and completes, one after the other.
async fn work(routes: Routes, client: usize, notebook: Arc<Notebook>, enough: usize) {
    let mut tasks = TaskServiceClient::new(routes.clone());
    let mut agents = CoordinatorServiceClient::new(routes);
    let agent_id = format!("agent-{client}");
    let register = RegisterAgentRequest {
        agent_id: agent_id.clone(),
        slots: 10,
        ..Default::default()
    };
    let session = agents
        .register_agent(register)
        .await
        .unwrap()
        .into_inner()
        .session;
    for round in 0.. {
        if *notebook.count.borrow() >= enough {
            return;
        }
        let task_id = format!("task-{client}-{round}");
        let request = SubmitTasksRequest {
            job: None,
            tasks: vec![shell_task(&task_id, "true")],
        };
        let answer = tasks.submit_tasks(request).await.unwrap().into_inner();
        notebook.note(answer.as_of.unwrap().seq, What::Submitted, &task_id);

        let claim = ClaimRequest {
            agent_id: agent_id.clone(),
            session,
            request_id: format!("claim-{round}"),
            ..Default::default()
        };
        let answer = agents.claim(claim).await.unwrap().into_inner();
        let Some(lease) = answer.assignments.first().and_then(|given| given.lease.clone()) else {
            continue;
        };
        notebook.note(answer.as_of.unwrap().seq, What::Granted, &lease.task_id);

        let complete = CompleteRequest {
            agent_id: agent_id.clone(),
            results: vec![success(&lease, "")],
            claim_next: None,
        };
        let answer = agents.complete(complete).await.unwrap().into_inner();
        assert_eq!(answer.results[0].refusal, None);
        notebook.note(answer.as_of.unwrap().seq, What::Completed, &lease.task_id);
    }
}
