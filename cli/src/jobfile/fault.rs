//! The faults of a job file, with their places.

use std::fmt;

/// At most this many faults are printed, because a person mends a few at a time. The rest is counted.
const MAX_SHOWN_FAULTS: usize = 200;

/// The beginning of a file.
pub(super) const START: Position = Position { line: 1, column: 1 };

/// A place in a job file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A fault in a job file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Its place.
    pub position: Position,
    /// The fault in a sentence.
    pub message: String,
    /// A hint at what was probably meant.
    pub help: Option<String>,
}

/// A reference to a task outside the file, which may be on the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The id as written.
    pub task_id: String,
    /// Its place.
    pub position: Position,
    /// The most similar id or name in the file, when one is similar.
    pub nearest: Option<String>,
}

/// All faults of a job file.
///
/// Prints one line for each fault, `ORIGIN:LINE:COLUMN: message`, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The file's name in messages.
    pub origin: String,
    /// The faults in the order of finding.
    pub faults: Vec<Fault>,
    /// References to tasks outside the file.
    pub external: Vec<External>,
}

impl Faults {
    /// No faults yet.
    pub fn new(origin: &str) -> Faults {
        Faults {
            origin: origin.to_owned(),
            faults: Vec::new(),
            external: Vec::new(),
        }
    }

    /// Adds a fault.
    pub fn push(&mut self, position: Position, message: impl Into<String>) {
        self.faults.push(Fault {
            position,
            message: message.into(),
            help: None,
        });
    }

    /// Adds a fault with a hint at what was probably meant.
    pub fn push_with_help(&mut self, position: Position, message: impl Into<String>, help: Option<String>) {
        self.faults.push(Fault {
            position,
            message: message.into(),
            help,
        });
    }

    /// Adds a fault about a reference that the coordinator does not know either.
    pub fn push_unknown_task(&mut self, external: &External) {
        let message = format!(
            "no task '{}', neither in this file nor on the coordinator",
            external.task_id
        );
        let help = external
            .nearest
            .as_ref()
            .map(|near| format!("did you mean '{near}'?"));
        self.push_with_help(external.position, message, help);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Fault> = self.faults.iter().collect();
        sorted.sort();
        // The faults below an alias are found again at each use of the alias.
        sorted.dedup();
        for (index, fault) in sorted.iter().take(MAX_SHOWN_FAULTS).enumerate() {
            let Position { line, column } = fault.position;
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{line}:{column}: {}", self.origin, fault.message)?;
            if let Some(help) = &fault.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        if sorted.len() > MAX_SHOWN_FAULTS {
            write!(f, "\nand {} more faults", sorted.len() - MAX_SHOWN_FAULTS)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
