//! Figures of agents, and of the calls in which they and the readers of events wait.

use std::fmt;

use super::{Page, sheet::Sheet};
use crate::core::overview::{AgentCounts, Overview};

impl Page {
    pub(super) fn agents(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Overview {
            agents,
            slots,
            hold_counts,
            waiters,
            parked,
            ..
        } = &self.overview.value;
        let AgentCounts {
            online,
            slowed,
            draining,
            lost,
            paused,
            copied,
            silent,
        } = *agents;
        let by_state = [
            ("online", online),
            ("draining", draining),
            ("lost", lost),
            ("paused", paused),
        ];
        sheet.gauges(
            "swarm_agents",
            "Agents that have not said goodbye, by state",
            by_state.map(|(state, count)| ([("state", state)], count)),
        )?;
        sheet.gauge(
            "swarm_agents_slowed",
            "Online agents that are given nothing for a while, because their machine failed",
            slowed,
        )?;
        sheet.gauge(
            "swarm_agents_silent",
            "Agents that are not lost, and whose call is overdue for half a lease TTL",
            silent,
        )?;
        sheet.gauge(
            "swarm_agents_copied",
            "Agents of which a copy was refused within the last hour",
            copied,
        )?;
        sheet.gauge("swarm_slots", "Slots of the agents that are online", *slots)?;
        let by_kind = [
            ("pause", hold_counts.pauses),
            ("drain", hold_counts.drains),
            ("stop", hold_counts.stops),
        ];
        sheet.gauges(
            "swarm_holds",
            "Orders in place that no work is given, by kind",
            by_kind.map(|(kind, count)| ([("kind", kind)], count)),
        )?;
        sheet.gauge("swarm_waiting_claims", "Claims that wait for a task", *waiters)?;
        sheet.gauge(
            "swarm_parked_heartbeats",
            "Heartbeats that wait for an order",
            *parked,
        )?;
        sheet.gauge(
            "swarm_event_streams",
            "Readers of events",
            self.core.open_streams(),
        )
    }
}
