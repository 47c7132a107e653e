//! The progress of a wait: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    rate::{self, Rate},
    text,
};
use crate::program::terminal::{is_watched, note};

/// How often a line is written if less than a tenth of the tasks has ended meanwhile.
pub const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// How often a detailed bar is drawn again while nothing ends.
const BAR_INTERVAL: Duration = Duration::from_secs(1);

/// How often a detailed wait asks for unfinished tasks when no terminal is watching.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// The number of ended tasks among the awaited ones, shown to a person.
pub struct Progress {
    bar: Option<ProgressBar>,
    is_detailed: bool,
    total: u64,
    ended: u64,
    unsuccessful: u64,
    /// The states of unended tasks: `5 running, 58 queued`.
    unended: String,
    began: Instant,
    rate: Rate,
    told_tenths: u64,
    told_at: Instant,
}

impl Progress {
    /// A progress that tells how many tasks have ended. Nothing is shown before the first update.
    pub fn new() -> Progress {
        Progress {
            bar: None,
            is_detailed: false,
            total: 0,
            ended: 0,
            unsuccessful: 0,
            unended: String::new(),
            began: Instant::now(),
            rate: Rate::default(),
            told_tenths: 0,
            told_at: Instant::now(),
        }
    }

    /// A progress that also tells the states of unended tasks, and how long the rest will take.
    pub fn detailed() -> Progress {
        Progress {
            is_detailed: true,
            ..Progress::new()
        }
    }

    /// Whether the states of unended tasks are shown.
    pub fn is_detailed(&self) -> bool {
        self.is_detailed
    }

    /// How often `tick` is to be called.
    pub fn interval(&self) -> Duration {
        match (self.is_detailed, io::stderr().is_terminal()) {
            (false, _) => LINE_INTERVAL,
            (true, true) => BAR_INTERVAL,
            (true, false) => REFRESH_INTERVAL,
        }
    }

    /// Notes the states of unended tasks.
    pub fn set_unended(&mut self, unended: String) {
        self.unended = unended;
    }

    /// Notes how many tasks have ended.
    pub fn set(&mut self, total: u64, ended: u64, unsuccessful: u64) {
        (self.total, self.ended, self.unsuccessful) = (total, ended, unsuccessful);
        self.rate.sample(self.began.elapsed(), ended);
        // One task has no tenths, and the caller tells of the last end.
        if total <= 1 && !self.is_detailed {
            return;
        }
        if self.bar.is_none() && is_watched() {
            self.bar = Some(ProgressBar::new(total).with_style(style()));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(ended);
                bar.set_message(self.details());
            }
            None if self.would_tell(ended) => self.tell(),
            None => {}
        }
    }

    /// Whether a line would be written for this number of ended tasks.
    pub fn would_tell(&self, ended: u64) -> bool {
        self.bar.is_none() && ended < self.total && ended * 10 / self.total > self.told_tenths
    }

    /// Tells a person something above the bar.
    pub fn note(&self, text: impl AsRef<str>) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Draws the bar or writes a line, if it is time.
    pub fn tick(&mut self) {
        match &self.bar {
            Some(bar) => bar.set_message(self.details()),
            None if self.told_at.elapsed() >= LINE_INTERVAL => self.tell(),
            None => {}
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
        let total = text::counted(self.total, "task");
        note(format!("{} of {total} ended{}", self.ended, self.details()));
    }

    /// The text after the numbers.
    fn details(&self) -> String {
        let mut details = match self.unsuccessful {
            0 => String::new(),
            count => format!(", {count} did not succeed"),
        };
        if !self.is_detailed {
            return details;
        }
        if !self.unended.is_empty() {
            details.push_str(&format!("; {}", self.unended));
        }
        let rest = self.total.saturating_sub(self.ended);
        if let Some(left) = self.rate.left(self.began.elapsed(), self.ended, rest) {
            details.push_str(&format!("; {}", rate::in_words(left)));
        }
        details
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:20} {pos}/{len} ended{msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}
