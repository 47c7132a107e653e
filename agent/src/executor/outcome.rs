//! Outcomes of attempts in the protocol's form, whatever kind of work was done.

use std::{ffi::OsStr, io};

use nix::errno::Errno;
use swarm_proto::{
    limits::MAX_FAILURE_MESSAGE_BYTES,
    v1::{Blame, Failure, Released, attempt_report::Outcome},
};

/// A failure with a sentence, cut to the length that the protocol takes.
pub(crate) fn failure(reason: &str, blame: Blame, sentence: impl Into<String>) -> Failure {
    Failure {
        reason: reason.to_owned(),
        blame: blame.into(),
        message: cut(sentence.into()),
        ..Failure::default()
    }
}

/// An attempt that failed.
pub(crate) fn failed(reason: &str, blame: Blame, sentence: impl Into<String>) -> Outcome {
    Outcome::Failure(failure(reason, blame, sentence))
}

/// A process that could not be started.
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
    let (reason, blame) = reason_and_blame(error);
    failed(reason, blame, sentence)
}

/// An attempt that this agent does not finish now. Nobody is to blame.
pub(crate) fn released(reason: &str) -> Outcome {
    Outcome::Released(Released {
        reason: reason.to_owned(),
        refused: false,
    })
}

/// An attempt that this agent never begins, because its owner does not allow the task.
pub(crate) fn refused(reason: String) -> Outcome {
    Outcome::Released(Released {
        reason,
        refused: true,
    })
}

/// Why the system did not start a process, and whose fault that is. A command line that is too long is so everywhere. A
/// program may be missing on this machine alone: the coordinator blames the task when another machine fails likewise.
fn reason_and_blame(error: &io::Error) -> (&'static str, Blame) {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::E2BIG | Errno::ENAMETOOLONG | Errno::EINVAL) => ("spawn", Blame::Task),
        Some(
            Errno::ENOSPC
            | Errno::EDQUOT
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::EAGAIN
            | Errno::EIO
            | Errno::EROFS,
        ) => ("exhausted", Blame::Machine),
        Some(_) => ("spawn", Blame::Machine),
        // Not the system but the process's own checks: the command line has a byte that none may have.
        None => ("spawn", Blame::Task),
    }
}

fn cut(mut sentence: String) -> String {
    if sentence.len() > MAX_FAILURE_MESSAGE_BYTES {
        sentence.truncate(sentence.floor_char_boundary(MAX_FAILURE_MESSAGE_BYTES));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_and_a_full_disk_are_the_machines_fault_and_a_long_command_line_the_tasks() {
        let missing = not_started(&io::Error::from(Errno::ENOENT), "frobnicate", OsStr::new("/bin"));
        let Outcome::Failure(missing) = missing else {
            panic!("no failure")
        };
        assert_eq!(
            (missing.reason.as_str(), missing.blame()),
            ("spawn", Blame::Machine)
        );
        assert_eq!(
            missing.message,
            "cannot start 'frobnicate': not found in PATH=/bin"
        );
        let of = |errno: Errno| reason_and_blame(&io::Error::from(errno));
        for errno in [Errno::EACCES, Errno::ENOEXEC, Errno::ENOTDIR, Errno::ELOOP] {
            assert_eq!(of(errno), ("spawn", Blame::Machine), "{errno}");
        }
        for errno in [Errno::ENOSPC, Errno::EMFILE, Errno::ENOMEM] {
            assert_eq!(of(errno), ("exhausted", Blame::Machine), "{errno}");
        }
        assert_eq!(of(Errno::E2BIG), ("spawn", Blame::Task));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let cut = failure("x", Blame::Task, "ä".repeat(5000)).message;
        assert_eq!(cut.len(), MAX_FAILURE_MESSAGE_BYTES);
    }
}
