//! How far a wait has come: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    rate::{self, Rate},
    text,
};
use crate::program::terminal::note;

/// A line is written when a tenth more has ended, and otherwise this often.
pub const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// With details, a bar is drawn anew this often though nothing has ended.
const BAR_INTERVAL: Duration = Duration::from_secs(1);

/// With details, it is looked this often where those stand that have not ended, if nobody looks on.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Tasks that have ended, of those that are waited for.
pub struct Progress {
    bar: Option<ProgressBar>,
    is_detailed: bool,
    total: u64,
    ended: u64,
    unsuccessful: u64,
    /// Where the others stand: `5 running, 58 queued`.
    others: String,
    began: Instant,
    rate: Rate,
    told_tenths: u64,
    told_at: Instant,
}

impl Progress {
    /// Says how many have ended. Nothing is shown before the first update.
    pub fn new() -> Progress {
        Progress {
            bar: None,
            is_detailed: false,
            total: 0,
            ended: 0,
            unsuccessful: 0,
            others: String::new(),
            began: Instant::now(),
            rate: Rate::default(),
            told_tenths: 0,
            told_at: Instant::now(),
        }
    }

    /// Also says in which states the others are, and how long it will take.
    pub fn detailed() -> Progress {
        Progress {
            is_detailed: true,
            ..Progress::new()
        }
    }

    /// Whether it says in which states the others are.
    pub fn is_detailed(&self) -> bool {
        self.is_detailed
    }

    /// How often it wants to be told that time has passed.
    pub fn interval(&self) -> Duration {
        match (self.is_detailed, io::stderr().is_terminal()) {
            (false, _) => LINE_INTERVAL,
            (true, true) => BAR_INTERVAL,
            (true, false) => LOOK_INTERVAL,
        }
    }

    /// The others are in these states now.
    pub fn set_others(&mut self, others: String) {
        self.others = others;
    }

    /// So many have ended now.
    pub fn set(&mut self, total: u64, ended: u64, unsuccessful: u64) {
        (self.total, self.ended, self.unsuccessful) = (total, ended, unsuccessful);
        self.rate.see(self.began.elapsed(), ended);
        // One task has no tenths, and of the last one the caller speaks.
        if total <= 1 && !self.is_detailed {
            return;
        }
        if self.bar.is_none() && io::stderr().is_terminal() {
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

    /// Whether a line is written once so many have ended.
    pub fn would_tell(&self, ended: u64) -> bool {
        self.bar.is_none() && ended < self.total && ended * 10 / self.total > self.told_tenths
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

    /// What stands behind the numbers.
    fn details(&self) -> String {
        let mut details = match self.unsuccessful {
            0 => String::new(),
            count => format!(", {count} did not succeed"),
        };
        if !self.is_detailed {
            return details;
        }
        if !self.others.is_empty() {
            details.push_str(&format!("; {}", self.others));
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
