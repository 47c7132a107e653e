//! A small bar on a terminal for each phase.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a phase, drawn if a person can see it.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar of this length, if stderr is a terminal.
    pub(super) fn new(phase: &'static str, length: u64) -> Bar {
        let style = ProgressStyle::with_template("{msg:9} {bar:30} {pos}/{len} {per_sec}");
        Bar(io::stderr().is_terminal().then(|| {
            ProgressBar::new(length)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(phase)
        }))
    }

    /// A bar that is never drawn.
    pub(super) fn none() -> Bar {
        Bar(None)
    }

    /// Moves the bar.
    pub(super) fn advance(&self, by: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(by);
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
