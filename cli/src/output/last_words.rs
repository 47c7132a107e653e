//! The last lines that a failed task printed, which mostly say why.

use swarm_program::words::clean::clean;
use swarm_proto::v1::{Output, Task};

use super::sheet::{Ink, Sheet};

/// What a task printed last: to standard error, or else to standard output. Empty when it printed nothing.
pub fn of(task: &Task, lines: usize) -> Sheet {
    let mut sheet = Sheet::default();
    let Some(output) = task.result.as_ref().and_then(|result| result.output.as_ref()) else {
        return sheet;
    };
    let Output { stdout, stderr, .. } = output;
    let (name, bytes) = match stderr.is_empty() {
        true => ("stdout", stdout),
        false => ("stderr", stderr),
    };
    let cleaned = clean(&String::from_utf8_lossy(bytes));
    let all: Vec<&str> = cleaned.lines().collect();
    if all.is_empty() {
        return sheet;
    }
    let shown = &all[all.len().saturating_sub(lines)..];
    sheet.lines(
        Ink::Faint,
        &match shown.len() < all.len() {
            true => format!("the last {lines} lines of its {name}"),
            false => format!("its {name}"),
        },
    );
    for line in shown {
        sheet.line([(Ink::Unpainted, format!("  {line}"))]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::TaskResult;

    use super::*;

    #[test]
    fn stderr_comes_before_stdout_and_only_its_end_is_told() {
        let told = |stdout: &str, stderr: &str| {
            let output = Output {
                stdout: stdout.into(),
                stderr: stderr.into(),
                ..Output::default()
            };
            let task = Task {
                result: Some(TaskResult {
                    attempt: 1,
                    output: Some(output),
                }),
                ..Task::default()
            };
            of(&task, 2).shown(false)
        };
        assert_eq!(told("a\n", ""), "its stdout\n  a\n");
        assert_eq!(
            told("a\n", "b\nc\nd\u{1b}[2J\n"),
            "the last 2 lines of its stderr\n  c\n  d\n"
        );
        assert_eq!((told("", "").as_str(), of(&Task::default(), 2).height()), ("", 0));
    }
}
