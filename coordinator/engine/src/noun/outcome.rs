//! Outcomes: what an attempt came to, how it failed or was lost, and what it printed.

use std::sync::Arc;

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work was done.
    Succeeded,
    /// The work was tried and failed.
    Failed(Failure),
    /// It was ended because somebody cancelled the task.
    Cancelled,
    /// Its agent is no longer counted on.
    Lost(Loss),
    /// The agent gave it back.
    Released {
        /// Why, in words.
        reason: Arc<str>,
        /// The agent will not do this task.
        refused: bool,
    },
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word, such as `exit` or `timeout`.
    pub reason: Arc<str>,
    /// Whose fault it was.
    pub blame: Blame,
    /// For people.
    pub message: Arc<str>,
    /// The command's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
}

/// Whose fault a failure was; it decides which count it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The task's own; uses up a retry.
    Task,
    /// The machine's; never uses up a retry.
    Machine,
    /// A provider's limit.
    Provider,
}

/// How an attempt was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its agent was heard of after the grant, and then no more.
    Silent,
    /// Its agent was never heard of after the grant: it may not know of the lease.
    Undelivered,
    /// Its agent opened a new session without it.
    Replaced,
    /// Its agent said goodbye.
    Deregistered,
    /// It reached its durable end.
    Overdue,
}

/// The end of what a command printed. It passes through the engine and is never kept in its state.
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
}

impl Outcome {
    /// Whether the attempt ended because its machine failed or was lost.
    pub fn is_machine_loss(&self) -> bool {
        match self {
            Outcome::Lost(Loss::Silent | Loss::Overdue) => true,
            Outcome::Failed(failure) => failure.blame == Blame::Machine,
            _ => false,
        }
    }
}
