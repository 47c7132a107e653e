//! Figures of tasks, their queues and their jobs.

use std::{fmt, time::Duration};

use swarm_engine::noun::{counts::Counts, task::TaskState};

use super::{Page, sheet::Sheet};
use crate::core::overview::Overview;

impl Page {
    pub(super) fn tasks(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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
