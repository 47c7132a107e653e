//! Outcomes of attempts: success, failure, loss and release, and the output.

use std::sync::Arc;

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work was done.
    Succeeded,
    /// The work was tried and failed.
    Failed(Failure),
    /// It was ended because somebody cancelled the task.
    Cancelled,
    /// Its agent lost the lease without a report.
    Lost(Loss),
    /// The agent gave it back.
    Released {
        /// The reason, in words.
        reason: Arc<str>,
        /// The agent will not do this task.
        refused: bool,
    },
}

/// The failure of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word, such as `exit` or `timeout`.
    pub reason: Arc<str>,
    /// The party at fault.
    pub blame: Blame,
    /// A sentence for people.
    pub message: Arc<str>,
    /// The command's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
}

/// The party at fault for a failure: it decides which count is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The task's own; uses up a retry.
    Task,
    /// The machine's; never uses up a retry.
    Machine,
    /// A provider's limit.
    Provider,
}

/// The cause of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its agent called after the grant, and then fell silent.
    Silent,
    /// Its agent never called after the grant: it may not know of the lease.
    Undelivered,
    /// Its agent opened a new session without it.
    Replaced,
    /// Its agent said goodbye.
    Deregistered,
    /// The attempt reached its durable end.
    Overdue,
    /// Somebody gave its machine up: released the lease, or forgot the agent.
    GivenUp,
    /// Its agent's process ended without a goodbye, as its guard says.
    Died,
}

/// The last output of a command. It passes through the engine and never stays in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The last bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The last bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Bytes of standard output in all.
    pub stdout_bytes: u64,
    /// Bytes of standard error in all.
    pub stderr_bytes: u64,
    /// Files that were removed with its fresh directory.
    pub removed_files: u64,
    /// Bytes in those files.
    pub removed_bytes: u64,
}

/// The reason of a failure whose command the agent could not start.
pub const NOT_STARTED: &str = "spawn";

/// The exit codes with which a shell, `env` or `nice` says that it could not start a program, because it is not
/// executable or not found.
pub const NOT_STARTED_CODES: [i32; 2] = [126, 127];

impl Failure {
    /// Whether the command, or the program that it names, could not be started.
    pub fn is_not_started(&self) -> bool {
        &*self.reason == NOT_STARTED
            || self
                .exit_code
                .is_some_and(|code| NOT_STARTED_CODES.contains(&code))
    }
}

impl Outcome {
    /// Whether the attempt ended because its machine failed or was lost.
    pub fn is_machine_loss(&self) -> bool {
        match self {
            Outcome::Lost(Loss::Silent | Loss::Overdue | Loss::Died) => true,
            Outcome::Failed(failure) => failure.blame == Blame::Machine,
            _ => false,
        }
    }
}
