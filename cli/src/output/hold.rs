//! Holds in words and columns: who placed them, when, and why.

use swarm_program::words::clean::clean_line;
use swarm_proto::v1::{Hold, HoldKind, hold::Scope as HoldScope};

use super::{state, table::Table, text};

/// The scope of a hold: everything, a queue, or an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Everything,
    Queue(String),
    /// The agent's id.
    Agent(String),
}

impl Scope {
    /// A hold's scope.
    pub fn of(hold: &Hold) -> Scope {
        match &hold.scope {
            Some(HoldScope::Queue(queue)) => Scope::Queue(queue.clone()),
            Some(HoldScope::AgentId(agent)) => Scope::Agent(agent.clone()),
            None => Scope::Everything,
        }
    }

    /// The scope in a request, made by its constructors for a queue and an agent.
    pub fn on_wire<S>(&self, queue: fn(String) -> S, agent: fn(String) -> S) -> Option<S> {
        match self {
            Scope::Everything => None,
            Scope::Queue(name) => Some(queue(name.clone())),
            Scope::Agent(id) => Some(agent(id.clone())),
        }
    }

    /// In a sentence: `everything`, `queue slow`, `agent a1`.
    pub fn title(&self) -> String {
        match self {
            Scope::Everything => "everything".to_owned(),
            Scope::Queue(queue) => format!("queue {queue}"),
            Scope::Agent(agent) => format!("agent {agent}"),
        }
    }

    /// For `-q`: the name of the queue, the id of the agent, or `everything`.
    pub fn name(&self) -> &str {
        match self {
            Scope::Everything => "everything",
            Scope::Queue(name) | Scope::Agent(name) => name,
        }
    }
}

/// A whole sentence: `queue slow is paused by ann@desk since 03:04:05 CET: maintenance`.
pub fn sentence(hold: &Hold) -> String {
    let scope = Scope::of(hold);
    let subject = match (hold.kind(), &scope) {
        (HoldKind::Stop, Scope::Everything) => "every agent".to_owned(),
        _ => scope.title(),
    };
    clean_line(&format!("{subject} is {}{}", word(hold.kind()), details(hold)))
}

/// A sentence about a lifted hold.
pub fn lifted(scope: &Scope, hold: Option<&Hold>) -> String {
    match hold {
        Some(hold) => format!(
            "{} is resumed; it was {} {}",
            scope.title(),
            word(hold.kind()),
            beside(Some(hold))
        ),
        None => format!("{} was not held", scope.title()),
    }
}

/// For a column beside the held thing: `by ann@desk since 03:04:05 CET: maintenance`.
pub fn beside(hold: Option<&Hold>) -> String {
    hold.map(|hold| details(hold).trim_start().to_owned())
        .unwrap_or_default()
}

/// The holds in columns.
pub fn table(holds: &[Hold]) -> Table {
    let mut table = Table::new(["WHAT", "HOLD", "BY", "SINCE", "UNTIL", "WHY"])
        .free_text(&["WHAT", "BY", "WHY"])
        .dispensable(&["UNTIL", "SINCE"]);
    for hold in holds {
        table.row([
            Scope::of(hold).title(),
            state::hold(hold.kind()).to_owned(),
            hold.actor.clone(),
            text::ago(hold.place_time.as_ref()),
            text::at(hold.deadline.as_ref()),
            hold.reason.clone(),
        ]);
    }
    table
}

/// The word after "is" in a sentence.
pub fn word(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Unspecified => "held",
        HoldKind::Pause => "paused",
        HoldKind::Drain => "being drained",
        HoldKind::Stop => "stopped",
    }
}

/// The rest of the sentence after the kind, with a space before it.
fn details(hold: &Hold) -> String {
    let mut details = String::new();
    if !hold.actor.is_empty() {
        details.push_str(&format!(" by {}", hold.actor));
    }
    if hold.place_time.is_some() {
        details.push_str(&format!(" since {}", text::at(hold.place_time.as_ref())));
    }
    if hold.deadline.is_some() {
        details.push_str(&format!(", until {}", text::at(hold.deadline.as_ref())));
    }
    if !hold.reason.is_empty() {
        details.push_str(&format!(": {}", hold.reason));
    }
    clean_line(&details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_says_who_placed_it_when_and_why() {
        let at = |seconds: i64| {
            Some(prost_types::Timestamp {
                seconds: 1_767_323_040 + seconds,
                nanos: 0,
            })
        };
        let drain = Hold {
            kind: HoldKind::Drain.into(),
            scope: Some(HoldScope::AgentId("a1".into())),
            actor: "ann@desk".into(),
            reason: "new disk".into(),
            place_time: at(5),
            deadline: at(65),
        };
        let (since, until) = (text::at(at(5).as_ref()), text::at(at(65).as_ref()));
        assert_eq!(
            sentence(&drain),
            format!("agent a1 is being drained by ann@desk since {since}, until {until}: new disk")
        );
        let stop = Hold {
            kind: HoldKind::Stop.into(),
            ..Hold::default()
        };
        assert_eq!(
            (sentence(&stop), beside(Some(&stop))),
            ("every agent is stopped".into(), String::new())
        );
    }
}
