//! How long a task takes from its submit to an agent that waits for it, and how long the submit itself takes.
//!
//! ```text
//! cargo bench -p swarm-tests --bench dispatch
//! ```
//!
//! One task at a time, on two connections: both the submission and the grant are on disk before the agent has the task.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

#[allow(dead_code, reason = "shared with the tests, which need more of it")]
#[path = "../harness/mod.rs"]
mod harness;

use std::time::{Duration, Instant};

use swarm_proto::{
    channel::{self, Address},
    v1::{
        AttemptReport, ClaimRequest, Command, CompleteRequest, GetStatusRequest, NewTask,
        RegisterAgentRequest, SubmitTasksRequest, Success, TaskSpec,
        admin_service_client::AdminServiceClient, attempt_report::Outcome,
        coordinator_service_client::CoordinatorServiceClient, task_service_client::TaskServiceClient,
        task_spec::Work,
    },
};
use tempfile::TempDir;
use tonic::transport::Channel;

use self::harness::coordinator::Coordinator;

const TASKS: usize = 5_000;
const AGENT: &str = "bench";
/// Longer than any task is waited for.
const WAIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    // On the disk where everything is built: a directory in memory syncs nothing.
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let coordinator = Coordinator::with_flags_and_disk(dir, &[], None);
    let address: Address = coordinator.address().parse().unwrap();
    let connect = || channel::open(&address).unwrap();
    let (submits, dispatches) = measure(connect(), connect()).await;
    println!("{TASKS} tasks, one at a time");
    println!("{:>28}{:>10}{:>10}", "p50", "p99", "p99.9");
    for (what, mut took) in [("submit", submits), ("submit to agent", dispatches)] {
        took.sort();
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
        println!(
            "{what:<18}{:>7.2} ms{:>7.2} ms{:>7.2} ms",
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }
}

async fn measure(submitter: Channel, agent: Channel) -> (Vec<Duration>, Vec<Duration>) {
    let mut tasks = TaskServiceClient::new(submitter);
    let mut agents = AdminServiceClient::new(agent.clone());
    let mut coordinator = CoordinatorServiceClient::new(agent);
    let registration = RegisterAgentRequest {
        agent_id: AGENT.to_owned(),
        name: AGENT.to_owned(),
        slots: 1,
        version: "bench".to_owned(),
        ..Default::default()
    };
    let registered = coordinator.register_agent(registration).await.unwrap();
    let session = registered.into_inner().session;
    let (mut submits, mut dispatches) = (Vec::with_capacity(TASKS), Vec::with_capacity(TASKS));
    for number in 0..TASKS {
        let claim = ClaimRequest {
            agent_id: AGENT.to_owned(),
            session,
            max_tasks: 1,
            wait: Some(WAIT.try_into().unwrap()),
            request_id: format!("claim-{number}"),
            ..Default::default()
        };
        let mut claimer = coordinator.clone();
        let claiming = tokio::spawn(async move {
            let claimed = claimer.claim(claim).await.unwrap();
            (claimed.into_inner().assignments, Instant::now())
        });
        // On the same connection, behind the claim: once this is answered, the claim waits.
        agents.get_status(GetStatusRequest::default()).await.unwrap();
        let begun = Instant::now();
        tasks.submit_tasks(submit(number)).await.unwrap();
        submits.push(begun.elapsed());
        let (mut assignments, at) = claiming.await.unwrap();
        dispatches.push(at - begun);
        let report = AttemptReport {
            lease: assignments.pop().unwrap().lease,
            outcome: Some(Outcome::Success(Success {})),
            ..Default::default()
        };
        let complete = CompleteRequest {
            agent_id: AGENT.to_owned(),
            results: vec![report],
            claim_next: None,
        };
        coordinator.complete(complete).await.unwrap();
    }
    let status = agents.get_status(GetStatusRequest::default()).await;
    let counts = status.unwrap().into_inner().tasks;
    let done = counts.map_or(0, |counts| counts.succeeded);
    assert_eq!(done, TASKS as u64, "every task was done once");
    (submits, dispatches)
}

/// One task with a command of 300 bytes.
fn submit(number: usize) -> SubmitTasksRequest {
    let command = Command {
        argv: vec!["true".to_owned(), "x".repeat(295)],
        ..Default::default()
    };
    SubmitTasksRequest {
        job: None,
        tasks: vec![NewTask {
            task_id: format!("task-{number}"),
            spec: Some(TaskSpec {
                work: Some(Work::Command(command)),
                ..Default::default()
            }),
        }],
    }
}
