//! Records and facts with everything set, among it secrets that must not come out; for tests only.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use swarm_engine::{
    event::{Fact, Subject},
    id::{
        AgentId, AttemptNumber, JobId, LeaseToken, Number, QueueName, ReportHash, Seq, Session, SessionToken,
        TaskId,
    },
    noun::{
        agent::Agent,
        attempt::Attempt,
        counts::Counts,
        job::Job,
        lazy_box::LazyBox,
        lease::Lease,
        needs::{Bucket, Executor, Needs},
        outcome::{Blame, Failure, Outcome, Output},
        rules::Rules,
        task::{Condition, Dependency, End, PastEnd, Phase, Task, TaskState},
        tries::RetryPolicy,
    },
    time::Timestamp,
};
use swarm_proto::v1::{self, task_spec::Work};

use crate::stored::examples;

pub(crate) const ENV_NAME: &str = "API_KEY";
pub(crate) const ENV_VALUE: &str = "hunter2-and-more";
pub(crate) const TOKEN: LeaseToken = LeaseToken(*b"\xc0lease-token-\xff\x02!");
const SESSION_TOKEN: SessionToken = SessionToken(*b"\xc0their-session\xff!");
const OLD_TOKEN: LeaseToken = LeaseToken(*b"\xc0older-token-\xff\x01!");

/// Searches an encoded message for every secret of the samples.
pub(crate) fn assert_keeps_secrets(bytes: &[u8]) {
    for secret in [&TOKEN.0[..], &OLD_TOKEN.0, &SESSION_TOKEN.0, ENV_VALUE.as_bytes()] {
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{:?} got out", String::from_utf8_lossy(secret));
    }
}

pub(crate) fn command() -> v1::Command {
    v1::Command {
        argv: vec!["make".into(), "-j2".into()],
        cwd: String::new(),
        stdin: b"input".to_vec(),
        env: [(ENV_NAME.to_owned(), ENV_VALUE.to_owned())].into(),
    }
}

pub(crate) fn spec() -> v1::TaskSpec {
    v1::TaskSpec {
        work: Some(Work::Command(command())),
        name: "Build".into(),
        ..v1::TaskSpec::default()
    }
}

pub(crate) fn failure() -> Failure {
    Failure {
        reason: "exit".into(),
        blame: Blame::Machine,
        message: "it\nbroke".into(),
        exit_code: Some(3),
        signal: Some(9),
    }
}

/// A task in its second attempt.
pub(crate) fn running() -> Task {
    Task {
        number: Number(3),
        id: TaskId::stored("build"),
        job: Some(JobId::stored("nightly")),
        spec: spec().encode_to_vec().into(),
        needs: Needs::command(QueueName::stored("default")).into(),
        bucket: Bucket(0),
        priority: 0,
        dependencies: vec![Dependency {
            task: TaskId::stored("fetch"),
            condition: Condition::Succeeded,
            met: true,
            cut: None,
        }]
        .into(),
        unmet: 0,
        retry: RetryPolicy {
            max_retries: 2,
            initial_backoff: Duration::from_secs(5).into(),
            max_backoff: Duration::from_secs(300).into(),
        },
        timeout: Duration::from_secs(3600).into(),
        times: LazyBox::default(),
        created: Timestamp(1_000),
        revision: Seq(9),
        round: 1,
        attempts: vec![Attempt {
            number: AttemptNumber(1),
            agent: AgentId::stored("old"),
            token: OLD_TOKEN,
            request_id: "r1".into(),
            round: 1,
            granted: Timestamp(2_000),
            ttl: Duration::from_secs(90),
            ends_by: Timestamp(4_000_000),
            ended: Timestamp(3_000),
            outcome: Outcome::Failed(failure()),
            report: Some(ReportHash([1; 16])),
            stdout_bytes: 1,
            stdout_kept: 1,
            stderr_bytes: 2,
        }]
        .into(),
        attempt_count: AttemptNumber(2),
        tries: LazyBox::default(),
        phase: Phase::Running(Box::new(lease())),
    }
}

/// The running task, and what may become of it.
pub(crate) fn tasks() -> [Task; 3] {
    let ended = Phase::ended(End::Succeeded, Timestamp(9_000));
    let pending = Phase::Pending {
        due: Some(Timestamp(9_000)),
    };
    [
        running(),
        Task {
            phase: ended,
            ..running()
        },
        Task {
            phase: pending,
            ..running()
        },
    ]
}

pub(crate) fn subject() -> Subject {
    Subject::of(&running())
}

pub(crate) fn agent() -> Agent {
    Agent {
        executors: [Executor::Command].into(),
        rules: Rules::Everything,
        id: AgentId::stored("k3x9"),
        name: "lab\u{1b}[2J".into(),
        labels: [("os".to_owned(), "linux".to_owned())].into(),
        slots: 4,
        version: "0.1.0".into(),
        session: Session(2),
        history: "".into(),
        token: Some(SESSION_TOKEN),
        registered: Timestamp(500),
        gone: false,
        lost: None,
        changed: Timestamp(1_000),
        process: None,
        twin: None,
    }
}

/// A fact of each kind, in the order of [`Fact::KINDS`]: the stored example, or one of our own in its place.
pub(crate) fn facts() -> impl Iterator<Item = Fact> {
    let mut own: BTreeMap<&str, Fact> = own_facts().map(|fact| (fact.kind(), fact)).into();
    let examples = examples::events().into_iter().map(|example| example.fact);
    examples.map(move |example| own.remove(example.kind()).unwrap_or(example))
}

/// Facts with secrets, and with names and messages that would steer a terminal.
fn own_facts() -> [Fact; 6] {
    let job = Job {
        number: Number(2),
        id: JobId::stored("nightly"),
        name: "Ni\nghtly".into(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        task_count: 2,
        created: Timestamp(1_000),
        ended: Counts::default(),
    };
    let output = Output {
        stdout: b"out".to_vec(),
        stderr: Vec::new(),
        stdout_bytes: 8,
        ..Output::default()
    };
    [
        Fact::JobSubmitted(job.into()),
        Fact::TaskSubmitted(running().into()),
        Fact::LeaseGranted {
            task: subject(),
            lease: lease(),
        },
        Fact::AttemptFailed {
            task: subject(),
            attempt: AttemptNumber(2),
            agent: AgentId::stored("k3x9"),
            failure: failure(),
            due: Some(Timestamp(7_000)),
            report: ReportHash([2; 16]),
            output: output.into(),
        },
        Fact::TaskRetried {
            record: Task {
                round: 2,
                ..running()
            }
            .into(),
            was: PastEnd {
                state: TaskState::Failed,
                at: Timestamp(4_000),
            },
            because: Some(TaskId::stored("fetch")),
        },
        Fact::AgentRegistered(agent().into()),
    ]
}

fn lease() -> Lease {
    Lease {
        attempt: AttemptNumber(2),
        agent: AgentId::stored("k3x9"),
        token: TOKEN,
        request_id: "r2".into(),
        granted: Timestamp(4_000),
        ttl: Duration::from_secs(90),
        // An hour and three TTLs.
        ends_by: Timestamp(3_874_000),
        cancel_asked: false,
    }
}
