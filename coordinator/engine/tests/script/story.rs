//! Events, records and refusals as lines of a story.

use swarm_engine::{
    event::{Event, Fact, Subject},
    id::{AgentId, AttemptNumber, Session, TaskId},
    noun::{
        agent::AgentLoss,
        cancelled::CancelledWork,
        hold::HoldKind,
        outcome::{Blame, Failure, Loss, Outcome},
        task::{End, Phase, Task},
    },
    rejection::Rejection,
    time::Timestamp,
};

use crate::world::Sessions;

/// The line of an event: its seq, its kind and the fields that matter in a story.
pub(crate) fn event(event: &Event, sessions: &Sessions) -> String {
    let fact = fact(&event.fact, sessions);
    format!("{} {} {fact}", event.seq.0, event.fact.kind())
        .trim_end()
        .to_owned()
}

fn fact(fact: &Fact, sessions: &Sessions) -> String {
    match fact {
        Fact::CoordinatorStarted { epoch, .. } => format!("epoch {epoch}"),
        Fact::JobSubmitted(job) => format!("{} of {} tasks", job.id, job.task_count),
        Fact::TaskSubmitted(task) => where_it_is(task),
        Fact::DependencyMet {
            task,
            dependency,
            unmet,
            cut,
        } => {
            let cut = cut.map(|cut| format!(", cut to {} of {}", cut.kept, cut.whole));
            let cut = cut.unwrap_or_default();
            format!("{} by {dependency}, {unmet} left{cut}", task.id)
        }
        Fact::TaskDue { task } => task.id.to_string(),
        Fact::LeaseGranted { task, lease } => {
            let until = time(lease.ends_by);
            format!("{}, ends by {until}", of(task, lease.attempt, &lease.agent))
        }
        Fact::LeaseExpired {
            task,
            attempt,
            agent,
            cause,
            due,
        } => {
            format!("{}: {}{}", of(task, *attempt, agent), loss(*cause), again(*due))
        }
        Fact::LeaseResumed { task, attempt, agent } => of(task, *attempt, agent),
        Fact::LeaseReleased {
            task,
            attempt,
            agent,
            reason,
            ..
        } => {
            format!("{}: {reason}", of(task, *attempt, agent))
        }
        Fact::AttemptFailed {
            task,
            attempt,
            agent,
            failure: how,
            due,
            ..
        } => {
            format!("{}: {}{}", of(task, *attempt, agent), failure(how), again(*due))
        }
        Fact::TaskSucceeded {
            task,
            attempt,
            agent,
            late,
            ..
        } => {
            format!(
                "{}{}",
                of(task, *attempt, agent),
                if *late { ", late" } else { "" }
            )
        }
        Fact::TaskFailed { task, reason } => format!("{}: {reason}", task.id),
        Fact::CancelRequested { task, attempt, agent } => of(task, *attempt, agent),
        Fact::TaskCancelled { task, attempt: None } => task.id.to_string(),
        Fact::TaskCancelled {
            task,
            attempt: Some(attempt),
        } => {
            format!(
                "{}: {}",
                of(task, attempt.number, &attempt.agent),
                outcome(&attempt.outcome)
            )
        }
        Fact::TaskSkipped { task, because } => format!("{} because of {because}", task.id),
        Fact::TaskRetried { record, because, .. } => {
            let because = because
                .as_ref()
                .map_or(String::new(), |because| format!(", because of {because}"));
            format!("{}, round {}{because}", where_it_is(record), record.round)
        }
        Fact::TaskRemoved { task, was } => format!("{}, {} since {}", task.id, was.state, time(was.at)),
        Fact::JobRemoved { job, .. } => job.to_string(),
        Fact::HoldPlaced(hold) => format!("{}: {} by {}", hold.scope, hold_kind(hold.kind), hold.actor),
        Fact::HoldLifted { hold, actor } => format!("{} by {actor}", hold.scope),
        Fact::QueueLimited {
            queue,
            max_running,
            actor,
        } => match max_running {
            Some(most) => format!("{queue} to {most} by {actor}"),
            None => format!("{queue} to any number by {actor}"),
        },
        Fact::AgentRegistered(agent) => {
            let session = ordinal(sessions, &agent.id, agent.session);
            format!("{} session {session}", agent.id)
        }
        Fact::AgentDeregistered { agent } | Fact::AgentRemoved { agent } => agent.to_string(),
        Fact::AgentForgotten { agent, actor } => format!("{agent} by {actor}"),
        Fact::AgentLost { agent, cause } => match cause {
            AgentLoss::Silent => format!("{agent} silent"),
            AgentLoss::Died => format!("{agent} died"),
        },
        Fact::AgentReturned { agent } => agent.to_string(),
        Fact::TwinRefused { agent, host } => format!("{agent} on {host}"),
    }
}

/// Which of an agent's sessions this is, from 1.
fn ordinal(sessions: &Sessions, agent: &AgentId, session: Session) -> usize {
    let known = sessions.get(agent).into_iter().flatten();
    known.take_while(|known| **known <= session).count()
}

