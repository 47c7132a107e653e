//! Why a claim brought nothing.

use std::time::Duration;

use swarm_engine::{id::AgentId, noun::hold::HoldKind, state::State};
use swarm_proto::v1;

use super::Context;
use crate::{program::limits::MAX_PASSED, words::unfit::passed_message};

/// Why there is nothing, when to ask again, and what was passed over.
pub(super) struct Nothing {
    pub(super) reason: v1::EmptyReason,
    pub(super) retry_after: Option<Duration>,
    pub(super) passed: Vec<v1::Passed>,
}

impl Nothing {
    fn because(reason: v1::EmptyReason) -> Nothing {
        Nothing {
            reason,
            retry_after: None,
            passed: Vec::new(),
        }
    }
}

/// Why there is nothing for an agent.
pub(super) async fn nothing_for(cx: &Context, agent: &AgentId) -> Nothing {
    let liveness = cx.liveness();
    let why = |state: &State| {
        if let Some(hold) = state.hold_on(agent) {
            return Nothing::because(match hold.kind {
                HoldKind::Pause => v1::EmptyReason::Paused,
                HoldKind::Drain { .. } => v1::EmptyReason::Drained,
                HoldKind::Stop => v1::EmptyReason::Stopped,
            });
        }
        if let Some(until) = state.slowed_until(agent, liveness.now) {
            return Nothing {
                retry_after: Some(until - liveness.now),
                ..Nothing::because(v1::EmptyReason::MachineSlowed)
            };
        }
        if state.is_scanning(agent) {
            return Nothing::because(v1::EmptyReason::ScanLimit);
        }
        let wants = state.presence(agent).and_then(|presence| presence.wants);
        let mut passed = match (state.agent(agent), wants) {
            (Some(agent), Some(wants)) => state.passed(agent, &wants),
            _ => Vec::new(),
        };
        if passed.is_empty() {
            return Nothing::because(v1::EmptyReason::NothingQueued);
        }
        passed.sort_by_key(|(_, tasks)| std::cmp::Reverse(*tasks));
        passed.truncate(MAX_PASSED);
        Nothing {
            passed: passed
                .iter()
                .map(|(passed, tasks)| passed_message(passed, *tasks))
                .collect(),
            ..Nothing::because(v1::EmptyReason::NothingFits)
        }
    };
    cx.core.read(why).await.value
}
