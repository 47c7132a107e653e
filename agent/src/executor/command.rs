//! Commands: a program with arguments. The attempt succeeds when the program exits with 0.

use std::{env, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use nix::sys::signal::Signal;
use swarm_program::doctor::report::Report;
use swarm_proto::v1::{Blame, Command, Failure, Success, attempt_report::Outcome};

use super::{
    environment,
    outcome::{failed, failure},
};
use crate::{
    attempt_key::AttemptKey,
    disk::workspace::AttemptDirectory,
    process::{End, Launch},
};

/// Programs that tasks need without naming them: `run: make && make install` is a line for the shell.
const TOOLS: [(&str, &str); 1] = [(
    "sh",
    "install a POSIX shell: tasks that are one line of text run in it",
)];

/// The exit codes with which shells, `env`, `nice` and `timeout` say that they could not start a program. Another
/// machine may have it.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Checks that these programs are on PATH.
pub(super) fn probe(report: &mut Report) {
    let Some(path) = env::var_os("PATH") else {
        return report.wrong(
            "tool",
            "PATH is not set: tasks find no programs",
            "set PATH where the agent is started",
        );
    };
    for (tool, fix) in TOOLS {
        let is_program = |file: &PathBuf| {
            fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        match env::split_paths(&path).map(|dir| dir.join(tool)).find(is_program) {
            Some(file) => report.well("tool", format!("{tool} is {}", file.display())),
            None => report.wrong("tool", format!("{tool} is not on PATH"), fix),
        }
    }
}

/// The process of a command.
///
/// # Errors
///
/// The outcome of the attempt when there is nothing to start.
pub(super) fn prepare(
    command: &Command,
    key: &AttemptKey,
    job_id: &str,
    directory: &AttemptDirectory,
    cut_inputs: &[String],
) -> Result<Launch, Outcome> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Err(failed("spawn", Blame::Task, "the command is empty"));
    };
    let working = if command.cwd.is_empty() {
        directory.work()
    } else {
        PathBuf::from(&command.cwd)
    };
    if !working.is_dir() {
        let sentence = format!(
            "cannot start '{program}': there is no directory {} here",
            working.display()
        );
        return Err(failed("spawn", Blame::Machine, sentence));
    }
    Ok(Launch {
        program: program.clone(),
        arguments: arguments.to_vec(),
        directory: working,
        env: environment::of(&command.env, key, job_id, directory, cut_inputs),
        stdin: command.stdin.clone(),
    })
}

/// The outcome of a command that ended by itself.
pub(super) fn judge(end: End) -> Outcome {
    match end {
        End::Code(0) => Outcome::Success(Success {}),
        End::Code(code) => {
            let (blame, means) = match code {
                NOT_EXECUTABLE => (
                    Blame::Machine,
                    ": a program that it names may not be executed here",
                ),
                NOT_FOUND => (Blame::Machine, ": a program that it names is not found here"),
                _ => (Blame::Task, ""),
            };
            Outcome::Failure(Failure {
                exit_code: Some(code),
                ..failure("exit", blame, format!("the command exited with {code}{means}"))
            })
        }
        End::Signal(signal) => Outcome::Failure(Failure {
            signal: Some(signal),
            ..failure(
                "signal",
                Blame::Task,
                format!("the command was ended by {}", signal_name(signal)),
            )
        }),
        End::Stuck => failed(
            "signal",
            Blame::Machine,
            "the command was killed and is still not gone",
        ),
    }
}

fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_become_outcomes() {
        assert_eq!(judge(End::Code(0)), Outcome::Success(Success {}));
        let Outcome::Failure(exit) = judge(End::Code(7)) else {
            panic!("no failure")
        };
        assert_eq!(
            (exit.reason.as_str(), exit.exit_code, exit.signal),
            ("exit", Some(7), None)
        );
        for (code, blame) in [(125, Blame::Task), (126, Blame::Machine), (127, Blame::Machine)] {
            let Outcome::Failure(exit) = judge(End::Code(code)) else {
                panic!("no failure")
            };
            assert_eq!((exit.reason.as_str(), exit.blame()), ("exit", blame), "{code}");
        }
        let Outcome::Failure(signal) = judge(End::Signal(11)) else {
            panic!("no failure")
        };
        assert_eq!((signal.reason.as_str(), signal.signal), ("signal", Some(11)));
        assert_eq!(signal.message, "the command was ended by SIGSEGV");
    }
}
