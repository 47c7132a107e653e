//! The newest durable events, decoded once for all followers.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use swarm_engine::{event::Event, id::Seq};

use crate::program::limits::TAIL_BYTES;

/// See the module.
pub(super) struct Tail {
    kept: RwLock<Kept>,
}

struct Kept {
    /// Events without gaps, each with the size of its stored form.
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    /// The seq of the event that comes after the kept ones.
    next: Seq,
}

impl Tail {
    /// An empty tail behind this event.
    pub(super) fn new(last: Seq) -> Tail {
        Tail {
            kept: RwLock::new(Kept {
                events: VecDeque::new(),
                bytes: 0,
                next: last.next(),
            }),
        }
    }

    /// Adds events that are about to become visible.
    pub(super) fn push(&self, events: impl IntoIterator<Item = (Arc<Event>, usize)>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for (event, bytes) in events {
            debug_assert_eq!(event.seq, kept.next, "the tail has no gaps");
            kept.next = event.seq.next();
            kept.bytes += bytes;
            kept.events.push_back((event, bytes));
        }
        while kept.bytes > TAIL_BYTES {
            let Some((_, bytes)) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
        }
    }

    /// The events from `from` through `through`, at most `most`; `None` when the first of them is no longer kept.
    pub(super) fn page(&self, from: Seq, through: Seq, most: usize) -> Option<Vec<Arc<Event>>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front()?.0.seq;
        let skip = usize::try_from(from.0.checked_sub(first.0)?).ok()?;
        let events = kept.events.iter().skip(skip).map(|(event, _)| event.clone());
        Some(
            events
                .take_while(|event| event.seq <= through)
                .take(most)
                .collect(),
        )
    }
}
