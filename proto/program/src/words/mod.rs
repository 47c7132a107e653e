//! Words for people: sentences broken into lines, and the word meant by a mistyped one.

pub mod nearest;
pub mod wrapped;
