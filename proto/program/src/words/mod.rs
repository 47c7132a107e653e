//! Words on a terminal: sentences broken into lines, and the name that was meant by a mistyped one.

pub mod nearest;
pub mod wrapped;
