//! A program that proves something by itself and leaves a report.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::report::Report;
use crate::harness::wait_for;

/// The end of what it printed that is shown when it fails.
const SHOWN_LINES: usize = 60;

/// See the module.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    child: Child,
    report: PathBuf,
    log: PathBuf,
    /// The command line that runs it again.
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
                wrong.push(format!("it had not ended after {} s", limit.as_secs()));
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
            // Programs that are ended by a panic print much behind its words.
            let panic = lines.iter().position(|line| line.contains("panicked at "));
            if let Some(words) = panic.and_then(|at| lines.get(at + 1)) {
                wrong.push(format!("it panicked: {words}"));
            }
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

impl Drop for Part {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::PATIENCE;

    /// The outcome of a part that runs this shell line, in which `$1` is its report.
    fn finished(line: &str, limit: Duration) -> (Report, String) {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report.json");
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).arg(&report);
        let part = Part::start("stand-in", command, report, "do it again".to_owned());
        let mut broken = Vec::new();
        let report = part.finish(limit, &mut broken);
        (report, broken.concat())
    }

    #[test]
    fn a_part_that_ends_well_leaves_its_report() {
        let line = r#"echo '{"seeds":2,"operations":30,"faults":{"cut":4},"violations":0}' > $1"#;
        let (report, broken) = finished(line, PATIENCE);
        assert_eq!((report.seeds, report.operations, report.violations), (2, 30, 0));
        assert_eq!((report.faults["cut"], broken.as_str()), (4, ""));
    }

    #[test]
    fn a_part_that_finds_something_fails_hangs_or_leaves_nothing_is_a_violation_with_the_line_that_reruns_it()
    {
        for (line, limit, violations, said) in [
            (
                r#"echo '{"operations":3,"violations":2}' > $1; exit 1"#,
                PATIENCE,
                2,
                "exit status: 1",
            ),
            (
                r#"echo '{"operations":3,"violations":0}' > $1; exit 4"#,
                PATIENCE,
                1,
                "exit status: 4",
            ),
            ("exit 0", PATIENCE, 1, "cannot read the report"),
            (
                r#"echo "thread 'main' panicked at a:1:2:"; echo 'nobody came'; seq 100; exit 101"#,
                PATIENCE,
                1,
                "it panicked: nobody came",
            ),
            ("exec sleep 600", Duration::ZERO, 1, "had not ended"),
        ] {
            let (report, broken) = finished(line, limit);
            assert_eq!(report.violations, violations, "{line}");
            assert!(
                broken.contains(said) && broken.contains("do it again"),
                "{broken}"
            );
        }
    }
}
