//! Figures of events, and of the journal and the store that keep them.

use std::fmt;

use super::{Page, sheet::Sheet};

impl Page {
    pub(super) fn events(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        sheet.counters(
            "swarm_events_total",
            "Events since the start, by kind",
            self.core
                .meters()
                .events()
                .map(|(kind, count)| ([("kind", kind)], count)),
        )
    }

    pub(super) fn journal(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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

    pub(super) fn store(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
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
}
