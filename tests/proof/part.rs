//! A program that proves something by itself and leaves a report.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{crash::report::Report, harness::wait_for};

/// The end of what it printed that is shown when it fails.
const SHOWN_LINES: usize = 60;

/// See the module.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    child: Child,
    report: PathBuf,
    log: PathBuf,
    /// What to type to have it once more.
    again: String,
}

impl Part {
    /// Starts it; it writes its report to this file.
    pub(crate) fn start(name: &'static str, mut command: Command, report: PathBuf, again: String) -> Part {
        let log = report.with_extension("log");
        let output = File::create(&log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        Part {
            name,
            child: command.spawn().unwrap(),
            report,
            log,
            again,
        }
    }

    /// Waits for its end and reads its report. What went wrong is added to `broken`, and counts as a violation even
    /// when there is no report.
    pub(crate) fn finish(mut self, limit: Duration, broken: &mut Vec<String>) -> Report {
        let start = Instant::now();
        let status = wait_for("a part of the proof ends", Duration::MAX, || {
            let ended = self.child.try_wait().unwrap();
            (ended.is_some() || start.elapsed() >= limit).then_some(ended)
        });
        let mut wrong = Vec::new();
        match status {
            None => {
                let _ = self.child.kill();
                let _ = self.child.wait();
                wrong.push(format!("it had not ended after {limit:?}"));
            }
            Some(status) if !status.success() => wrong.push(format!("it ended with {status}")),
            Some(_) => {}
        }
        let mut report = Report::read(&self.report).unwrap_or_else(|error| {
            wrong.push(error);
            Report::default()
        });
        if !wrong.is_empty() {
            report.violations = report.violations.max(1);
        }
        if report.violations > 0 {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("---- the end of what the {} printed", self.name);
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                println!("{line}");
            }
            wrong.push(format!("to have it again: {}", self.again));
            broken.push(format!("{}: {}", self.name, wrong.join("; ")));
        }
        report
    }
}
