//! The memory that the coordinator lets others take: each part has a limit, and whoever takes from a part counts.

mod part;

use std::sync::Arc;

pub(crate) use self::part::{Hold, Part};
use crate::program::limits::{
    ANSWERS_BYTES, DECODING_BYTES, LEAST_STATE_BYTES, MEMORY_UNKNOWN, READING_BYTES,
    READING_PART_OF_AN_ADDRESS,
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
}

impl Budget {
    /// So many bytes, with a share for each part. The doors need little; the state has the rest.
    pub(crate) fn of(bytes: u64) -> Budget {
        let share =
            |limits: &std::ops::RangeInclusive<u64>| (bytes / 8).clamp(*limits.start(), *limits.end());
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
}
