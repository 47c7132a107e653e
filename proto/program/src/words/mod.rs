//! Words for people: sentences broken into lines, text from outside, and the word meant by a mistyped one.

pub mod clean;
pub mod nearest;
pub mod wrapped;
