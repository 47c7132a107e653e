//! Events and records with every field set, one of each kind. The golden files have their bytes.

mod agents;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    event::{CancelledAttempt, Event, Fact, Subject},
    id::{AgentId, AttemptNumber, GroupName, JobId, LeaseToken, Number, QueueName, ReportHash, Seq, TaskId},
    noun::{
        agent::AgentLoss,
        attempt::Attempt,
        counts::Counts,
        cut::Cut,
        hold::{Hold, HoldKind, Scope},
        job::Job,
        lazy_box::LazyBox,
        lease::Lease,
        needs::{Bucket, Class, Executor, Needs},
        outcome::{Blame, Failure, Loss, Outcome, Output},
        queue::QueueLimit,
        rules::Program,
        selector::Selector,
        task::{Condition, Dependency, PastEnd, Phase, Task, TaskState, Times},
        tries::{RetryPolicy, Tries},
    },
    time::{Clocks, Timestamp},
};

use self::agents::{agent_of_a_history, copied_agent, gifted_agent, left_agent, lost_agent, strict_agent};
use super::{
    StoredError, decode_agent, decode_ended, decode_hold, decode_job, decode_limit, decode_output,
    decode_task, encode_agent, encode_ended, encode_hold, encode_job, encode_limit, encode_output,
    encode_task,
};

pub(super) use self::agents::agent;

/// One event of each kind, in the order of [`Fact::KINDS`].
pub(crate) fn events() -> Vec<Event> {
    let attempt = AttemptNumber(4);
    let facts = vec![
        Fact::CoordinatorStarted {
            epoch: 3,
            version: "0.1.0".into(),
            cluster_id: "k7wq2m".into(),
            history: "h4t9zd".into(),
            clocks: None,
            sets_time_back: false,
        },
        Fact::JobSubmitted(Arc::new(Job {
            ended: Counts::default(),
            ..job()
        })),
        Fact::TaskSubmitted(Arc::new(task())),
        Fact::DependencyMet {
            task: subject(),
            dependency: TaskId::stored("fetch-1"),
            unmet: 1,
            cut: None,
        },
        Fact::TaskDue { task: subject() },
        Fact::LeaseGranted {
            task: subject(),
            lease: lease(),
        },
        Fact::LeaseExpired {
            task: subject(),
            attempt,
            agent: agent_id(),
            cause: Loss::Silent,
            due: Some(Timestamp(1_700_000_065_000)),
        },
        Fact::LeaseResumed {
            task: subject(),
            attempt,
            agent: agent_id(),
        },
        Fact::LeaseReleased {
            refused: false,
            task: subject(),
            attempt,
            agent: agent_id(),
            reason: "the machine is needed".into(),
            report: report(),
        },
        Fact::AttemptFailed {
            task: subject(),
            attempt,
            agent: agent_id(),
            failure: failure(),
            due: Some(Timestamp(1_700_000_065_000)),
            report: report(),
            output: Arc::new(output()),
        },
        Fact::TaskSucceeded {
            task: subject(),
            attempt,
            agent: agent_id(),
            late: true,
            report: report(),
            output: Arc::new(output()),
        },
        Fact::TaskFailed {
            task: subject(),
            reason: "failed 3 times".into(),
        },
        Fact::CancelRequested {
            task: subject(),
            attempt,
            agent: agent_id(),
        },
        Fact::TaskCancelled {
            task: subject(),
            attempt: Some(cancelled_attempt()),
        },
        Fact::TaskSkipped {
            task: subject(),
            because: TaskId::stored("fetch-1"),
        },
        Fact::TaskRetried {
            record: Arc::new(task()),
            was: PastEnd {
                state: TaskState::Failed,
                at: Timestamp(1_700_000_050_000),
            },
            because: Some(TaskId::stored("fetch-1")),
        },
        Fact::TaskRemoved {
            task: subject(),
            was: PastEnd {
                state: TaskState::Cancelled,
                at: Timestamp(1_699_000_000_000),
            },
        },
        Fact::JobRemoved {
            number: Number(800),
            job: JobId::stored("survey"),
        },
        Fact::HoldPlaced(Arc::new(hold())),
        Fact::HoldLifted {
            hold: Arc::new(hold()),
            actor: "bob@desk".into(),
        },
        Fact::QueueLimited {
            queue: QueueName::stored("nightly"),
            max_running: Some(4),
            actor: "ann@laptop".into(),
        },
        Fact::AgentRegistered(Arc::new(agent())),
        Fact::AgentDeregistered { agent: agent_id() },
        Fact::AgentForgotten {
            agent: agent_id(),
            actor: "ann@laptop".into(),
        },
        Fact::AgentRemoved { agent: agent_id() },
        Fact::TwinRefused {
            agent: agent_id(),
            host: "lab-2-copy".into(),
        },
        Fact::AgentLost {
            agent: agent_id(),
            cause: AgentLoss::Died,
        },
        Fact::AgentReturned { agent: agent_id() },
    ];
    facts.into_iter().map(event).collect()
}

