//! Agents as others see them.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    noun::{
        agent::{Agent, AgentLoss},
        hold::{Hold, Scope},
        needs::Shard,
        presence::Presence,
        rules::Rules,
        task::Task,
    },
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};
use swarm_proto::v1;

use super::{
    hold::hold_message,
    time::{duration, timestamp},
};
use crate::core::overview::{AgentCounts, AgentState};

/// Whether an agent can be counted on.
pub(crate) fn agent_state(
    agent: &Agent,
    presence: Option<&Presence>,
    hold: Option<&Hold>,
    liveness: Liveness,
) -> v1::AgentState {
    match AgentState::of(agent, presence, hold, liveness) {
        AgentState::Online => v1::AgentState::Online,
        AgentState::Draining => v1::AgentState::Draining,
        AgentState::Lost => v1::AgentState::Lost,
        AgentState::Paused => v1::AgentState::Paused,
        AgentState::Gone => v1::AgentState::Gone,
    }
}

/// Why an agent is lost: a word for programs.
pub(crate) fn agent_loss_word(loss: AgentLoss) -> &'static str {
    match loss {
        AgentLoss::Silent => "silent",
        AgentLoss::Died => "died",
    }
}

/// How many agents there are, by state.
pub(crate) fn agent_counts(counts: AgentCounts) -> v1::AgentCounts {
    let AgentCounts {
        online,
        slowed,
        draining,
        lost,
        paused,
        copied,
        silent,
    } = counts;
    v1::AgentCounts {
        online,
        slowed,
        draining,
        lost,
        paused,
        copied,
        silent,
    }
}

/// An agent, and what is known of it at this moment.
pub(crate) struct Seen {
    pub(crate) agent: Arc<Agent>,
    pub(crate) presence: Option<Presence>,
    /// The hold on it alone.
    pub(crate) hold: Option<Arc<Hold>>,
    pub(crate) slowed_until: Option<Timestamp>,
    /// The shards that it takes, of those that its newest claim cut the tasks into.
    pub(crate) shards: Vec<u16>,
    /// The running tasks that are leased to it, each with when its lease expires.
    pub(crate) leases: Vec<(Arc<Task>, Option<Timestamp>)>,
    /// Its silence, when that is long.
    pub(crate) silence: Option<Duration>,
}

impl Seen {
    /// Looks at an agent.
    pub(crate) fn of(state: &State, agent: &Arc<Agent>, liveness: Liveness) -> Seen {
        let presence = state.presence(&agent.id);
        let wants = presence.as_ref().and_then(|presence| presence.wants.as_deref());
        let shards = match wants.and_then(|wants| wants.shard) {
            Some(Shard { count, index: None }) => state.shards(&agent.id, count),
            Some(Shard {
                index: Some(index), ..
            }) => vec![index],
            None => Vec::new(),
        };
        let leases = state
            .leased_to(&agent.id)
            .map(|task| (task.clone(), state.expiry(task.number)))
            .collect();
        Seen {
            agent: agent.clone(),
            hold: state.hold(&Scope::Agent(agent.id.clone())).cloned(),
            slowed_until: state.slowed_until(&agent.id, liveness.now),
            presence,
            shards,
            leases,
            silence: state.silence(&agent.id, liveness),
        }
    }
}

