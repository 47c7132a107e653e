//! The kinds of work that this program carries out: their names, checks, processes and verdicts.
//!
//! A new kind is a file here, a row of [`KINDS`] and a variant of [`Executor`]. The compiler asks for the rest.

mod command;

mod environment;
pub(crate) mod outcome;

use swarm_program::doctor::report::Report;
use swarm_proto::v1::{Command, TaskSpec, attempt_report::Outcome, task_spec::Work};

use crate::{
    attempt_key::AttemptKey,
    disk::workspace::AttemptDirectory,
    process::{End, Launch},
};

/// A kind of work, whichever task it is for.
pub(crate) struct Kind {
    /// The name that this agent registers with.
    pub(crate) name: &'static str,
    /// Checks whether this machine has everything that such tasks need.
    pub(crate) probe: fn(&mut Report),
}

/// Every kind of work that this program carries out.
pub(crate) const KINDS: [Kind; 1] = [Kind {
    name: "command",
    probe: command::probe,
}];

/// The executor of one task, with the work that it is given.
#[derive(Clone, Copy)]
pub(crate) enum Executor<'a> {
    Command(&'a Command),
}

impl<'a> Executor<'a> {
    /// The executor of a task; `None` when this program has none for its work.
    pub(crate) fn of(spec: &'a TaskSpec) -> Option<Executor<'a>> {
        match spec.work.as_ref()? {
            Work::Command(command) => Some(Executor::Command(command)),
            Work::Prompt(_) => None,
        }
    }

    /// The process to start for an attempt, some inputs of which may be cut.
    ///
    /// # Errors
    ///
    /// The outcome of the attempt when there is nothing to start.
    pub(crate) fn prepare(
        self,
        key: &AttemptKey,
        job_id: &str,
        directory: &AttemptDirectory,
        cut_inputs: &[String],
    ) -> Result<Launch, Outcome> {
        match self {
            Executor::Command(command) => command::prepare(command, key, job_id, directory, cut_inputs),
        }
    }

    /// The outcome of an attempt whose process ended by itself.
    pub(crate) fn judge(self, end: End) -> Outcome {
        match self {
            Executor::Command(_) => command::judge(end),
        }
    }
}
