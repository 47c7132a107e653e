//! Events as readers see them: every fact, without tokens and environment values.

use swarm_engine::event::Event;
use swarm_proto::v1;

use super::{fact::describe, names::Names};
use crate::{
    program::limits::MAX_SUMMARY_BYTES,
    wire::{text::plain, time::timestamp},
};

/// An event of this history, with these names before ids in its sentence.
pub(crate) fn event_message(event: &Event, history: &str, names: &Names) -> v1::Event {
    let touched = event.fact.touches();
    let (summary, payload) = describe(&event.fact, names);
    v1::Event {
        seq: event.seq.0,
        time: Some(timestamp(event.time)),
        kind: event.fact.kind().to_owned(),
        task_id: touched.task.map(|task| task.id.to_string()).unwrap_or_default(),
        job_id: touched.job_id().map(ToString::to_string).unwrap_or_default(),
        attempt: touched.attempt.map_or(0, |attempt| attempt.number.0),
        agent_id: touched.agent_id().map(ToString::to_string).unwrap_or_default(),
        // Names and messages come from anywhere, and this line goes to a terminal.
        summary: plain(&summary, MAX_SUMMARY_BYTES),
        as_of: Some(v1::AsOf {
            history: history.to_owned(),
            seq: event.seq.0,
        }),
        payload: Some(payload),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use swarm_engine::{event::Fact, id::Seq, noun::outcome::Loss, time::Timestamp};
    use swarm_proto::v1::event::Payload;

    use super::*;
    use crate::wire::{attempt::loss_word, sample};

    fn message(fact: Fact) -> v1::Event {
        event_message(
            &Event {
                seq: Seq(42),
                time: Timestamp(5_000),
                fact,
            },
            "h1",
            &Names::default(),
        )
    }

    #[test]
    fn every_kind_goes_out_in_one_line_and_without_secrets() {
        let mut kinds = Vec::new();
        for fact in sample::facts() {
            let kind = fact.kind();
            let message = message(fact);
            sample::assert_keeps_secrets(&message.encode_to_vec());
            assert_eq!(message.kind, kind);
            assert!(!message.summary.is_empty() && message.payload.is_some(), "{kind}");
            assert!(
                !message.summary.contains(char::is_control),
                "{:?}",
                message.summary
            );
            assert_eq!(
                message.as_of,
                Some(v1::AsOf {
                    history: "h1".into(),
                    seq: 42
                })
            );
            kinds.push(kind);
        }
        assert_eq!(kinds, Fact::KINDS);
    }

    #[test]
    fn the_payload_carries_what_happened() {
        let failed = sample::facts()
            .find(|fact| fact.kind() == "attempt_failed")
            .unwrap();
        let message = message(failed);
        assert_eq!(
            (message.task_id.as_str(), message.job_id.as_str()),
            ("build", "nightly")
        );
        assert_eq!(
            (message.attempt, message.agent_id.as_str(), message.seq),
            (2, "k3x9", 42)
        );
        let Some(Payload::AttemptFailed(failure)) = message.payload else {
            panic!("another payload")
        };
        assert_eq!(
            (failure.reason.as_str(), failure.blame()),
            ("exit", v1::Blame::Machine)
        );
        assert_eq!(
            (failure.exit_code, failure.signal, failure.stdout_bytes),
            (Some(3), Some(9), 8)
        );
    }

    #[test]
    fn each_cause_of_a_loss_has_a_word() {
        let words = [
            Loss::Silent,
            Loss::Undelivered,
            Loss::Replaced,
            Loss::Deregistered,
            Loss::Overdue,
            Loss::GivenUp,
            Loss::Died,
        ]
        .map(loss_word);
        assert_eq!(
            words,
            [
                "silent",
                "undelivered",
                "replaced",
                "deregistered",
                "overdue",
                "given_up",
                "died"
            ]
        );
    }

    #[test]
    fn a_long_message_does_not_make_a_long_line() {
        let fact = Fact::TaskFailed {
            task: sample::subject(),
            reason: "x\u{1b}".repeat(1000).into(),
        };
        assert!(message(fact).summary.len() < MAX_SUMMARY_BYTES + 20);
    }
}
