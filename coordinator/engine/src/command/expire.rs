//! Time has passed.

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::{AgentId, Number},
    limits::EXPIRE_STEP,
    noun::{agent::AgentLoss, outcome::Loss},
    rejection::Rejection,
    rule::{
        dependency::settle,
        retry::{Verdict, after_loss, mix},
    },
    time::Timestamp,
};

/// Ends leases without renewal, makes tasks due, fails tasks past their deadline, tells which agents have fallen
/// silent, and settles consequences: a bounded step of each. [`crate::state::State::next_deadline`] says when to call
/// again.
///
/// # Errors
///
/// None; the type is that of every decision.
pub fn decide(draft: &mut Draft<'_>, jitter: u64) -> Result<(), Rejection> {
    let now = draft.now();
    let through = (now, Number(u64::MAX));
    let of_calendar = (draft.calendar(now), Number(u64::MAX));

    let expired: Vec<Number> = draft.expired(now).take(EXPIRE_STEP).collect();
    for number in expired {
        let cause = loss(draft, number, now);
        lose(draft, number, cause, jitter);
    }

    let due: Vec<Number> = draft
        .derived
        .due
        .range(..=through)
        .chain(draft.derived.not_before.range(..=of_calendar))
        .map(|(_, number)| *number)
        .take(EXPIRE_STEP)
        .collect();
    for number in due {
        let task = Subject::of(&draft.tasks[&number]);
        draft.emit(Fact::TaskDue { task });
    }

    let overdue: Vec<Number> = draft
        .derived
        .deadlines
        .range(..=of_calendar)
        .map(|(_, number)| *number)
        .take(EXPIRE_STEP)
        .collect();
    for number in overdue {
        let task = Subject::of(&draft.tasks[&number]);
        draft.emit(Fact::TaskFailed {
            task,
            reason: "its deadline has passed".into(),
        });
    }

    let silent: Vec<AgentId> = draft.fallen_silent(now).take(EXPIRE_STEP).collect();
    for agent in silent {
        draft.emit(Fact::AgentLost {
            agent,
            cause: AgentLoss::Silent,
        });
    }

    settle(draft);
    Ok(())
}

fn loss(draft: &Draft<'_>, number: Number, now: Timestamp) -> Loss {
    if draft.lease_end(number).is_some_and(|end| end <= now) {
        Loss::Overdue
    } else if draft.is_renewed(number) {
        Loss::Silent
    } else {
        Loss::Undelivered
    }
}

/// Ends the lease of a running task without a report.
pub(crate) fn lose(draft: &mut Draft<'_>, number: Number, cause: Loss, jitter: u64) {
    let task = draft.tasks[&number].clone();
    let Some(lease) = task.lease() else { return };
    let subject = Subject::of(&task);
    let mut tries = (*task.tries).clone();
    tries.charge_loss(cause, &lease.agent);
    let verdict = after_loss(
        draft.deadline(&task),
        &tries,
        cause,
        draft.now(),
        mix(jitter, number.0),
    );
    let due = match &verdict {
        Verdict::Again(due) => *due,
        Verdict::Enough(_) => None,
    };
    draft.emit(Fact::LeaseExpired {
        task: subject.clone(),
        attempt: lease.attempt,
        agent: lease.agent.clone(),
        cause,
        due: due.filter(|_| !lease.cancel_asked),
    });
    if lease.cancel_asked {
        draft.emit(Fact::TaskCancelled {
            task: subject,
            attempt: None,
        });
    } else if let Verdict::Enough(reason) = verdict {
        draft.emit(Fact::TaskFailed {
            task: subject,
            reason,
        });
    }
}
