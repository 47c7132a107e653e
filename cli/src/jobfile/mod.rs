//! The job file: YAML or JSON in, a submit request out, or every fault with its line and column.
//!
//! Reading never stops at the first fault. References to tasks that are not in
//! the file are handed to the caller in either case, who can ask the
//! coordinator about them and report those it does not know with the rest.

use std::{collections::BTreeMap, fmt, rc::Rc};

use swarm_proto::v1::{NewJob, NewTask, SubmitTasksRequest};

use tree::Node;

mod command;
mod dependency;
pub(crate) mod fields;
mod file;
mod references;
pub mod requirement;
mod surrogates;
mod task;
pub(crate) mod tree;
pub mod value;
mod work;

#[cfg(test)]
mod tests;

/// Bytes of a job file. A submit is 4 MiB at most; comments and layout need some more.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Tasks of a job file: as many as one submit takes.
pub const MAX_TASKS: usize = 10_000;

/// Faults that are printed; the rest is counted. A person mends a few at a time.
const MAX_SHOWN_FAULTS: usize = 200;

/// Where a file begins.
const START: Position = Position { line: 1, column: 1 };

/// A place in a job file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One thing that is wrong with a job file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

/// A dependency that no task of the file is: it may be a task on the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The id as written.
    pub task_id: String,
    /// Where it is written.
    pub position: Position,
    /// The most similar id or name in the file, when one is similar.
    pub nearest: Option<String>,
}

/// Everything that is wrong with a job file.
///
/// Prints one line for each fault, `ORIGIN:LINE:COLUMN: message`, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Names the file in messages.
    pub origin: String,
    /// The faults, as they were found.
    pub faults: Vec<Fault>,
    /// References that only the coordinator can settle.
    pub external: Vec<External>,
}

/// A job file without faults of its own.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// Names the file in messages.
    pub origin: String,
    /// What to submit.
    pub request: SubmitTasksRequest,
    /// References that only the coordinator can settle.
    pub external: Vec<External>,
    places: Places,
}

/// Reads a job file. Times that count from the submit are counted from `now`.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub fn parse(text: &str, origin: &str, now: jiff::Timestamp) -> Result<JobFile, Faults> {
    let mut faults = Faults::new(origin);
    match read(text, &mut faults) {
        Some(root) => parse_tree(&root, faults, now),
        None => Err(faults),
    }
}

/// Reads the tree of a text; nothing when its syntax is at fault, it is too long, or nothing is in it.
pub(crate) fn read(text: &str, faults: &mut Faults) -> Option<Rc<Node>> {
    if text.len() > MAX_FILE_BYTES {
        faults.push(
            START,
            format!(
                "the file has {} bytes; at most {MAX_FILE_BYTES} are read",
                text.len()
            ),
        );
        return None;
    }
    tree::read(text, faults)
}

/// Reads a job file out of its tree; `faults` are what was found before.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub(crate) fn parse_tree(root: &Node, mut faults: Faults, now: jiff::Timestamp) -> Result<JobFile, Faults> {
    let mut places = Places::default();
    let mut file = file::read_file(root, now, &mut faults, &mut places);
    let ids = references::assign_ids(&file.tasks, &mut faults);
    references::check_requires(&file.tasks, &ids, &mut faults);
    let external = references::resolve(&mut file.tasks, &ids, &mut faults, &mut places);
    file::check_sizes(&file.tasks, &mut faults);
    faults.external.clone_from(&external);
    if !faults.faults.is_empty() {
        return Err(faults);
    }

    let job_id = match file.job_id {
        Some(id) => id,
        // A repeated submit of the same written ids is one and the same job.
        None if file.tasks.iter().all(|task| task.written_id.is_some()) => {
            value::derive_id(ids.task_ids.iter().map(String::as_str))
        }
        None => match value::generate_id() {
            Ok(id) => id,
            Err(error) => {
                faults.push(START, error);
                return Err(faults);
            }
        },
    };
    let tasks = file.tasks.into_iter().zip(ids.task_ids);
    let request = SubmitTasksRequest {
        job: Some(NewJob {
            job_id,
            name: file.name,
            labels: file.labels,
        }),
        tasks: tasks
            .map(|(task, task_id)| NewTask {
                task_id,
                spec: Some(task.spec),
            })
            .collect(),
    };
    Ok(JobFile {
        origin: faults.origin,
        request,
        external,
        places,
    })
}

impl JobFile {
    /// Where a field of the request is written, such as `tasks[3].spec.depends_on[0]`; what
    /// surrounds it when the field itself is not in the file.
    pub fn locate(&self, field: &str) -> Option<Position> {
        self.places.locate(field)
    }

    /// An empty list of faults of this file.
    pub fn no_faults(&self) -> Faults {
        Faults::new(&self.origin)
    }
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

    /// Adds that the coordinator does not know a task either.
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
        // What an alias stands for is read wherever the alias is, and its faults found each time.
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

/// Where the request's fields are written in the file, by their paths in the request.
#[derive(Clone, Debug, Default)]
struct Places(BTreeMap<String, Position>);

impl Places {
    fn record(&mut self, path: String, position: Position) {
        self.0.entry(path).or_insert(position);
    }

    fn locate(&self, field: &str) -> Option<Position> {
        let mut path = field;
        loop {
            if let Some(position) = self.0.get(path) {
                return Some(*position);
            }
            // A task has what it does not say itself from the defaults.
            if let Some((_, inner)) = path.strip_prefix("tasks[").and_then(|rest| rest.split_once("]."))
                && let Some(position) = self.0.get(&format!("defaults.{inner}"))
            {
                return Some(*position);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
