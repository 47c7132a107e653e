//! How far a wait has come: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{note, text};

/// A line is written when a tenth more has ended, and otherwise this often.
pub const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Tasks that have ended, of those that are waited for.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    ended: u64,
    unsuccessful: u64,
    told_tenths: u64,
    told_at: Instant,
}

impl Progress {
    /// Nothing is shown before the first update.
    pub fn new() -> Progress {
        Progress {
            bar: None,
            total: 0,
            ended: 0,
            unsuccessful: 0,
            told_tenths: 0,
            told_at: Instant::now(),
        }
    }

    /// So many have ended now.
    pub fn set(&mut self, total: u64, ended: u64, unsuccessful: u64) {
        (self.total, self.ended, self.unsuccessful) = (total, ended, unsuccessful);
        // One task has no tenths, and of the last one the caller speaks.
        if total <= 1 {
            return;
        }
        if self.bar.is_none() && io::stderr().is_terminal() {
            self.bar = Some(ProgressBar::new(total).with_style(style()));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(ended);
                if unsuccessful > 0 {
                    bar.set_message(format!(", {unsuccessful} did not succeed"));
                }
            }
            None if ended < total && ended * 10 / total > self.told_tenths => self.tell(),
            None => {}
        }
    }

    /// Tells a person something while the bar is there; it stays below.
    pub fn note(&self, text: impl AsRef<str>) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        if self.bar.is_none() && self.told_at.elapsed() >= LINE_INTERVAL {
            self.tell();
        }
    }

    /// Removes the bar, so that other text can follow.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell(&mut self) {
        self.told_tenths = (self.ended * 10).checked_div(self.total).unwrap_or(0);
        self.told_at = Instant::now();
        let failed = match self.unsuccessful {
            0 => String::new(),
            count => format!(", {count} did not succeed"),
        };
        note(format!(
            "{} of {} ended{failed}",
            self.ended,
            text::counted(self.total, "task")
        ));
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} ended{msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}
