//! Inputs that programs make: a journal, calls, and what is stored.

use std::{fs, path::Path};

use bytes::Bytes;
use prost::Message;
use swarm_coordinator::journal::{Floor, Journal, Options};
use swarm_proto::v1::{
    AttemptReport, CancelTasksRequest, ClaimRequest, CompleteRequest, DeregisterAgentRequest,
    DrainAgentRequest, ExplainTaskRequest, Failure, FindIdsRequest, ForgetAgentRequest, GetAgentRequest,
    GetJobRequest, GetServerInfoRequest, GetStatusRequest, GetTaskRequest, HeartbeatRequest, LeaseRef,
    LimitQueueRequest, ListAgentsRequest, ListJobsRequest, ListQueuesRequest, ListTasksRequest, NewJob,
    Output, PauseRequest, RegisterAgentRequest, ReleaseLeaseRequest, RemoveTask, RemoveTasksRequest,
    ResumeRequest, RetryTask, RetryTasksRequest, StopAllRequest, StreamEventsRequest, SubmitTasksRequest,
    Success, UndrainAgentRequest, attempt_report::Outcome,
};
use swarm_tests::fuzz::{RECORDS, call};

use crate::harness::{
    client::{after, shell_task, with},
    workspace_root,
};

/// Each with its target and the name of its file.
pub(super) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in calls() {
        all.push(("request", name.to_owned(), bytes));
    }
    for (name, bytes) in journals() {
        all.push(("journal", name.to_owned(), bytes));
    }
    for (name, bytes) in stored() {
        all.push(("stored", name, bytes));
    }
    all
}

/// An input in the layout that `swarm_tests::fuzz` reads.
fn journals() -> [(&'static str, Vec<u8>); 3] {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 1024 };
    let mut journal = Journal::open(dir.path(), options, Floor::default())
        .unwrap()
        .journal;
    for number in 0..12_u64 {
        let events: Vec<Bytes> = (0..number % 4 + 1)
            .map(|event| format!("event {event} of entry {number} ").repeat(3).into())
            .collect();
        journal.append(1, &events).unwrap();
    }
    journal.upkeep().write_high_water().unwrap();
    drop(journal);
    let input = |flags, high_water: bool, skipped: usize| {
        let mut files: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .collect();
        files.sort();
        let mut bytes = vec![flags];
        put(
            &mut bytes,
            high_water.then(|| dir.path().join("high-water")).as_deref(),
        );
        files
            .iter()
            .skip(skipped)
            .for_each(|file| put(&mut bytes, Some(file)));
        bytes
    };
    [
        ("whole", input(0, true, 0)),
        ("resealed", input(1, false, 0)),
        ("trimmed", input(1, true, 1)),
    ]
}

fn put(bytes: &mut Vec<u8>, file: Option<&Path>) {
    let part = file.map(|file| fs::read(file).unwrap()).unwrap_or_default();
    bytes.extend(u16::try_from(part.len()).unwrap().to_le_bytes());
    bytes.extend(part);
}

/// The bytes that the coordinator's own tests keep, each behind what it is.
fn stored() -> Vec<(String, Vec<u8>)> {
    let golden = workspace_root().join("coordinator/src/stored/golden");
    let mut inputs: Vec<_> = fs::read_dir(golden)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let record = RECORDS.iter().position(|(kind, _)| name.ends_with(kind));
            assert!(
                record.is_some() || !name.ends_with("_record"),
                "{name} is not tried as what it is"
            );
            let kind = record.map_or(0, |at| u8::try_from(at + 1).unwrap());
            let digits: String = fs::read_to_string(path).unwrap().split_whitespace().collect();
            let bytes = (0..digits.len()).step_by(2);
            let bytes = bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
            (name, [kind].into_iter().chain(bytes).collect())
        })
        .collect();
    inputs.sort();
    inputs
}

