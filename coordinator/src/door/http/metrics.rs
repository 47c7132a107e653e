//! The page of metrics, in the text format that Prometheus reads.
//!
//! Names end with their unit. Labels are states, kinds, codes, reasons, methods of the protocol and a bounded number
//! of queues, never ids of tasks, jobs or agents: each value of a label is a series that somebody's disk keeps.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, text},
    metrics::{MetricType, histogram::Histogram},
    registry::Registry,
};
use swarm_engine::{
    noun::{counts::Counts, task::TaskState},
    time::Timestamp,
};

use crate::{
    core::{
        Answer, Core,
        budget::Part,
        overview::{AgentCounts, Overview},
    },
    machine::usage::Usage,
};

/// Everything as it is now, and durable.
pub(crate) async fn page(core: &Arc<Core>, lease_ttl: Duration) -> String {
    let page = Page {
        overview: core.overview(lease_ttl).await,
        now: core.clock().now(),
        core: Arc::clone(core),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut text = String::new();
    text::encode_registry(&mut text, &registry).expect("a string takes every text");
    text
}

struct Page {
    overview: Answer<Overview>,
    now: Timestamp,
    core: Arc<Core>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.tasks(&mut sheet)?;
        self.agents(&mut sheet)?;
        self.events(&mut sheet)?;
        self.journal(&mut sheet)?;
        self.store(&mut sheet)?;
        self.memory(&mut sheet)?;
        self.calls(&mut sheet)?;
        self.process(&mut sheet)
    }
}

impl Page {
    fn tasks(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Overview {
            counts,
            queues,
            jobs,
            oldest_queued,
            unmatched,
            ..
        } = &self.overview.value;
        let by_state = TaskState::ALL.map(|state| ([("state", state.to_string())], counts.of(state)));
        sheet.gauges("swarm_tasks", "Tasks that are kept, by state", by_state)?;
        sheet.gauges(
            "swarm_queue_tasks",
            "Queued and running tasks by queue; the queue without a name is all beyond the first hundred",
            by_queue(queues, counts),
        )?;
        sheet.gauge("swarm_jobs", "Jobs that are kept", *jobs)?;
        let age = oldest_queued.map_or(Duration::ZERO, |created| self.now - created);
        sheet.gauge(
            "swarm_oldest_queued_age_seconds",
            "Time since the oldest queued task was submitted; 0 when none is queued",
            age.as_secs_f64(),
        )?;
        sheet.gauge(
            "swarm_unmatched_tasks",
            "Queued tasks that no live agent can run as things are",
            *unmatched,
        )
    }

    fn agents(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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

    fn events(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        sheet.counters(
            "swarm_events_total",
            "Events since the start, by kind",
            self.core
                .meters()
                .events()
                .map(|(kind, count)| ([("kind", kind)], count)),
        )
    }

    fn journal(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (journal, commits) = (self.core.journal(), &self.core.meters().commits);
        let seq = self.overview.as_of.0;
        sheet.gauge("swarm_journal_seq", "The last event that this page reflects", seq)?;
        sheet.gauge(
            "swarm_journal_oldest_seq",
            "The first event that is kept",
            journal.oldest_seq(),
        )?;
        sheet.gauge(
            "swarm_journal_bytes",
            "What the journal takes on disk",
            journal.bytes(),
        )?;
        let of_commits = [
            (
                "swarm_journal_commit_seconds",
                "Time to write a group commit and to sync it to the disk",
                &commits.seconds,
            ),
            (
                "swarm_journal_commit_events",
                "Events of a group commit",
                &commits.events,
            ),
            (
                "swarm_journal_commit_bytes",
                "Bytes of a group commit",
                &commits.bytes,
            ),
        ];
        for (name, help, histogram) in of_commits {
            sheet.histogram(name, help, histogram)?;
        }
        let Some(snapshot) = self.core.meters().snapshot() else {
            return Ok(());
        };
        sheet.gauge(
            "swarm_snapshot_age_seconds",
            "Time since the newest snapshot; absent when there was none since the start",
            (self.now - snapshot.at).as_secs_f64(),
        )?;
        sheet.gauge(
            "swarm_snapshot_duration_seconds",
            "How long the newest snapshot took; absent likewise",
            snapshot.took.as_secs_f64(),
        )
    }

    fn store(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let store = self.core.store();
        let lag = self.overview.as_of.0.saturating_sub(store.applied_seq());
        sheet.gauge(
            "swarm_store_lag_events",
            "Durable events that the store does not have yet",
            lag,
        )?;
        match store.size_on_disk() {
            Ok(bytes) => sheet.gauge("swarm_store_bytes", "What the store takes on disk", bytes),
            // A figure that is not known is left out.
            Err(_) => Ok(()),
        }
    }

    fn memory(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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

    fn calls(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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

    fn process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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

/// The first queues by name, and under no name what is left of all.
fn by_queue<Q: fmt::Display>(
    queues: &[(Q, Counts)],
    all: &Counts,
) -> Vec<([(&'static str, String); 2], u64)> {
    let mut samples = Vec::new();
    for state in [TaskState::Queued, TaskState::Running] {
        let labels = |queue: String| [("queue", queue), ("state", state.to_string())];
        let mut rest = all.of(state);
        for (queue, counts) in queues {
            rest = rest.saturating_sub(counts.of(state));
            samples.push((labels(queue.to_string()), counts.of(state)));
        }
        samples.push((labels(String::new()), rest));
    }
    samples
}

/// Writes families of samples.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        family.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_gauge(&value)
    }

    fn histogram(&mut self, name: &str, help: &str, value: &Histogram) -> fmt::Result {
        let family = self.0.encode_descriptor(name, help, None, value.metric_type())?;
        value.encode(family)
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples)
    }

    fn counters<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples)
    }

    /// In this format the samples of a counter have the name of their family, as those of a gauge do; the library
    /// follows a newer one, which keeps `_total` out of the family's name and which fewer scrapers read.
    fn family<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        metric_type: MetricType,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, metric_type)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in samples {
            histogram.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::limits::MAX_METERED_QUEUES;

    #[test]
    fn queues_without_figures_of_their_own_have_theirs_together() {
        let counts = |queued, running| {
            [(TaskState::Queued, queued), (TaskState::Running, running)]
                .into_iter()
                .collect::<Counts>()
        };
        let shown: Vec<_> = (0..MAX_METERED_QUEUES)
            .map(|number| (format!("q{number}"), counts(2, 1)))
            .collect();
        let samples = by_queue(&shown, &counts(207, 103));
        assert_eq!(samples.len(), 2 * (MAX_METERED_QUEUES + 1));
        let rest: Vec<_> = samples
            .iter()
            .filter(|(labels, _)| labels[0].1.is_empty())
            .map(|(labels, count)| (labels[1].1.as_str(), *count))
            .collect();
        assert_eq!(rest, [("queued", 7), ("running", 3)]);
    }
}
