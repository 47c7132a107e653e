//! The measurements, as a table for people and one object for scripts.

use serde_json::{Value, json};

use super::{
    Args,
    meter::Counts,
    phase::{Phase, Phases},
    target::Target,
    tidy::Tidied,
};
use crate::output::{Output, table::Table, text};

/// Prints everything.
///
/// # Errors
///
/// When stdout cannot be written.
pub(super) fn print(
    output: &Output,
    args: &Args,
    target: &Target,
    phases: &Phases,
    is_interrupted: bool,
    tidied: &Tidied,
) -> anyhow::Result<()> {
    let phases = phases.ended();
    let rows: Vec<Row<'_>> = phases.iter().flat_map(Row::of).collect();
    let last = phases.iter().rev().find_map(|phase| phase.after.as_ref());
    let value = json!({
        "coordinator": target.address().to_string(),
        "version": target.server.version,
        "queue": target.queue,
        "idle": args.idle,
        "batch": args.batch,
        "connections": args.connections,
        "in_flight": args.in_flight,
        "agents": args.agents(),
        "backlog": args.backlog,
        "payload_bytes": args.payload,
        "interrupted": is_interrupted,
        "phases": rows.iter().map(Row::value).collect::<Vec<_>>(),
        "submitted": target.submitted.get(),
        "completed": target.completed.get(),
        "cancelled": tidied.cancelled,
        "journal_bytes": last.map(|status| status.journal_bytes),
        "store_bytes": last.map(|status| status.store_bytes),
    });
    let mut table = Table::new([
        "PHASE",
        "DONE",
        "PER SECOND",
        "P50",
        "P99",
        "P99.9",
        "CPU",
        "CPU EACH",
        "MEMORY",
        "PEAK",
        "BUSY",
        "LOST",
    ])
    .dispensable(&["LOST", "MEMORY", "CPU"]);
    for row in &rows {
        table.row(row.cells());
    }
    let mut page = table.within(output.width());
    if let Some(status) = last {
        page.push_str(&format!(
            "\njournal {}, store {}\n",
            text::bytes(status.journal_bytes),
            text::bytes(status.store_bytes)
        ));
    }
    output.figures(&value, &target.queue, &page)
}

/// One kind of done things in a phase.
struct Row<'p> {
    name: &'static str,
    counts: &'p Counts,
    phase: &'p Phase,
    /// All done things of the phase, which share its processor time.
    done_in_phase: u64,
}

impl Row<'_> {
    fn of(phase: &Phase) -> impl Iterator<Item = Row<'_>> {
        let done_in_phase = phase.counts.iter().map(|(_, counts)| counts.done).sum();
        phase.counts.iter().map(move |(name, counts)| Row {
            name,
            counts,
            phase,
            done_in_phase,
        })
    }

    fn per_second(&self) -> f64 {
        rounded(ratio(self.counts.done as f64, self.phase.took.as_secs_f64()))
    }

    /// Microseconds of the coordinator's processor time for each done thing.
    fn cpu_micros_each(&self) -> Option<f64> {
        let cpu = self.phase.cpu?.as_secs_f64() * 1e6;
        Some(rounded(ratio(cpu, self.done_in_phase as f64)))
    }

    /// The coordinator's share of one processor, in percent.
    fn cpu_percent(&self) -> Option<f64> {
        let share = ratio(self.phase.cpu?.as_secs_f64(), self.phase.took.as_secs_f64());
        Some(rounded(share * 100.0))
    }

    fn value(&self) -> Value {
        let process = self.phase.process();
        json!({
            "phase": self.name,
            "done": self.counts.done,
            "requests": self.counts.answers,
            "seconds": self.phase.took.as_secs_f64(),
            "per_second": self.per_second(),
            "latency_us": {
                "p50": self.counts.latency(0.5),
                "p99": self.counts.latency(0.99),
                "p999": self.counts.latency(0.999),
                "max": self.counts.latency(1.0),
            },
            "busy": self.counts.busy,
            "lost": self.counts.lost,
            "cpu_us_each": self.cpu_micros_each(),
            "cpu_percent": self.cpu_percent(),
            "resident_bytes": process.map(|process| process.resident_bytes),
            "peak_resident_bytes": process.map(|process| process.peak_resident_bytes),
        })
    }

    fn cells(&self) -> [String; 12] {
        let process = self.phase.process();
        let latency = |quantile| {
            let micros = self.counts.latency(quantile);
            match micros {
                0 => String::new(),
                _ => format!("{:.2} ms", micros as f64 / 1e3),
            }
        };
        let shown = |bytes: Option<u64>| bytes.map(text::bytes).unwrap_or_default();
        [
            self.name.to_owned(),
            self.counts.done.to_string(),
            format!("{:.0}", self.per_second()),
            latency(0.5),
            latency(0.99),
            latency(0.999),
            self.cpu_percent()
                .map(|share| format!("{share:.0} %"))
                .unwrap_or_default(),
            self.cpu_micros_each()
                .map(|micros| format!("{micros:.1} µs"))
                .unwrap_or_default(),
            shown(process.map(|process| process.resident_bytes)),
            shown(process.map(|process| process.peak_resident_bytes)),
            self.counts.busy.to_string(),
            self.counts.lost.to_string(),
        ]
    }
}

/// A quotient, or 0 for a divisor of 0.
fn ratio(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { 0.0 }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