const COORDINATOR: &str = "/swarm.v1.CoordinatorService/";
const TASK: &str = "/swarm.v1.TaskService/";
const AGENT: &str = "/swarm.v1.AgentService/";
const ADMIN: &str = "/swarm.v1.AdminService/";
const QUEUE: &str = "/swarm.v1.QueueService/";

fn to(service: &str, method: &str, request: &impl Message) -> Vec<u8> {
    call(&format!("{service}{method}"), request)
}

/// Inputs of several calls that follow on each other.
fn calls() -> [(&'static str, Vec<u8>); 8] {
    let submit = to(
        TASK,
        "SubmitTasks",
        &SubmitTasksRequest {
            job: Some(NewJob {
                job_id: "job-1".to_owned(),
                name: "a job".to_owned(),
                labels: [("team".to_owned(), "one".to_owned())].into(),
            }),
            tasks: vec![
                shell_task("a", "true"),
                with(shell_task("b", "true"), |spec| spec.depends_on = after(["a"])),
                with(shell_task("c", "true"), |spec| {
                    spec.priority = 7;
                    spec.queue = "gpu".to_owned();
                    spec.labels = [("kind".to_owned(), "frame".to_owned())].into();
                }),
            ],
        },
    );
    let register = to(
        COORDINATOR,
        "RegisterAgent",
        &RegisterAgentRequest {
            agent_id: "agent".to_owned(),
            name: "one".to_owned(),
            labels: [("gpu".to_owned(), "yes".to_owned())].into(),
            slots: 3,
            version: "1".to_owned(),
            ..Default::default()
        },
    );
    let claim = to(
        COORDINATOR,
        "Claim",
        &ClaimRequest {
            agent_id: "agent".to_owned(),
            max_tasks: 2,
            request_id: "claim-1".to_owned(),
            queues: vec!["default".to_owned(), "gpu".to_owned()],
            ..Default::default()
        },
    );
    let lease = |task_id: &str| {
        Some(LeaseRef {
            task_id: task_id.to_owned(),
            ..Default::default()
        })
    };
    let report = |task_id: &str, outcome| AttemptReport {
        lease: lease(task_id),
        outcome: Some(outcome),
        output: Some(Output {
            stdout: b"done".to_vec(),
            stdout_bytes: 4,
            ..Default::default()
        }),
    };
    let failure = Failure {
        reason: "exit".to_owned(),
        message: "it failed".to_owned(),
        exit_code: Some(1),
        ..Default::default()
    };
    let complete = to(
        COORDINATOR,
        "Complete",
        &CompleteRequest {
            agent_id: "agent".to_owned(),
            results: vec![
                report("a", Outcome::Success(Success {})),
                report("c", Outcome::Failure(failure)),
            ],
            claim_next: None,
        },
    );
    let heartbeat = to(
        COORDINATOR,
        "Heartbeat",
        &HeartbeatRequest {
            agent_id: "agent".to_owned(),
            leases: lease("b").into_iter().collect(),
            ..Default::default()
        },
    );
    let deregister = to(
        COORDINATOR,
        "DeregisterAgent",
        &DeregisterAgentRequest {
            agent_id: "agent".to_owned(),
            ..Default::default()
        },
    );
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let cancel = to(
        TASK,
        "CancelTasks",
        &CancelTasksRequest {
            task_ids: ids(&["c", "b", "unknown"]),
        },
    );
    let retry = to(
        TASK,
        "RetryTasks",
        &RetryTasksRequest {
            tasks: vec![RetryTask {
                task_id: "c".to_owned(),
                ..Default::default()
            }],
        },
    );
    let remove = to(
        TASK,
        "RemoveTasks",
        &RemoveTasksRequest {
            tasks: ["a", "b", "unknown"]
                .map(|id| RemoveTask {
                    task_id: id.to_owned(),
                    revision: (id == "b").then_some(3),
                })
                .into(),
        },
    );
    let list = to(
        TASK,
        "ListTasks",
        &ListTasksRequest {
            states: vec![1, 2, 3],
            page_size: 1,
            page_token: "1-00000000".to_owned(),
            labels: ids(&["kind=frame", "!spot"]),
            text: "a".to_owned(),
            newest_first: true,
            ..Default::default()
        },
    );
    let stream = to(
        COORDINATOR,
        "StreamEvents",
        &StreamEventsRequest {
            from_seq: Some(0),
            limit: 5,
            task_ids: ids(&["a"]),
            kinds: ids(&["task_submitted"]),
            ..Default::default()
        },
    );
    let all = |parts: &[&Vec<u8>]| parts.iter().flat_map(|part| part.iter().copied()).collect();
    [
        (
            "life",
            all(&[
                &submit,
                &register,
                &claim,
                &heartbeat,
                &complete,
                &claim,
                &cancel,
                &retry,
                &claim,
                &deregister,
            ]),
        ),
        ("submit", submit.clone()),
        (
            "remove",
            all(&[&submit, &register, &claim, &complete, &cancel, &remove, &remove]),
        ),
        ("list", all(&[&submit, &list])),
        ("stream", all(&[&submit, &stream])),
        (
            "look",
            all(&[
                &to(
                    TASK,
                    "GetTask",
                    &GetTaskRequest {
                        task_id: "a".to_owned(),
                    },
                ),
                &to(
                    TASK,
                    "GetJob",
                    &GetJobRequest {
                        job_id: "job-1".to_owned(),
                    },
                ),
                &to(
                    TASK,
                    "ListJobs",
                    &ListJobsRequest {
                        page_size: 3,
                        ..Default::default()
                    },
                ),
                &to(
                    TASK,
                    "ExplainTask",
                    &ExplainTaskRequest {
                        task_id: "b".to_owned(),
                    },
                ),
                &to(
                    TASK,
                    "FindIds",
                    &FindIdsRequest {
                        prefix: "a".to_owned(),
                        ..Default::default()
                    },
                ),
                &to(
                    AGENT,
                    "GetAgent",
                    &GetAgentRequest {
                        agent_id: "agent".to_owned(),
                    },
                ),
                &to(
                    AGENT,
                    "ListAgents",
                    &ListAgentsRequest {
                        page_size: 2,
                        ..Default::default()
                    },
                ),
                &to(ADMIN, "GetStatus", &GetStatusRequest {}),
                &to(ADMIN, "GetServerInfo", &GetServerInfoRequest {}),
                &to(QUEUE, "ListQueues", &ListQueuesRequest::default()),
            ]),
        ),
        (
            "hold",
            all(&[
                &register,
                &to(ADMIN, "Pause", &PauseRequest::default()),
                &claim,
                &to(ADMIN, "Resume", &ResumeRequest::default()),
                &to(
                    AGENT,
                    "DrainAgent",
                    &DrainAgentRequest {
                        agent_id: "agent".to_owned(),
                        ..Default::default()
                    },
                ),
                &to(
                    AGENT,
                    "UndrainAgent",
                    &UndrainAgentRequest {
                        agent_id: "agent".to_owned(),
                        ..Default::default()
                    },
                ),
                &to(
                    AGENT,
                    "ReleaseLease",
                    &ReleaseLeaseRequest {
                        task_id: "task".to_owned(),
                        attempt: 1,
                    },
                ),
                &to(
                    AGENT,
                    "ForgetAgent",
                    &ForgetAgentRequest {
                        agent_id: "agent".to_owned(),
                        ..Default::default()
                    },
                ),
                &to(ADMIN, "StopAll", &StopAllRequest::default()),
                &to(ADMIN, "Resume", &ResumeRequest::default()),
            ]),
        ),
        (
            "limit",
            all(&[
                &to(
                    QUEUE,
                    "LimitQueue",
                    &LimitQueueRequest {
                        queue: "gpu".to_owned(),
                        ..Default::default()
                    },
                ),
                &submit,
                &claim,
            ]),
        ),
    ]
}
