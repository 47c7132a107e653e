//! The memory that the coordinator lets others take: each part has a limit, and whoever takes from a part counts.

mod part;

use std::{ops::RangeInclusive, sync::Arc};

pub(crate) use self::part::{Hold, Part, Waited};
use crate::program::limits::{
    ANSWERS_BYTES, DECODING_BYTES, LEAST_STATE_BYTES, MEMORY_UNKNOWN, OUTPUTS_BACKLOG_BYTES, READING_BYTES,
    READING_PART_OF_AN_ADDRESS, RECALL_BYTES, STORE_READERS,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Requests that are arriving.
    pub(crate) reading: Arc<Part>,
    /// Requests that have arrived, and are being answered.
    pub(crate) decoding: Arc<Part>,
    /// Answers that wait until their peer takes them.
    pub(crate) answers: Arc<Part>,
    /// Tasks, jobs, agents and orders.
    pub(crate) state: Arc<Part>,
    /// Bytes of outputs that the store does not have yet.
    pub(crate) outputs: u64,
    pub(crate) recall: Recall,
}

/// What requests bring back from the store until they are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recall {
    /// Bytes of records of one request.
    pub(crate) bytes: u64,
    /// So many requests at the same time.
    pub(crate) readers: usize,
}

impl Recall {
    /// A share of these bytes.
    fn of(bytes: u64) -> Recall {
        let share = bytes / 4;
        let of_one = within(share / STORE_READERS.end(), &RECALL_BYTES);
        Recall {
            bytes: of_one,
            readers: within(share / of_one, &STORE_READERS) as usize,
        }
    }
}

impl Budget {
    /// So many bytes, with a share for each part. The doors need little; the state has the rest.
    pub(crate) fn of(bytes: u64) -> Budget {
        let share = |limits| within(bytes / 8, limits);
        let (reading, decoding, answers) = (
            share(&READING_BYTES),
            share(&DECODING_BYTES),
            share(&ANSWERS_BYTES),
        );
        let state = bytes
            .saturating_sub(reading + decoding + answers)
            .max(LEAST_STATE_BYTES);
        let part = |name, limit| Arc::new(Part::new(name, limit));
        Budget {
            reading: part("reading", reading),
            decoding: part("decoding", decoding),
            answers: part("answers", answers),
            state: part("state", state),
            outputs: within(bytes / 4, &OUTPUTS_BACKLOG_BYTES),
            recall: Recall::of(bytes),
        }
    }

    /// What one address may take of what is being read: a part of its own, beside that of all.
    pub(crate) fn reading_of_an_address(&self) -> Arc<Part> {
        let limit = self.reading.limit() / READING_PART_OF_AN_ADDRESS;
        Arc::new(Part::new(self.reading.name(), limit))
    }

    /// All parts, as they are shown.
    pub(crate) fn parts(&self) -> [&Arc<Part>; 4] {
        [&self.reading, &self.decoding, &self.answers, &self.state]
    }
}

fn within(bytes: u64, limits: &RangeInclusive<u64>) -> u64 {
    bytes.clamp(*limits.start(), *limits.end())
}

/// What an unlimited machine would have.
impl Default for Budget {
    fn default() -> Budget {
        Budget::of(MEMORY_UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_small_budget_can_do_its_work_and_the_state_has_the_most_of_a_large_one() {
        let small = Budget::of(0);
        assert!(small.parts().iter().all(|part| part.limit() > 0));
        let large = Budget::of(64 << 30);
        assert!(large.state.limit() > 62 << 30);
    }

    #[test]
    fn what_waits_for_the_store_and_comes_back_from_it_takes_as_little_as_there_is() {
        const MIB: u64 = 1 << 20;
        for (bytes, outputs, recall, readers) in [
            (0, 64, 32, 2),
            (300 * MIB, 75, 32, 2),
            (1024 * MIB, 256, 32, 8),
            (2048 * MIB, 512, 64, 8),
            (64 << 30, 1024, 64, 8),
        ] {
            let budget = Budget::of(bytes);
            let found = (
                budget.outputs / MIB,
                budget.recall.bytes / MIB,
                budget.recall.readers,
            );
            assert_eq!(found, (outputs, recall, readers), "of {bytes}");
        }
    }
}
