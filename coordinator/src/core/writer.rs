//! The writer: the one thread that appends to the journal.
//!
//! It takes whatever has been decided, appends it as one entry, syncs it, and
//! lets everything that waited for it go. Batches grow by themselves under load.

use std::sync::{Arc, mpsc::Sender};

use bytes::Bytes;
use swarm_engine::id::Seq;

use super::{Core, view::Work};
use crate::{
    journal::Journal,
    machine::clock::Stopwatch,
    program::failure::{abort, end_after_write},
    records::Entry,
    stored,
};

/// Runs until the core is closed and everything decided is durable. Gives the journal back.
pub(crate) fn run(core: &Core, mut journal: Journal, epoch: u64, store: &Sender<Work>) -> Journal {
    while let Some(changes) = core.take_pending() {
        let entries: Vec<Entry> = changes.into_iter().map(Entry::from).collect();
        let payloads: Vec<Bytes> = entries.iter().map(|entry| stored::encode(&entry.event)).collect();
        let watch = Stopwatch::start();
        let through = match journal.append(epoch, &payloads) {
            Ok(through) => Seq(through),
            // What is on disk now is unknown, and a second fsync may report success for lost data.
            Err(error) => end_after_write("the journal", &error, error.kind()),
        };
        let took = watch.elapsed();
        let last = entries.last().map(|entry| entry.event.seq);
        assert_eq!(last, Some(through), "the journal and the engine count alike");
        let sizes = payloads.iter().map(Bytes::len);
        let bytes = sizes.clone().sum();
        core.tail
            .push(entries.iter().map(|entry| Arc::clone(&entry.event)).zip(sizes));
        // Before anybody is told of it: a page of metrics is never behind an answer.
        core.meters
            .committed(took, entries.iter().map(|entry| entry.event.fact.kind()), bytes);
        core.became_durable(through);
        if store.send(Work::Entries(entries)).is_err() {
            abort("the thread that keeps the store has ended");
        }
    }
    journal
}

#[cfg(test)]
mod tests {
    use swarm_engine::command::submit::{self, Submit};

    use crate::testing::{fixture::Fixture, requests::task};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_answered_is_in_the_journal() {
        let swarm = Fixture::new();
        for index in 0..20 {
            let request = Submit {
                tasks: vec![task(&format!("t{index}"), &[])],
                ..Submit::default()
            };
            let answer = swarm.core.execute(|draft| submit::decide(draft, request)).await;
            let seq = answer.unwrap().as_of.0;
            let written = swarm.core.journal.read(seq, seq, usize::MAX);
            let written = written.is_ok_and(|events| events.iter().any(|(written, _)| *written == seq));
            assert!(written, "event {seq} was answered and is not in the journal");
        }
    }
}
