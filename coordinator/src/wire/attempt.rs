//! Attempts as they go out, and the words for what they came to.

use std::borrow::Cow;

use swarm_engine::noun::{
    attempt::Attempt,
    lease::Lease,
    outcome::{Blame, Loss, Outcome},
};
use swarm_proto::v1;

use super::time::timestamp;

/// An ended attempt, without its token.
pub(crate) fn ended(attempt: &Attempt) -> v1::Attempt {
    let mut message = v1::Attempt {
        attempt: attempt.number.0,
        agent_id: attempt.agent.to_string(),
        outcome: outcome_message(&attempt.outcome).into(),
        start_time: Some(timestamp(attempt.granted)),
        end_time: Some(timestamp(attempt.ended)),
        message: explain(&attempt.outcome).into_owned(),
        round: attempt.round,
        ..v1::Attempt::default()
    };
    if attempt.outcome == Outcome::Succeeded {
        message.exit_code = Some(0);
    }
    if let Outcome::Failed(failure) = &attempt.outcome {
        message.failure_reason = failure.reason.to_string();
        message.blame = blame_message(failure.blame).into();
        message.exit_code = failure.exit_code;
        message.signal = failure.signal;
    }
    message
}

/// The running attempt, without its token.
pub(crate) fn running(lease: &Lease, round: u32) -> v1::Attempt {
    v1::Attempt {
        attempt: lease.attempt.0,
        agent_id: lease.agent.to_string(),
        outcome: v1::AttemptOutcome::Running.into(),
        start_time: Some(timestamp(lease.granted)),
        round,
        ..v1::Attempt::default()
    }
}

/// What an attempt came to.
pub(crate) fn outcome_message(outcome: &Outcome) -> v1::AttemptOutcome {
    match outcome {
        Outcome::Succeeded => v1::AttemptOutcome::Succeeded,
        Outcome::Failed(_) => v1::AttemptOutcome::Failed,
        Outcome::Cancelled => v1::AttemptOutcome::Cancelled,
        Outcome::Lost(_) => v1::AttemptOutcome::Lost,
        Outcome::Released { .. } => v1::AttemptOutcome::Released,
    }
}

/// Whose fault a failure was.
pub(crate) fn blame_message(blame: Blame) -> v1::Blame {
    match blame {
        Blame::Task => v1::Blame::Task,
        Blame::Machine => v1::Blame::Machine,
        Blame::Provider => v1::Blame::Provider,
    }
}

/// How an attempt was lost: a word for programs.
pub(crate) fn loss_word(loss: Loss) -> &'static str {
    match loss {
        Loss::Silent => "silent",
        Loss::Undelivered => "undelivered",
        Loss::Replaced => "replaced",
        Loss::Deregistered => "deregistered",
        Loss::Overdue => "overdue",
        Loss::GivenUp => "given_up",
        Loss::Died => "died",
    }
}

/// How an attempt was lost, for people.
pub(crate) fn explain_loss(loss: Loss) -> &'static str {
    match loss {
        Loss::Silent => "nothing was heard of its agent in time",
        Loss::Undelivered => "its agent was never heard of after the grant",
        Loss::Replaced => "its agent began a new session without it",
        Loss::Deregistered => "its agent said goodbye",
        Loss::Overdue => "it did not end in the time it had",
        Loss::GivenUp => "somebody gave its agent up",
        Loss::Died => "its agent died",
    }
}

fn explain(outcome: &Outcome) -> Cow<'_, str> {
    match outcome {
        Outcome::Succeeded | Outcome::Cancelled => "".into(),
        Outcome::Failed(failure) => (&*failure.message).into(),
        Outcome::Lost(loss) => explain_loss(*loss).into(),
        Outcome::Released { reason, refused: _ } => (&**reason).into(),
    }
}
