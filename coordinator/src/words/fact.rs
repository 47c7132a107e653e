//! What happened, told twice: in one line for people, and as a message.

use swarm_engine::{
    event::Fact,
    noun::{agent::AgentLoss, hold::Scope, outcome::Outcome},
    time::Timestamp,
};
use swarm_proto::v1::{self, event::Payload};

use super::{hold::done_by, names::Names};
use crate::wire::{
    agent::agent_loss_word,
    attempt::{blame_message, explain_loss, loss_word, outcome_message},
    hold::hold_message,
    spec,
    state::state_message,
    task::cut_input_message,
    time::timestamp,
};

/// The fact in one line, with these names and with text as others sent it, and as a message without tokens and
/// environment values.
pub(super) fn describe(fact: &Fact, names: &Names) -> (String, Payload) {
    match fact {
        Fact::CoordinatorStarted {
            epoch,
            version,
            cluster_id: _,
            history: _,
            clocks: _,
            sets_time_back,
        } => (
            format!(
                "coordinator {version} started, epoch {epoch}{}",
                if *sets_time_back {
                    ", and set the time back"
                } else {
                    ""
                }
            ),
            Payload::CoordinatorStarted(v1::CoordinatorStarted {
                epoch: *epoch,
                version: version.to_string(),
            }),
        ),
        Fact::JobSubmitted(job) => (
            format!(
                "job {}{} was submitted with {}",
                job.id,
                in_brackets(&job.name),
                counted(job.task_count, "task")
            ),
            Payload::JobSubmitted(v1::JobSubmitted {
                name: job.name.to_string(),
                task_count: job.task_count,
            }),
        ),
        Fact::TaskSubmitted(task) => (
            format!(
                "task {} was submitted and is {}",
                names.task(&task.id),
                task.state()
            ),
            Payload::TaskSubmitted(v1::TaskSubmitted {
                spec: Some(spec::masked(&task.spec)),
                state: state_message(task.state()).into(),
            }),
        ),
        Fact::DependencyMet {
            task,
            dependency,
            unmet,
            cut,
        } => (
            format!(
                "task {} waits no longer for {}{}; {unmet} left to wait for",
                names.task(&task.id),
                names.task(dependency),
                cut.map_or("", |_| ", whose output is cut")
            ),
            Payload::DependencyMet(v1::DependencyMet {
                dependency_id: dependency.to_string(),
                unmet: *unmet,
                cut: cut.map(|cut| cut_input_message(dependency, cut)),
            }),
        ),
        Fact::TaskDue { task } => (
            format!("task {} is due", names.task(&task.id)),
            Payload::TaskDue(v1::TaskDue {}),
        ),
        Fact::LeaseGranted { task, lease } => (
            format!(
                "task {} started attempt {} on agent {}",
                names.task(&task.id),
                lease.attempt.0,
                names.agent(&lease.agent)
            ),
            Payload::LeaseGranted(v1::LeaseGranted {
                expire_time: Some(timestamp(lease.granted + lease.ttl)),
                end_time: Some(timestamp(lease.ends_by)),
            }),
        ),
        Fact::LeaseExpired {
            task,
            attempt,
            agent,
            cause,
            due,
        } => {
            let (why, again) = (explain_loss(*cause), again(*due));
            (
                format!(
                    "task {} lost attempt {} on agent {}: {why}{again}",
                    names.task(&task.id),
                    attempt.0,
                    names.agent(agent)
                ),
                Payload::LeaseExpired(v1::LeaseExpired {
                    cause: loss_word(*cause).to_owned(),
                    due_time: due.map(timestamp),
                }),
            )
        }
        Fact::LeaseResumed { task, attempt, agent } => (
            format!(
                "task {} resumed attempt {} on agent {}",
                names.task(&task.id),
                attempt.0,
                names.agent(agent)
            ),
            Payload::LeaseResumed(v1::LeaseResumed {}),
        ),
        Fact::LeaseReleased {
            task,
            attempt,
            agent,
            reason,
            refused,
            report: _,
        } => (
            format!(
                "task {} was {} in attempt {} by agent {}{}",
                names.task(&task.id),
                if *refused { "refused" } else { "given back" },
                attempt.0,
                names.agent(agent),
                after_colon(reason)
            ),
            Payload::LeaseReleased(v1::LeaseReleased {
                reason: reason.to_string(),
            }),
        ),
        Fact::AttemptFailed {
            task,
            attempt,
            agent,
            failure,
            due,
            report: _,
            output,
        } => {
            let (reason, message, again) = (
                after_colon(&failure.reason),
                after_colon(&failure.message),
                again(*due),
            );
            (
                format!(
                    "task {} failed attempt {} on agent {}{again}{reason}{message}",
                    names.task(&task.id),
                    attempt.0,
                    names.agent(agent)
                ),
                Payload::AttemptFailed(v1::AttemptFailed {
                    reason: failure.reason.to_string(),
                    blame: blame_message(failure.blame).into(),
                    message: failure.message.to_string(),
                    exit_code: failure.exit_code,
                    signal: failure.signal,
                    due_time: due.map(timestamp),
                    stdout_bytes: output.stdout_bytes,
                    stderr_bytes: output.stderr_bytes,
                }),
            )
        }
        Fact::TaskSucceeded {
            task,
            attempt,
            agent,
            late,
            report: _,
            output,
        } => {
            let lateness = if *late {
                ", reported after its lease had expired"
            } else {
                ""
            };
            (
                format!(
                    "task {} succeeded in attempt {} on agent {}{lateness}",
                    names.task(&task.id),
                    attempt.0,
                    names.agent(agent)
                ),
                Payload::TaskSucceeded(v1::TaskSucceeded {
                    late: *late,
                    stdout_bytes: output.stdout_bytes,
                    stderr_bytes: output.stderr_bytes,
                }),
            )
        }
        Fact::TaskFailed { task, reason } => (
            format!("task {} failed{}", names.task(&task.id), after_colon(reason)),
            Payload::TaskFailed(v1::TaskFailed {
                reason: reason.to_string(),
            }),
        ),
        Fact::CancelRequested { task, attempt, agent } => (
            format!(
                "task {} is to be cancelled in attempt {} on agent {}",
                names.task(&task.id),
                attempt.0,
                names.agent(agent)
            ),
            Payload::CancelRequested(v1::CancelRequested {}),
        ),
        Fact::TaskCancelled { task, attempt } => {
            let outcome = attempt.as_ref().map(|attempt| outcome_message(&attempt.outcome));
            let work = attempt
                .as_ref()
                .map(|attempt| format!("; attempt {} {}", attempt.number.0, had_come_to(&attempt.outcome)))
                .unwrap_or_default();
            (
                format!("task {} was cancelled{work}", names.task(&task.id)),
                Payload::TaskCancelled(v1::TaskCancelled {
                    outcome: outcome.unwrap_or_default().into(),
                }),
            )
        }
        Fact::TaskSkipped { task, because } => (
            format!(
                "task {} was skipped because {} did not succeed",
                names.task(&task.id),
                names.task(because)
            ),
            Payload::TaskSkipped(v1::TaskSkipped {
                dependency_id: because.to_string(),
            }),
        ),
        Fact::TaskRetried {
            record,
            was: _,
            because,
        } => {
            let cause = because
                .as_ref()
                .map(|id| format!(" because {} was retried", names.task(id)))
                .unwrap_or_default();
            (
                format!(
                    "task {} began round {}{cause}",
                    names.task(&record.id),
                    record.round
                ),
                Payload::TaskRetried(v1::TaskRetried {
                    round: record.round,
                    dependency_id: because.as_ref().map(ToString::to_string).unwrap_or_default(),
                }),
            )
        }
        Fact::TaskRemoved { task, was } => (
            format!(
                "task {} was removed: it is {} since {}",
                names.task(&task.id),
                was.state,
                timestamp(was.at)
            ),
            Payload::TaskRemoved(v1::TaskRemoved {
                state: state_message(was.state).into(),
                end_time: Some(timestamp(was.at)),
            }),
        ),
        Fact::JobRemoved { number: _, job } => (
            format!("job {job} was removed with its last task"),
            Payload::JobRemoved(v1::JobRemoved {}),
        ),
        Fact::HoldPlaced(hold) => (
            format!("{} {}", held(&hold.scope, names), done_by(hold)),
            Payload::HoldPlaced(v1::HoldPlaced {
                hold: Some(hold_message(hold)),
            }),
        ),
        Fact::HoldLifted { hold, actor } => (
            format!(
                "work is given again: the hold on {} was lifted{}",
                held(&hold.scope, names),
                by(actor)
            ),
            Payload::HoldLifted(v1::HoldLifted {
                hold: Some(hold_message(hold)),
                actor: actor.to_string(),
            }),
        ),
        Fact::QueueLimited {
            queue,
            max_running,
            actor,
        } => (
            match max_running {
                Some(1) => format!("at most 1 task of queue {queue} runs at a time{}", by(actor)),
                Some(most) => format!("at most {most} tasks of queue {queue} run at a time{}", by(actor)),
                None => format!("any number of tasks of queue {queue} may run{}", by(actor)),
            },
            Payload::QueueLimited(v1::QueueLimited {
                queue: queue.to_string(),
                max_running: *max_running,
                actor: actor.to_string(),
            }),
        ),
        Fact::AgentRegistered(agent) => (
            format!(
                "agent {} registered{} with {}",
                match names.agents.contains_key(&agent.id) {
                    true => names.agent(&agent.id),
                    false => format!("{}{}", agent.id, in_brackets(&agent.name)),
                },
                agent
                    .process
                    .as_ref()
                    .map(|process| on_host(&process.host))
                    .unwrap_or_default(),
                counted(agent.slots, "slot")
            ),
            Payload::AgentRegistered(v1::AgentRegistered {
                name: agent.name.to_string(),
                slots: agent.slots,
                session: agent.session.0,
                version: agent.version.to_string(),
            }),
        ),
        Fact::AgentDeregistered { agent } => (
            format!("agent {} said goodbye", names.agent(agent)),
            Payload::AgentDeregistered(v1::AgentDeregistered {}),
        ),
        Fact::AgentForgotten { agent, actor } => (
            format!("agent {} was forgotten{}", names.agent(agent), by(actor)),
            Payload::AgentForgotten(v1::AgentForgotten {
                actor: actor.to_string(),
            }),
        ),
        Fact::AgentRemoved { agent } => (
            format!(
                "agent {} was removed: nobody had heard of it for long",
                names.agent(agent)
            ),
            Payload::AgentRemoved(v1::AgentRemoved {}),
        ),
        Fact::AgentLost { agent, cause } => (
            match cause {
                AgentLoss::Silent => format!(
                    "agent {} is lost: it has been silent for too long",
                    names.agent(agent)
                ),
                AgentLoss::Died => format!("agent {} is lost: its process died", names.agent(agent)),
            },
            Payload::AgentLost(v1::AgentLost {
                cause: agent_loss_word(*cause).to_owned(),
            }),
        ),
        Fact::AgentReturned { agent } => (
            format!("agent {} is back", names.agent(agent)),
            Payload::AgentReturned(v1::AgentReturned {}),
        ),
        Fact::TwinRefused { agent, host } => (
            format!(
                "a copy of agent {}{} was refused: the agent is at work elsewhere",
                names.agent(agent),
                on_host(host)
            ),
            Payload::TwinRefused(v1::TwinRefused {
                host: host.to_string(),
            }),
        ),
    }
}

/// What a hold covers.
fn held(scope: &Scope, names: &Names) -> String {
    match scope {
        Scope::Agent(agent) => format!("agent {}", names.agent(agent)),
        Scope::Everything | Scope::Queue(_) => scope.to_string(),
    }
}

fn had_come_to(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "had succeeded",
        Outcome::Failed(_) => "had failed",
        Outcome::Cancelled => "was ended",
        Outcome::Released { .. } => "was given back",
        Outcome::Lost(_) => "was lost",
    }
}

/// `1 slot`, `2 slots`.
fn counted(count: u32, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn again(due: Option<Timestamp>) -> String {
    due.map(|due| format!(", to be tried again at {}", timestamp(due)))
        .unwrap_or_default()
}

fn by(actor: &str) -> String {
    if actor.is_empty() {
        String::new()
    } else {
        format!(", by {actor}")
    }
}

fn in_brackets(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!(" ({name})")
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// Where a process runs; nothing when it does not say the name of its machine.
fn on_host(host: &str) -> String {
    match host {
        "" => String::new(),
        host => format!(" on {host}"),
    }
}

#[cfg(test)]
mod tests;