/// An agent with its leases, without their tokens.
pub(crate) fn agent_message(seen: &Seen, liveness: Liveness) -> v1::Agent {
    let Seen {
        agent,
        presence,
        hold,
        slowed_until,
        shards,
        leases,
        silence,
    } = seen;
    let state = agent_state(agent, presence.as_ref(), hold.as_deref(), liveness);
    let silence = silence.filter(|_| state != v1::AgentState::Lost);
    let presence = presence.as_ref();
    let wants = presence.and_then(|presence| presence.wants.as_deref());
    v1::Agent {
        agent_id: agent.id.to_string(),
        name: agent.name.to_string(),
        labels: agent.labels.clone(),
        slots: agent.slots,
        version: agent.version.to_string(),
        state: state.into(),
        session: agent.session.0,
        register_time: Some(timestamp(agent.registered)),
        seen_time: presence.map(|presence| timestamp(presence.seen)),
        leases: leases
            .iter()
            .filter_map(|(task, expiry)| held_lease(task, *expiry))
            .collect(),
        hold: hold.as_deref().map(hold_message),
        executors: agent.executors.iter().map(ToString::to_string).collect(),
        queues: wants
            .map(|wants| wants.queues.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        shard: wants.and_then(|wants| wants.shard).map(shard_message),
        shards: shards.iter().map(|shard| u32::from(*shard)).collect(),
        slowed_until: slowed_until.map(timestamp),
        host: agent
            .process
            .as_ref()
            .map(|process| process.host.to_string())
            .unwrap_or_default(),
        twin_host: agent
            .twin
            .as_ref()
            .map(|twin| twin.host.to_string())
            .unwrap_or_default(),
        twin_time: agent.twin.as_ref().map(|twin| timestamp(twin.refused)),
        rules: rules_message(&agent.rules),
        lost_cause: agent.lost.map(agent_loss_word).unwrap_or_default().to_owned(),
        silence: silence.map(duration),
        lost_in: silence.map(|silence| duration(liveness.ttl.saturating_sub(silence))),
    }
}

/// What an owner lets an agent run; `None` when that is everything.
fn rules_message(rules: &Rules) -> Option<v1::OwnerRules> {
    (!rules.are_none()).then(|| v1::OwnerRules {
        no_commands: *rules == Rules::NoCommands,
        programs: rules.patterns().map(str::to_owned).collect(),
    })
}

/// A part of all tasks.
pub(crate) fn shard_message(shard: Shard) -> v1::Shard {
    v1::Shard {
        count: shard.count.into(),
        index: shard.index.map(u32::from),
    }
}

fn held_lease(task: &Task, expiry: Option<Timestamp>) -> Option<v1::HeldLease> {
    let lease = task.lease()?;
    Some(v1::HeldLease {
        task_id: task.id.to_string(),
        attempt: lease.attempt.0,
        grant_time: Some(timestamp(lease.granted)),
        expire_time: expiry.map(timestamp),
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::wire::sample;

    const TTL: Duration = Duration::from_secs(90);

    #[test]
    fn an_agent_is_lost_after_one_ttl_of_silence() {
        let agent = sample::agent();
        let gone = Agent {
            gone: true,
            ..agent.clone()
        };
        let seen = |seconds: u64, draining| {
            Some(Presence {
                seen: Timestamp(seconds * 1000),
                draining,
                wants: None,
            })
        };
        for (agent, presence, now, expected) in [
            (&agent, seen(100, false), 190, v1::AgentState::Online),
            (&agent, seen(100, true), 190, v1::AgentState::Draining),
            (&agent, seen(100, false), 191, v1::AgentState::Lost),
            (&agent, seen(100, true), 191, v1::AgentState::Lost),
            (&agent, None, 140, v1::AgentState::Online),
            (&agent, None, 141, v1::AgentState::Lost),
            (&gone, seen(100, false), 100, v1::AgentState::Gone),
        ] {
            let liveness = Liveness {
                now: Timestamp(now * 1000),
                started: Timestamp(50_000),
                ttl: TTL,
            };
            assert_eq!(
                agent_state(agent, presence.as_ref(), None, liveness),
                expected,
                "{presence:?} at {now}"
            );
        }
    }

    #[test]
    fn an_agent_shows_its_leases_without_their_tokens() {
        let task = sample::running();
        let liveness = Liveness {
            now: Timestamp(0),
            started: Timestamp(0),
            ttl: TTL,
        };
        let seen = Seen {
            agent: Arc::new(sample::agent()),
            presence: None,
            hold: None,
            slowed_until: None,
            shards: Vec::new(),
            leases: vec![(Arc::new(task), Some(Timestamp(7_000)))],
            silence: None,
        };
        let message = agent_message(&seen, liveness);
        sample::assert_keeps_secrets(&message.encode_to_vec());
        assert_eq!((message.leases.len(), message.leases[0].attempt), (1, 2));
        assert_eq!(message.leases[0].expire_time, Some(timestamp(Timestamp(7_000))));
        assert!(message.seen_time.is_none());
    }
}
