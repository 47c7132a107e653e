//! Records and facts with everything set, among it secrets that must not come out; for tests only.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use swarm_engine::{
    event::{CancelledAttempt, Fact, Subject},
    id::{AgentId, AttemptNumber, JobId, LeaseToken, Number, QueueName, ReportHash, Seq, Session, TaskId},
    noun::{
        agent::Agent,
        attempt::Attempt,
        counts::Counts,
        hold::{Hold, HoldKind, Scope},
        job::Job,
        lazy_box::LazyBox,
        lease::Lease,
        needs::{Bucket, Executor, Needs},
        outcome::{Blame, Failure, Loss, Outcome, Output},
        task::{Condition, Dependency, End, PastEnd, Phase, Task, TaskState},
        tries::RetryPolicy,
    },
    time::Timestamp,
};
use swarm_proto::v1::{self, task_spec::Work};

pub(crate) const ENV_NAME: &str = "API_KEY";
pub(crate) const ENV_VALUE: &str = "hunter2-and-more";
pub(crate) const TOKEN: LeaseToken = LeaseToken(*b"\xc0lease-token-\xff\x02!");
const OLD_TOKEN: LeaseToken = LeaseToken(*b"\xc0older-token-\xff\x01!");

/// Searches an encoded message for every secret of the samples.
pub(crate) fn assert_keeps_secrets(bytes: &[u8]) {
    for secret in [&TOKEN.0[..], &OLD_TOKEN.0, ENV_VALUE.as_bytes()] {
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
        id: AgentId::stored("k3x9"),
        name: "lab\u{1b}[2J".into(),
        labels: [("os".to_owned(), "linux".to_owned())].into(),
        slots: 4,
        version: "0.1.0".into(),
        session: Session(2),
        registered: Timestamp(500),
        gone: false,
    }
}

/// Every kind of fact in the order of [`Fact::KINDS`]; one of them twice in a row.
pub(crate) fn facts() -> impl Iterator<Item = Fact> {
    let (attempt, agent) = (AttemptNumber(2), AgentId::stored("k3x9"));
    let (due, report, fetch) = (
        Some(Timestamp(7_000)),
        ReportHash([2; 16]),
        TaskId::stored("fetch"),
    );
    let output = Arc::new(Output {
        stdout: b"out".to_vec(),
        stderr: Vec::new(),
        stdout_bytes: 8,
        stderr_bytes: 0,
    });
    let job = Job {
        number: Number(2),
        id: JobId::stored("nightly"),
        name: "Ni\nghtly".into(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        task_count: 2,
        created: Timestamp(1_000),
        ended: Counts::default(),
    };
    let cancelled = CancelledAttempt {
        number: attempt,
        agent: agent.clone(),
        outcome: Outcome::Cancelled,
        report: Some(report),
        output: output.clone(),
    };
    let removed = subject();
    let task = subject;
    let agent = || agent.clone();
    [
        Fact::CoordinatorStarted {
            epoch: 3,
            version: "0.1.0".into(),
            cluster_id: "c".into(),
            history: "h1".into(),
        },
        Fact::JobSubmitted(job.into()),
        Fact::TaskSubmitted(running().into()),
        Fact::DependencyMet {
            task: task(),
            dependency: fetch.clone(),
            unmet: 1,
        },
        Fact::TaskDue { task: task() },
        Fact::LeaseGranted {
            task: task(),
            lease: lease(),
        },
        Fact::LeaseExpired {
            task: task(),
            attempt,
            agent: agent(),
            cause: Loss::Silent,
            due,
        },
        Fact::LeaseResumed {
            task: task(),
            attempt,
            agent: agent(),
        },
        Fact::LeaseReleased {
            refused: false,
            task: task(),
            attempt,
            agent: agent(),
            reason: "full".into(),
            report,
        },
        Fact::AttemptFailed {
            task: task(),
            attempt,
            agent: agent(),
            failure: failure(),
            due,
            report,
            output: output.clone(),
        },
        Fact::TaskSucceeded {
            task: task(),
            attempt,
            agent: agent(),
            late: true,
            report,
            output,
        },
        Fact::TaskFailed {
            task: task(),
            reason: "no tries left".into(),
        },
        Fact::CancelRequested {
            task: task(),
            attempt,
            agent: agent(),
        },
        Fact::TaskCancelled {
            task: task(),
            attempt: None,
        },
        Fact::TaskCancelled {
            task: task(),
            attempt: Some(cancelled),
        },
        Fact::TaskSkipped {
            task: task(),
            because: fetch.clone(),
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
            because: Some(fetch),
        },
        Fact::TaskRemoved {
            task: removed,
            was: PastEnd {
                state: TaskState::Failed,
                at: Timestamp(4_000),
            },
        },
        Fact::JobRemoved {
            number: Number(2),
            job: JobId::stored("nightly"),
        },
        Fact::HoldPlaced(hold().into()),
        Fact::HoldLifted {
            hold: hold().into(),
            actor: "bob@desk".into(),
        },
        Fact::QueueLimited {
            queue: QueueName::stored("nightly"),
            max_running: Some(4),
            actor: "ann@laptop".into(),
        },
        Fact::AgentRegistered(self::agent().into()),
        Fact::AgentDeregistered { agent: agent() },
    ]
    .into_iter()
}

fn lease() -> Lease {
    Lease {
        attempt: AttemptNumber(2),
        agent: AgentId::stored("k3x9"),
        token: TOKEN,
        request_id: "r2".into(),
        granted: Timestamp(4_000),
        ttl: Duration::from_secs(90),
        ends_by: Timestamp(5_000_000),
        cancel_asked: false,
    }
}

pub(crate) fn hold() -> Hold {
    Hold {
        scope: Scope::Agent(AgentId::stored("lab-2")),
        kind: HoldKind::Drain { deadline: None },
        actor: "ann@laptop".into(),
        reason: "maintenance".into(),
        placed: Timestamp(1_700_000_000_000),
    }
}
