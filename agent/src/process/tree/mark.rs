//! Marks: random words in the environment of every process of an attempt, by which the process is found again.
//!
//! ```text
//! SWARM_MARK=SERIES ATTEMPT   26 characters: 16 for the agent's process, 10 for the attempt
//! ```

use crate::program::random;

/// The variable that carries the mark.
pub(crate) const VARIABLE: &str = "SWARM_MARK";
/// 50 random bits behind those of the series: no two attempts of a series ever have the same mark.
const ATTEMPT_CHARACTERS: usize = 10;

/// The mark of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Mark(String);

impl Mark {
    /// A new mark that begins with these characters.
    pub(crate) fn new(series: &str) -> Mark {
        Mark(format!("{series}{}", random::base32(ATTEMPT_CHARACTERS)))
    }

    /// The value of the variable.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
