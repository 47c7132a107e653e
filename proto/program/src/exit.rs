//! Exit codes of all three programs: one table from failures, refusals and lost calls to what scripts branch on.
//!
//! The README's table is the promise; a code keeps its meaning.

use std::process::ExitCode;

use swarm_proto::{call::CallFailure, reason::Reason};
use tonic::Code;

/// How a program ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The program did its work.
    Done,
    /// A waited-for task did not succeed, or any other failure.
    Failed,
    /// Wrong usage, a bad job file, or a request that can never be right.
    Usage,
    /// Refused: a conflict, a wrong state, not allowed, or a data directory that another process uses.
    Refused,
    /// There is no such task, job or agent.
    NotFound,
    /// The time to wait was over.
    TimedOut,
    /// The task was accepted, and no live agent can run it.
    Unmatched,
    /// The agent is at work elsewhere, and this program is a copy of it.
    Elsewhere,
    /// The coordinator cannot be reached.
    Unreachable,
    /// A mistake in Swarm itself, or the machine fails in an unknown way.
    Bug,
    /// A disk is full, or the data on it are damaged.
    Disk,
    /// A later start can do better: it mends the store that was found damaged while serving, or finds the agent's state
    /// directory free.
    Again,
    /// The configuration cannot work, such as a port in use.
    Configuration,
    /// Nothing was submitted, because all of it was there before.
    NothingNew,
    /// A task that was run succeeded, and only the end of its standard output is there.
    OutputCut,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM, while something was waited for.
    Terminated,
    /// The exit code of a task that was run.
    Task(u8),
}

impl Exit {
    /// The number that the shell gets.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::NotFound => 4,
            Exit::TimedOut => 5,
            Exit::Unmatched => 9,
            Exit::Elsewhere => 10,
            Exit::NothingNew => 11,
            Exit::OutputCut => 12,
            Exit::Unreachable => 69,
            Exit::Bug => 70,
            Exit::Disk => 74,
            Exit::Again => 75,
            Exit::Configuration => 78,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::Task(code) => code,
        }
    }

    /// The exit code for a refusal.
    pub fn of_reason(reason: Reason) -> Exit {
        match reason {
            Reason::FieldInvalid
            | Reason::DependencyCycle
            | Reason::DependencyUnknown
            | Reason::SpecTooLarge => Exit::Usage,
            Reason::TaskNotFound | Reason::JobNotFound | Reason::AgentNotFound => Exit::NotFound,
            Reason::TaskExists
            | Reason::JobExists
            | Reason::LeaseLost
            | Reason::AgentReplaced
            | Reason::AgentElsewhere
            | Reason::SessionUnproven
            | Reason::RevisionMismatch
            | Reason::TaskFinished
            | Reason::TaskNotRunning
            | Reason::TaskNotFinished
            | Reason::TaskNeeded
            | Reason::DependencyFailed
            | Reason::EventsTrimmed
            | Reason::HistoryChanged => Exit::Refused,
            Reason::Busy | Reason::QueueFull => Exit::Failed,
            Reason::DiskFull => Exit::Disk,
            Reason::ShuttingDown => Exit::Unreachable,
        }
    }

    /// The exit code for a failed call.
    pub fn of_failure(failure: &CallFailure) -> Exit {
        match failure {
            CallFailure::Refused {
                reason: Some(reason), ..
            } => Exit::of_reason(*reason),
            CallFailure::Refused {
                reason: None, code, ..
            } => Exit::of_code(*code),
            CallFailure::Lost { .. } if failure.is_transient() => Exit::Unreachable,
            CallFailure::Lost { .. } => Exit::Failed,
        }
    }

    /// A reason newer than this program still has its canonical code.
    fn of_code(code: Code) -> Exit {
        match code {
            Code::InvalidArgument => Exit::Usage,
            Code::NotFound => Exit::NotFound,
            Code::AlreadyExists
            | Code::Aborted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated => Exit::Refused,
            Code::Unavailable => Exit::Unreachable,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_code_and_no_other() {
        let readme = include_str!("../../../README.md");
        let (_, table) = readme.split_once("## Exit codes").unwrap();
        let (table, _) = table.split_once("\n## ").unwrap();
        let rows = table
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let told: Vec<u8> = rows.filter_map(|(code, _)| code.parse().ok()).collect();
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::NotFound,
            Exit::TimedOut,
            Exit::Unmatched,
            Exit::Elsewhere,
            Exit::NothingNew,
            Exit::OutputCut,
            Exit::Unreachable,
            Exit::Bug,
            Exit::Disk,
            Exit::Again,
            Exit::Configuration,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        assert_eq!(told, all.map(Exit::code));
    }

    #[test]
    fn every_reason_has_the_exit_code_of_its_canonical_code() {
        for reason in Reason::ALL {
            let expected = match reason.code() {
                Code::InvalidArgument => 2,
                Code::NotFound => 4,
                Code::Unavailable => 69,
                Code::ResourceExhausted if *reason == Reason::DiskFull => 74,
                Code::ResourceExhausted => 1,
                _ => 3,
            };
            assert_eq!(Exit::of_reason(*reason).code(), expected, "{reason:?}");
        }
    }
}