/// A record with its bytes.
pub(super) struct Record {
    /// The name of its golden file.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) is_read_from: IsReadFrom,
}

/// Whether a record is read from some bytes.
type IsReadFrom = Box<dyn Fn(&[u8]) -> bool>;

/// Records of each kind.
pub(super) fn records() -> Vec<Record> {
    vec![
        record("task_record", task(), encode_task, decode_task),
        record(
            "demanding_task_record",
            demanding_task(),
            encode_task,
            decode_task,
        ),
        record("fed_task_record", fed_task(), encode_task, decode_task),
        record("job_record", job(), encode_job, decode_job),
        record("agent_record", agent(), encode_agent, decode_agent),
        record("gifted_agent_record", gifted_agent(), encode_agent, decode_agent),
        record("left_agent_record", left_agent(), encode_agent, decode_agent),
        record(
            "restored_agent_record",
            agent_of_a_history(),
            encode_agent,
            decode_agent,
        ),
        record("lost_agent_record", lost_agent(), encode_agent, decode_agent),
        record("copied_agent_record", copied_agent(), encode_agent, decode_agent),
        record("strict_agent_record", strict_agent(), encode_agent, decode_agent),
        record("output_record", output(), encode_output, decode_output),
        record(
            "files_output_record",
            output_with_files(),
            encode_output,
            decode_output,
        ),
        record("hold_record", hold(), encode_hold, decode_hold),
        record("queue_limit_record", limit(), encode_limit, decode_limit),
        record("ended_counts", job().ended, encode_ended, decode_ended),
        record(
            "start_that_sets_the_time_back",
            start(),
            encode_start,
            decode_start,
        ),
    ]
}

fn record<T: PartialEq + 'static>(
    name: &'static str,
    record: T,
    encode: fn(&T) -> Vec<u8>,
    decode: fn(&[u8]) -> Result<T, StoredError>,
) -> Record {
    Record {
        name,
        bytes: encode(&record),
        is_read_from: Box::new(move |bytes| decode(bytes).is_ok_and(|read| read == record)),
    }
}

/// A start that notes its machine's clocks, and sets the time back to them.
fn start() -> Event {
    event(Fact::CoordinatorStarted {
        epoch: 4,
        version: "0.1.0".into(),
        cluster_id: "k7wq2m".into(),
        history: "h4t9zd".into(),
        clocks: Some(Clocks {
            wall: Timestamp(1_700_000_000_000),
            boot: "5f0c7f0e-2d6b-4a0e-9a55-1f0d7c1f3b61".into(),
            since_boot: Duration::from_millis(86_400_123),
        }),
        sets_time_back: true,
    })
}

fn encode_start(event: &Event) -> Vec<u8> {
    super::encode(event).to_vec()
}

fn decode_start(bytes: &[u8]) -> Result<Event, StoredError> {
    super::decode(
        event(Fact::TaskDue { task: subject() }).seq,
        bytes.to_vec().into(),
    )
}

pub(super) fn event(fact: Fact) -> Event {
    Event {
        seq: Seq(900),
        time: Timestamp(1_700_000_060_000),
        fact,
    }
}

pub(super) fn subject() -> Subject {
    Subject {
        number: Number(812),
        id: TaskId::stored("count-7"),
        job: Some(JobId::stored("survey")),
    }
}

/// A running task that was tried before in every way but succeeding.
pub(super) fn task() -> Task {
    Task {
        number: Number(812),
        id: TaskId::stored("count-7"),
        job: Some(JobId::stored("survey")),
        spec: Arc::from(*b"\x0a\x08the spec"),
        needs: Needs::command(QueueName::stored("nightly")).into(),
        bucket: Bucket(0),
        priority: -7,
        dependencies: vec![
            Dependency {
                task: TaskId::stored("fetch-1"),
                condition: Condition::Succeeded,
                met: true,
                cut: None,
            },
            Dependency {
                task: TaskId::stored("fetch-2"),
                condition: Condition::Finished,
                met: false,
                cut: None,
            },
        ]
        .into(),
        unmet: 1,
        retry: RetryPolicy {
            max_retries: 2,
            initial_backoff: Duration::from_secs(5).into(),
            max_backoff: Duration::from_secs(300).into(),
        },
        timeout: Duration::from_secs(3_600).into(),
        times: LazyBox::from(Times {
            not_before: Some(Timestamp(1_700_000_300_000)),
            deadline: Some(Timestamp(1_700_086_400_000)),
        }),
        created: Timestamp(1_700_000_000_000),
        revision: Seq(899),
        round: 2,
        attempts: vec![
            attempt(1, Outcome::Lost(Loss::Silent)),
            attempt(2, Outcome::Failed(failure())),
            attempt(
                3,
                Outcome::Released {
                    refused: false,
                    reason: "the machine is needed".into(),
                },
            ),
        ]
        .into(),
        attempt_count: AttemptNumber(4),
        tries: Tries {
            failures: 1,
            losses: 2,
            provider_limits: 3,
            undelivered: 4,
            lost_on: vec![AgentId::stored("lab-1"), AgentId::stored("lab-2")],
        }
        .into(),
        phase: Phase::Running(Box::new(lease())),
    }
}