fn of(task: &Subject, attempt: AttemptNumber, agent: &AgentId) -> String {
    format!("{} of {agent}", lease(&task.id, attempt))
}

/// An attempt, such as `a#1`.
pub(crate) fn lease(task: &TaskId, attempt: AttemptNumber) -> String {
    format!("{task}#{}", attempt.0)
}

fn again(due: Option<Timestamp>) -> String {
    due.map_or(String::new(), |due| format!(", again at {}", time(due)))
}

/// A task, its state, and the time it waits for.
pub(crate) fn where_it_is(task: &Task) -> String {
    let state = format!("{} {}", task.id, task.state());
    match &task.phase {
        Phase::Pending { due: Some(due) } => format!("{state} until {}", time(*due)),
        _ => state,
    }
}

/// The record of a task, as far as a story needs it.
pub(crate) fn record(task: &Task) -> Vec<String> {
    let mut first = where_it_is(task);
    match task.end() {
        Some(End::Failed { reason }) => first += &format!(" ({reason})"),
        Some(End::Skipped { because }) => first += &format!(" (because of {because})"),
        Some(End::Cancelled) => first += &format!(" ({})", cancelled(task.cancelled_work())),
        Some(End::Succeeded) | None => {}
    }
    first += &format!(", revision {}, round {}", task.revision.0, task.round);
    let tries = &task.tries;
    for (count, name) in [
        (tries.failures, "failures"),
        (tries.provider_limits, "provider limits"),
        (tries.undelivered, "undelivered"),
        (tries.losses, "losses"),
    ] {
        if count > 0 {
            first += &format!(", {name} {count}");
        }
    }
    if !tries.lost_on.is_empty() {
        first += &format!(
            " on {}",
            tries
                .lost_on
                .iter()
                .map(AgentId::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
    for unmet in task.unmet_dependencies() {
        first += &format!(", waits for {}", unmet.task);
    }
    for (input, cut) in task.cut_inputs() {
        first += &format!(", {input} cut to {} of {}", cut.kept, cut.whole);
    }
    let attempts = task.attempts.iter().map(|attempt| {
        let named = lease(&task.id, attempt.number);
        format!(
            "  {named} of {} in round {}: {}",
            attempt.agent,
            attempt.round,
            outcome(&attempt.outcome)
        )
    });
    [first].into_iter().chain(attempts).collect()
}

fn cancelled(work: Option<CancelledWork>) -> &'static str {
    match work {
        None => "nobody knows why",
        Some(CancelledWork::NotStarted) => "not started",
        Some(CancelledWork::Ended) => "its attempt was ended",
        Some(CancelledWork::Succeeded) => "its attempt had succeeded",
        Some(CancelledWork::Failed) => "its attempt had failed",
        Some(CancelledWork::Unknown) => "its attempt was lost",
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed(how) => format!("failed, {}", failure(how)),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Lost(cause) => format!("lost, {}", loss(*cause)),
        Outcome::Released {
            reason,
            refused: false,
        } => format!("released, {reason}"),
        Outcome::Released {
            reason,
            refused: true,
        } => format!("refused, {reason}"),
    }
}

fn failure(failure: &Failure) -> String {
    match failure.blame {
        Blame::Task => failure.reason.to_string(),
        Blame::Machine => format!("{} (machine)", failure.reason),
        Blame::Provider => format!("{} (provider)", failure.reason),
    }
}

fn loss(loss: Loss) -> &'static str {
    match loss {
        Loss::Silent => "silent",
        Loss::Undelivered => "undelivered",
        Loss::Replaced => "replaced",
        Loss::Deregistered => "deregistered",
        Loss::Overdue => "overdue",
        Loss::GivenUp => "given up",
        Loss::Died => "died",
    }
}

/// A time, as the time since the story began.
pub(crate) fn time(time: Timestamp) -> String {
    match time.0 % 1000 {
        0 => format!("{}s", time.0 / 1000),
        millis => format!("{}.{millis:03}s", time.0 / 1000),
    }
}

/// A line for each fault of an invalid request; one line for any other refusal.
pub(crate) fn refusal(rejection: &Rejection) -> Vec<String> {
    let Rejection::Invalid(faults) = rejection else {
        return vec![format!("refused: {rejection}")];
    };
    let mut lines = vec![format!("refused: {:?}", faults.kind())];
    lines.extend(
        faults
            .named()
            .iter()
            .map(|fault| format!("  {}: {}", fault.field, fault.description)),
    );
    if faults.more() > 0 {
        lines.push(format!("  and {} more", faults.more()));
    }
    lines
}

pub(crate) fn hold_kind(kind: HoldKind) -> String {
    match kind {
        HoldKind::Pause => "pause".to_owned(),
        HoldKind::Drain { deadline: None } => "drain".to_owned(),
        HoldKind::Drain {
            deadline: Some(deadline),
        } => format!("drain until {}", time(deadline)),
        HoldKind::Stop => "stop".to_owned(),
    }
}
