//! The command executor: from a task's command to a process to start, and from its end to an outcome.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use swarm_proto::v1::{Blame, Command, Failure, Success, attempt_report::Outcome};

use crate::{
    attempt_key::AttemptKey,
    disk::workspace::AttemptDirectory,
    process::{Exit, Launch},
};

/// What a task sees of the agent's own environment, besides LC_*.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];
/// For an agent that has no PATH of its own.
const FALLBACK_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What to start for a command.
///
/// # Errors
///
/// The outcome of the attempt when there is nothing that could be started.
pub(crate) fn launch(
    command: &Command,
    key: &AttemptKey,
    job_id: &str,
    directory: &AttemptDirectory,
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
        return Err(failed("spawn", Blame::Task, sentence));
    }
    Ok(Launch {
        program: program.clone(),
        arguments: arguments.to_vec(),
        directory: working,
        env: environment(std::env::vars_os(), &command.env, key, job_id, directory),
        stdin: command.stdin.clone(),
    })
}

/// The outcome when the command could not be started.
pub(crate) fn not_started(error: &io::Error, program: &str, path: &OsStr) -> Outcome {
    let sentence = match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => {
            format!(
                "cannot start '{program}': there is no such file, or what its first line names is missing"
            )
        }
        io::ErrorKind::NotFound => {
            format!(
                "cannot start '{program}': not found in PATH={}",
                path.to_string_lossy()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "cannot start '{program}': it may not be executed (PATH={})",
                path.to_string_lossy()
            )
        }
        _ => format!("cannot start '{program}': {error}"),
    };
    failed("spawn", blame(error), sentence)
}

/// The outcome when the command ended by itself.
pub(crate) fn ended(exit: Exit) -> Outcome {
    match exit {
        Exit::Code(0) => Outcome::Success(Success {}),
        Exit::Code(code) => Outcome::Failure(Failure {
            exit_code: Some(code),
            ..failure("exit", Blame::Task, format!("the command exited with {code}"))
        }),
        Exit::Signal(signal) => Outcome::Failure(Failure {
            signal: Some(signal),
            ..failure(
                "signal",
                Blame::Task,
                format!("the command was ended by {}", signal_name(signal)),
            )
        }),
        Exit::Stuck => failed(
            "signal",
            Blame::Machine,
            "the command was killed and is still not gone",
        ),
    }
}

/// A failure with a sentence, cut to what the protocol takes.
pub(crate) fn failure(reason: &str, blame: Blame, sentence: impl Into<String>) -> Failure {
    Failure {
        reason: reason.to_owned(),
        blame: blame.into(),
        message: cut(sentence.into()),
        ..Failure::default()
    }
}

/// The outcome for [`failure`].
pub(crate) fn failed(reason: &str, blame: Blame, sentence: impl Into<String>) -> Outcome {
    Outcome::Failure(failure(reason, blame, sentence))
}

/// Whose fault it is that something could not be done here: a machine that is out of something, or the task.
pub(crate) fn blame(error: &io::Error) -> Blame {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(
            Errno::ENOSPC
            | Errno::EDQUOT
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::EAGAIN
            | Errno::EIO
            | Errno::EROFS,
        ) => Blame::Machine,
        _ => Blame::Task,
    }
}

/// The whole environment of a task: little of the agent's, what SWARM tells, and its own, the later winning.
fn environment(
    agents: impl Iterator<Item = (OsString, OsString)>,
    own: &BTreeMap<String, String>,
    key: &AttemptKey,
    job_id: &str,
    directory: &AttemptDirectory,
) -> Vec<(OsString, OsString)> {
    let mut env = BTreeMap::from([(OsString::from("PATH"), OsString::from(FALLBACK_PATH))]);
    env.extend(agents.filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
    }));
    let told = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
    let path = |path: &Path| path.as_os_str().to_owned();
    env.extend([
        told("SWARM_TASK_ID", OsStr::new(&key.task_id)),
        told("SWARM_ATTEMPT", OsStr::new(&key.attempt.to_string())),
        told("SWARM_JOB_ID", OsStr::new(job_id)),
        told("SWARM_WORKDIR", &path(&directory.work())),
        told("SWARM_INPUTS", &path(&directory.inputs())),
    ]);
    env.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    env.into_iter().collect()
}

fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
}

fn cut(mut sentence: String) -> String {
    /// The protocol's limit of a failure's message.
    const MAX_MESSAGE_BYTES: usize = 2048;
    if sentence.len() > MAX_MESSAGE_BYTES {
        sentence.truncate(sentence.floor_char_boundary(MAX_MESSAGE_BYTES));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::workspace::Workspace;

    fn key() -> AttemptKey {
        AttemptKey {
            task_id: "t".to_owned(),
            attempt: 3,
        }
    }

    #[test]
    fn a_task_sees_its_own_environment_and_none_of_the_agents_secrets() {
        let place = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::new(place.path().to_owned(), "agent"));
        let directory = AttemptDirectory::make(&workspace, &key(), false).unwrap();
        let agents = [
            ("PATH", "/bin"),
            ("LC_TIME", "C"),
            ("AWS_SECRET", "x"),
            ("SWARM_NAME", "y"),
            ("LANG", "C"),
        ];
        let agents = agents
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let own = BTreeMap::from([
            ("LANG".to_owned(), "de".to_owned()),
            ("A".to_owned(), "1".to_owned()),
        ]);
        let env = environment(agents, &own, &key(), "j", &directory);
        let names: Vec<_> = env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "A",
                "LANG",
                "LC_TIME",
                "PATH",
                "SWARM_ATTEMPT",
                "SWARM_INPUTS",
                "SWARM_JOB_ID",
                "SWARM_TASK_ID",
                "SWARM_WORKDIR"
            ]
        );
        assert!(env.contains(&("PATH".into(), "/bin".into())));
        assert!(env.contains(&("LANG".into(), "de".into())));
    }

    #[test]
    fn a_missing_command_is_the_tasks_fault_and_a_full_disk_the_machines() {
        let missing = not_started(&io::Error::from(Errno::ENOENT), "frobnicate", OsStr::new("/bin"));
        let Outcome::Failure(missing) = missing else {
            panic!("no failure")
        };
        assert_eq!((missing.reason.as_str(), missing.blame()), ("spawn", Blame::Task));
        assert_eq!(
            missing.message,
            "cannot start 'frobnicate': not found in PATH=/bin"
        );
        for errno in [Errno::ENOSPC, Errno::EMFILE, Errno::ENOMEM] {
            assert_eq!(blame(&io::Error::from(errno)), Blame::Machine);
        }
    }

    #[test]
    fn ends_become_outcomes() {
        assert_eq!(ended(Exit::Code(0)), Outcome::Success(Success {}));
        let Outcome::Failure(exit) = ended(Exit::Code(7)) else {
            panic!("no failure")
        };
        assert_eq!(
            (exit.reason.as_str(), exit.exit_code, exit.signal),
            ("exit", Some(7), None)
        );
        let Outcome::Failure(signal) = ended(Exit::Signal(11)) else {
            panic!("no failure")
        };
        assert_eq!((signal.reason.as_str(), signal.signal), ("signal", Some(11)));
        assert_eq!(signal.message, "the command was ended by SIGSEGV");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let cut = failure("x", Blame::Task, "ä".repeat(5000)).message;
        assert_eq!(cut.len(), 2048);
    }
}
