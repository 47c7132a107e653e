//! Rules about the sources that a machine can check: what must be absent, and which part may know which.

mod absences;
mod arrows;
mod floors;
mod imports;
mod lock;
mod planted;
mod source;
