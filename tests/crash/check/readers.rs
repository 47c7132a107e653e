//! Events: every reader is sent each of them once and in order, and all readers are sent the same.

use swarm_proto::v1::Event;

use crate::crash::history::History;

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (expected, event) in (1..).zip(&history.log) {
        if event.seq != expected {
            found.push(format!(
                "the log has seq {} where {expected} should be",
                event.seq
            ));
            break;
        }
    }
    for reader in &history.readers {
        let mut next = None;
        for (number, connection) in reader.connections.iter().enumerate() {
            let place = format!("reader {}, connection {number}", reader.name);
            if next.is_some_and(|next| next != connection.from_seq) {
                // The reader's own fault, and still nothing that this history proves anything with.
                found.push(format!(
                    "{place}: asked from seq {} after it had read up to {next:?}",
                    connection.from_seq
                ));
            }
            let first = connection.from_seq.max(1);
            for (expected, event) in (first..).zip(&connection.events) {
                if event.seq != expected {
                    found.push(format!(
                        "{place}: was sent seq {} where {expected} comes next: {}",
                        event.seq, event.summary
                    ));
                    break;
                }
                found.extend(differs(&history.log, event).map(|how| format!("{place}: {how}")));
            }
            let read = connection.events.last().map(|event| event.seq + 1);
            next = Some(read.unwrap_or(connection.from_seq));
        }
    }
    found
}

/// The difference between an event and the log's event of the same seq.
fn differs(log: &[Event], event: &Event) -> Option<String> {
    let at = usize::try_from(event.seq).ok()?.checked_sub(1)?;
    let Some(kept) = log.get(at) else {
        return Some(format!(
            "was sent seq {}, which is gone: {}",
            event.seq, event.summary
        ));
    };
    (kept != event).then(|| {
        format!(
            "was sent seq {} as '{}', which is '{}' now",
            event.seq, event.summary, kept.summary
        )
    })
}
