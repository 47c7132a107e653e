//! Cuts: of a long output only the end is kept.

/// What is left of an output that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes that were written in all.
    pub whole: u64,
    /// The number of those, the last ones, that are kept.
    pub kept: u64,
}

impl Cut {
    /// The cut of an output; `None` when all of it is kept.
    pub fn of(whole: u64, kept: u64) -> Option<Cut> {
        (kept < whole).then_some(Cut { whole, kept })
    }
}
