//! Figures of calls, and of the memory that they and the state take.

use std::fmt;

use super::{Page, sheet::Sheet};
use crate::core::budget::Part;

impl Page {
    pub(super) fn calls(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let meters = self.core.meters();
        let by_code = meters.calls().flat_map(|(method, calls)| {
            let labels = move |code| [("method", method), ("code", code)];
            calls.by_code().map(move |(code, count)| (labels(code), count))
        });
        sheet.counters(
            "swarm_grpc_calls_total",
            "Calls since the start; CANCELLED are those whose caller left or whose time was up",
            by_code,
        )?;
        let times = meters
            .calls()
            .map(|(method, calls)| ([("method", method)], &calls.seconds));
        sheet.histograms(
            "swarm_grpc_call_seconds",
            "Time until the answer to a call began; claims and heartbeats may wait on purpose",
            times,
        )?;
        sheet.counters(
            "swarm_refusals_total",
            "Calls refused as a whole since the start, by reason",
            meters
                .refusals()
                .map(|(reason, count)| ([("reason", reason)], count)),
        )
    }

    pub(super) fn memory(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let parts = self.core.budget().parts();
        let of = |value: fn(&Part) -> u64| parts.map(|part| ([("purpose", part.name())], value(part)));
        sheet.gauges(
            "swarm_memory_bytes",
            "Memory that requests, answers and the state take, by purpose",
            of(Part::used),
        )?;
        sheet.gauges(
            "swarm_memory_limit_bytes",
            "The most memory that they may take, by purpose",
            of(Part::limit),
        )?;
        sheet.counters(
            "swarm_memory_refusals_total",
            "How often there was no memory for a request since the start, by purpose",
            of(Part::refused),
        )
    }
}
