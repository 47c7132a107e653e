//! A verb's findings, one line each, on stdout.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Prints a finding. A reader that is gone, as that of `coordinator verify | head -1`, changes nothing about the verb.
pub(super) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