pub(super) fn attempt(number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        number: AttemptNumber(number),
        agent: agent_id(),
        token: LeaseToken([0xA0; 16]),
        request_id: "claim-17".into(),
        round: 2,
        granted: Timestamp(1_700_000_010_000),
        ttl: Duration::from_secs(90),
        ends_by: Timestamp(1_700_003_790_000),
        ended: Timestamp(1_700_000_020_000),
        outcome,
        report: Some(report()),
        stdout_bytes: 70_000,
        stdout_kept: 65_536,
        stderr_bytes: 12,
    }
}

pub(super) fn lease() -> Lease {
    Lease {
        attempt: AttemptNumber(4),
        agent: agent_id(),
        token: LeaseToken([0xB0; 16]),
        request_id: "claim-18".into(),
        granted: Timestamp(1_700_000_030_000),
        ttl: Duration::from_secs(90),
        ends_by: Timestamp(1_700_003_810_000),
        cancel_asked: true,
    }
}

pub(super) fn failure() -> Failure {
    Failure {
        reason: "exit".into(),
        blame: Blame::Task,
        message: "it ended with code -3".into(),
        exit_code: Some(-3),
        signal: Some(9),
    }
}

pub(super) fn cancelled_attempt() -> CancelledAttempt {
    CancelledAttempt {
        number: AttemptNumber(4),
        agent: agent_id(),
        outcome: Outcome::Failed(failure()),
        report: Some(report()),
        output: Arc::new(output()),
    }
}

pub(super) fn output() -> Output {
    Output {
        stdout: b"42\n\xff".to_vec(),
        stderr: b"slow disk\n".to_vec(),
        stdout_bytes: 70_000,
        stderr_bytes: 12,
        ..Output::default()
    }
}

/// The output of an attempt whose files were removed.
fn output_with_files() -> Output {
    Output {
        removed_files: 2,
        removed_bytes: 70_000,
        ..output()
    }
}

/// A task that only some agents may run, and one of them has refused.
pub(super) fn demanding_task() -> Task {
    let mut task = task();
    task.needs = Arc::new(Needs {
        class: Class {
            queue: QueueName::stored("nightly"),
            executor: Executor::Prompt,
            selector: Selector::parse(&["gpu=a100", "!spot"]).expect("good terms"),
        },
        program: Program::Unnamed,
        group: Some(GroupName::stored("the-repository")),
    });
    task.bucket = Bucket(201);
    if let Some(last) = task.attempts.last_mut() {
        last.outcome = Outcome::Released {
            reason: "not on this machine".into(),
            refused: true,
        };
    }
    task
}

/// A task that is given the end of a long output, and whose own was cut at a line.
fn fed_task() -> Task {
    let mut task = task();
    for dependency in task.dependencies.iter_mut().filter(|each| each.met) {
        dependency.cut = Cut::of(588_895, 65_530).map(Box::new);
    }
    if let Some(last) = task.attempts.last_mut() {
        last.stdout_kept = 65_530;
    }
    task
}

pub(super) fn hold() -> Hold {
    Hold {
        scope: Scope::Agent(agent_id()),
        kind: HoldKind::Drain {
            deadline: Some(Timestamp(1_700_000_300_000)),
        },
        actor: "ann@laptop".into(),
        reason: "maintenance".into(),
        placed: Timestamp(1_700_000_000_000),
    }
}

pub(super) fn limit() -> QueueLimit {
    QueueLimit {
        queue: QueueName::stored("nightly"),
        max_running: 4,
        actor: "ann@laptop".into(),
    }
}

pub(super) fn job() -> Job {
    Job {
        number: Number(800),
        id: JobId::stored("survey"),
        name: "Survey of crates".into(),
        labels: labels(),
        task_count: 40,
        created: Timestamp(1_700_000_000_000),
        ended: Counts::from_iter([
            (TaskState::Succeeded, 20),
            (TaskState::Failed, 3),
            (TaskState::Cancelled, 2),
            (TaskState::Skipped, 300),
        ]),
    }
}

fn labels() -> BTreeMap<String, String> {
    // Not in alphabetical order.
    [("zone", "b"), ("arch", "x86_64"), ("owner", "ada")]
        .map(|(key, value)| (key.into(), value.into()))
        .into()
}

fn agent_id() -> AgentId {
    AgentId::stored("lab-2")
}

fn report() -> ReportHash {
    ReportHash([0xC0; 16])
}
