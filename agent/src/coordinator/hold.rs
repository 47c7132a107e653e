//! Holds, which people place so that no work is given, in words for the log.

use jiff::Timestamp;
use swarm_proto::{
    terminal::one_line,
    v1::{Hold, HoldKind},
};

/// Characters of a text from outside that go into one log line.
const MAX_SHOWN: usize = 500;

/// A hold as a sentence: `ann@desk paused everything at 2026-01-02T03:04:05Z: new disks`.
pub(crate) fn sentence(hold: &Hold) -> String {
    let who = match hold.actor.as_str() {
        "" => "somebody".to_owned(),
        actor => shown(actor),
    };
    let is_about_all = hold.scope.is_none();
    let what = match hold.kind() {
        HoldKind::Drain => "drained this agent".to_owned(),
        HoldKind::Stop => "stopped all agents".to_owned(),
        HoldKind::Pause if is_about_all => "paused everything".to_owned(),
        HoldKind::Pause => "paused this agent".to_owned(),
        HoldKind::Unspecified if is_about_all => "holds all work back".to_owned(),
        HoldKind::Unspecified => "holds this agent's work back".to_owned(),
    };
    let mut sentence = format!("{who} {what}");
    if let Some(time) = time(hold.place_time) {
        sentence += &format!(" at {time}");
    }
    if !hold.reason.is_empty() {
        sentence += &format!(": {}", shown(&hold.reason));
    }
    if let Some(deadline) = time(hold.deadline) {
        sentence += &format!(" (what still runs at {deadline} is given back)");
    }
    sentence
}

/// A text from outside on one line of bounded length.
pub(crate) fn shown(text: &str) -> String {
    one_line(text).chars().take(MAX_SHOWN).collect()
}

fn time(given: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let given = given?;
    Timestamp::new(given.seconds, 0).ok()
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::hold::Scope;

    use super::*;

    #[test]
    fn a_hold_says_who_what_when_and_why() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 5 });
        let mut hold = Hold {
            kind: HoldKind::Pause.into(),
            actor: "ann@desk".to_owned(),
            reason: "new\ndisks".to_owned(),
            place_time: at(0),
            ..Hold::default()
        };
        assert_eq!(
            sentence(&hold),
            "ann@desk paused everything at 1970-01-01T00:00:00Z: new disks"
        );
        hold.kind = HoldKind::Drain.into();
        hold.scope = Some(Scope::AgentId("a".to_owned()));
        hold.deadline = at(60);
        assert_eq!(
            sentence(&hold),
            "ann@desk drained this agent at 1970-01-01T00:00:00Z: new disks (what still runs at 1970-01-01T00:01:00Z \
             is given back)"
        );
        hold = Hold {
            kind: 77,
            place_time: at(i64::MAX),
            ..Hold::default()
        };
        assert_eq!(sentence(&hold), "somebody holds all work back");
    }
}
