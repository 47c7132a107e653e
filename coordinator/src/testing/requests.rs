//! Requests as tests make them, with everything in them that a test does not care for.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim::Claim,
        complete::{Complete, Report, Reported},
        register::Register,
        submit::NewTask,
    },
    id::{AgentId, QueueName, ReportHash, Session, SessionToken, TaskId},
    noun::{
        lease::Proof,
        needs::{Bucket, Executor, Needs, Wants},
        outcome::{Blame, Failure, Output},
        rules::Rules,
        task::{Condition, Task},
        tries::RetryPolicy,
    },
    time::Timestamp,
};

use crate::machine::random;

pub(crate) const TTL: Duration = Duration::from_secs(90);

pub(crate) fn id(task: &str) -> TaskId {
    TaskId::stored(task)
}

pub(crate) fn agent() -> AgentId {
    AgentId::stored("agent")
}

/// Registers an agent with one slot.
pub(crate) fn registration(agent: AgentId) -> Register {
    Register {
        executors: [Executor::Command].into(),
        rules: Rules::Everything,
        agent,
        name: "agent".into(),
        labels: [].into(),
        slots: 1,
        version: "1.0.0".into(),
        held: Vec::new(),
        lease_ttl: TTL,
        jitter: 0,
        token: SessionToken([7; 16]),
        process: None,
    }
}

/// A task that waits for the success of these others.
pub(crate) fn task(name: &str, needs: &[&str]) -> NewTask {
    NewTask {
        id: id(name),
        spec: name.as_bytes().into(),
        needs: Needs::command(QueueName::stored("default")),
        bucket: Bucket(0),
        priority: 0,
        dependencies: needs
            .iter()
            .map(|need| (id(need), Condition::Succeeded))
            .collect(),
        retry: RetryPolicy {
            max_retries: 0,
            initial_backoff: Duration::from_secs(1).into(),
            max_backoff: Duration::from_secs(1).into(),
        },
        timeout: Duration::from_secs(100).into(),
        not_before: None,
        delay: None,
        deadline: None,
    }
}

/// Claims at most so many tasks.
pub(crate) fn claim_of(agent: AgentId, session: Session, most: usize) -> Claim {
    Claim {
        agent,
        session,
        wants: Wants::default(),
        request_id: "".into(),
        tokens: (0..most).map(|_| random::token()).collect(),
        lease_ttl: TTL,
    }
}

/// The lease of a granted task.
pub(crate) fn proof(task: &Task) -> Proof {
    let lease = task.lease().expect("a granted task is leased");
    Proof {
        task: task.id.clone(),
        attempt: lease.attempt,
        token: Some(lease.token),
    }
}

/// Reports the same for each of these leases.
pub(crate) fn completion(proofs: Vec<Proof>, result: &Reported) -> Complete {
    let report = |proof: Proof| Report {
        output: Arc::new(output(&proof)),
        proof,
        result: result.clone(),
        hash: ReportHash([7; 16]),
    };
    Complete {
        agent: agent(),
        reports: proofs.into_iter().map(report).collect(),
        jitter: 0,
        lease_ttl: Duration::from_secs(90),
        started: Timestamp(0),
    }
}

/// The output of every attempt.
pub(crate) fn output(proof: &Proof) -> Output {
    Output {
        stdout: format!("output of {}", proof.task).into_bytes(),
        ..Output::default()
    }
}

/// A failure of the task itself.
pub(crate) fn failure() -> Reported {
    Reported::Failure {
        failure: Failure {
            reason: "exit".into(),
            blame: Blame::Task,
            message: "".into(),
            exit_code: Some(1),
            signal: None,
        },
        retry_after: None,
    }
}
