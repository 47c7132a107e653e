//! Systems that find no processes by their mark.

use std::io;

/// Whether processes are found by their mark here.
pub(crate) const FINDS_MARKED: bool = false;

/// Finds nothing.
#[derive(Default)]
pub(crate) struct Scanner {}

impl Scanner {
    pub(crate) fn kill_marked(&mut self, _: impl FnMut(i32, &str) -> bool) -> io::Result<()> {
        Ok(())
    }
}

/// No text here tells a process from a later one with the same number.
pub(crate) fn identity() -> String {
    String::new()
}

/// No process can be found.
pub(crate) fn is_alive(_: &str) -> bool {
    false
}
