//! The reasons of refusals: stable words, in one table.

use tonic::Code;

macro_rules! reasons {
    ($($variant:ident = $name:literal => $code:ident, $doc:literal;)*) => {
        /// A stable word for a refusal, the same in statuses and in [`crate::v1::Refusal`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $doc] $variant,)* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The canonical gRPC code that it travels with.
            pub fn code(self) -> Code {
                match self { $(Reason::$variant => Code::$code,)* }
            }
        }
    };
}

reasons! {
    FieldInvalid = "FIELD_INVALID" => InvalidArgument, "A field has a value it must not have.";
    DependencyCycle = "DEPENDENCY_CYCLE" => InvalidArgument, "Tasks wait for each other.";
    DependencyUnknown = "DEPENDENCY_UNKNOWN" => InvalidArgument, "A dependency is neither in the request nor known.";
    SpecTooLarge = "SPEC_TOO_LARGE" => InvalidArgument, "A task's spec is over its limit.";
    TaskNotFound = "TASK_NOT_FOUND" => NotFound, "No task has this id.";
    JobNotFound = "JOB_NOT_FOUND" => NotFound, "No job has this id.";
    AgentNotFound = "AGENT_NOT_FOUND" => NotFound, "No agent has this id: register first.";
    TaskExists = "TASK_EXISTS" => AlreadyExists, "The id belongs to a task with another spec.";
    JobExists = "JOB_EXISTS" => AlreadyExists, "The id belongs to a job with other tasks.";
    LeaseLost = "LEASE_LOST" => Aborted, "The attempt belongs to somebody else, or is over.";
    AgentReplaced = "AGENT_REPLACED" => Aborted, "A newer session of the same agent exists.";
    AgentElsewhere = "AGENT_ELSEWHERE" => Aborted, "Another process is this agent at another place, and alive.";
    SessionUnproven = "SESSION_UNPROVEN" => Aborted, "The token of the agent's session is missing or wrong.";
    RevisionMismatch = "REVISION_MISMATCH" => Aborted, "The task changed since the caller looked.";
    TaskFinished = "TASK_FINISHED" => FailedPrecondition, "The task has ended.";
    TaskNotRunning = "TASK_NOT_RUNNING" => FailedPrecondition, "The task does not run, or another attempt of it does.";
    TaskNotFinished = "TASK_NOT_FINISHED" => FailedPrecondition, "The task has not ended.";
    TaskNeeded = "TASK_NEEDED" => FailedPrecondition, "A task that has not ended, or may come back, depends on it.";
    DependencyFailed = "DEPENDENCY_FAILED" => FailedPrecondition, "A dependency did not succeed: retry that one.";
    Busy = "BUSY" => ResourceExhausted, "The coordinator has more to do than it may take on.";
    QueueFull = "QUEUE_FULL" => ResourceExhausted, "The coordinator has no memory for more tasks and agents.";
    DiskFull = "DISK_FULL" => ResourceExhausted, "The coordinator's disk is full.";
    EventsTrimmed = "EVENTS_TRIMMED" => OutOfRange, "These events are no longer kept.";
    HistoryChanged = "HISTORY_CHANGED" => OutOfRange, "The position belongs to another history.";
    ShuttingDown = "SHUTTING_DOWN" => Unavailable, "The coordinator is stopping.";
}

impl Reason {
    /// The reason with this word, if there is one.
    pub fn parse(word: &str) -> Option<Reason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}
