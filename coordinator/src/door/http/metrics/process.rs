//! Figures of the process and its clock.

use std::fmt;

use super::{Page, sheet::Sheet};
use crate::machine::usage::Usage;

impl Page {
    pub(super) fn process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let clock = self.core.clock();
        sheet.gauges(
            "swarm_info",
            "Which coordinator this is; always 1",
            [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)],
        )?;
        sheet.gauge(
            "swarm_uptime_seconds",
            "Time since the start",
            clock.uptime().as_secs_f64(),
        )?;
        sheet.gauge(
            "swarm_wall_clock_ahead_seconds",
            "How far the machine's wall clock is ahead of the coordinator's own",
            clock.wall_ahead_ms() as f64 / 1000.0,
        )?;
        sheet.gauge(
            "swarm_clock_doubt_seconds",
            "How far the wall clock was ahead of the last event at the start, and is not believed; 0 when it is",
            clock.doubt().as_secs_f64(),
        )?;
        sheet.gauge(
            "swarm_time_ahead_seconds",
            "How far the coordinator's time is ahead of the wall clock since the start; while it is by more than a \
             minute, nothing is removed for its age and deadlines wait",
            self.core.ahead_of_wall().as_secs_f64(),
        )?;
        // Not on every system.
        let Some(usage) = Usage::now() else { return Ok(()) };
        sheet.counter(
            "swarm_process_cpu_seconds_total",
            "Time that the process has spent on processors",
            usage.cpu.as_secs_f64(),
        )?;
        sheet.gauge(
            "swarm_process_resident_bytes",
            "Memory that the process has",
            usage.resident_bytes,
        )?;
        sheet.gauge(
            "swarm_process_peak_resident_bytes",
            "The most memory that the process had",
            usage.peak_resident_bytes,
        )
    }
}
