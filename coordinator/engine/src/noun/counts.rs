//! Counts: numbers of tasks by state.

use crate::noun::task::TaskState;

/// The number of tasks in each state, in the order of [`TaskState::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; TaskState::ALL.len()]);

impl Counts {
    /// The number of tasks in this state.
    pub fn of(&self, state: TaskState) -> u64 {
        self.0[state as usize]
    }

    /// The number of tasks in all states.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The sum of both counts.
    #[must_use]
    pub fn plus(mut self, other: &Counts) -> Counts {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
        self
    }

    /// Whether every count is at most the other's.
    pub(crate) fn is_within(&self, other: &Counts) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| *own <= other)
    }

    pub(crate) fn add(&mut self, state: TaskState) {
        self.0[state as usize] += 1;
    }

    pub(crate) fn remove(&mut self, state: TaskState) {
        self.0[state as usize] -= 1;
    }
}

impl FromIterator<(TaskState, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (TaskState, u64)>>(counts: I) -> Counts {
        let mut all = Counts::default();
        for (state, count) in counts {
            all.0[state as usize] = count;
        }
        all
    }
}
