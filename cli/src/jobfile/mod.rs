//! The job file: YAML or JSON in, a submit request out, or every fault with its line and column.
//!
//! Reading never stops at the first fault. References to tasks outside the file are returned with or without faults:
//! the caller can ask the coordinator about them, and tell the unknown ones with the other faults.

pub mod fault;
pub(crate) mod placeholder;
mod places;
pub(crate) mod prefix;
mod surrogates;
pub(crate) mod tree;

mod draft;
pub(crate) mod fields;
mod file;

mod command;
mod dependency;
pub mod requirement;
mod task;
mod work;

mod references;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use swarm_proto::v1::{NewJob, NewTask, SubmitTasksRequest};

use fault::{External, Faults, Position, START};
use places::Places;
use tree::Node;

/// Bytes of a job file. A submit is 4 MiB at most; comments and layout need some more.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// A job file without faults of its own.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// The file's name in messages.
    pub origin: String,
    /// The tasks to submit.
    pub request: SubmitTasksRequest,
    /// References to tasks outside the file.
    pub external: Vec<External>,
    places: Places,
}

/// Reads a job file. Times that count from the submit are counted from `now`.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub fn parse(text: &str, origin: &str, now: jiff::Timestamp) -> Result<JobFile, Faults> {
    parse_with_prefix(text, origin, "", now)
}

/// As `parse`, with a prefix before the ids of the job and its tasks. What has an id and no name is named by that id.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub fn parse_with_prefix(
    text: &str,
    origin: &str,
    prefix: &str,
    now: jiff::Timestamp,
) -> Result<JobFile, Faults> {
    let mut faults = Faults::new(origin);
    match read(text, &mut faults) {
        Some(root) if prefix.is_empty() => parse_tree(&filled(&root, now), faults, now),
        Some(root) => {
            let named = prefix::name_by_ids(&filled(&root, now));
            parse_tree(&prefix::add(prefix, &named), faults, now)
        }
        None => Err(faults),
    }
}

/// The tree of a job file with the date and time of `now` in its ids and names.
pub(crate) fn filled(root: &Rc<Node>, now: jiff::Timestamp) -> Rc<Node> {
    placeholder::fill(root, &now.to_zoned(jiff::tz::TimeZone::system()))
}

/// Reads the tree of a text; `None` when the text is malformed, too long or empty.
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

/// Reads a job file out of its tree. `faults` has the faults found before.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub(crate) fn parse_tree(root: &Node, mut faults: Faults, now: jiff::Timestamp) -> Result<JobFile, Faults> {
    let mut places = Places::default();
    let mut file = file::read_file(root, now, &mut faults, &mut places);
    let ids = references::assign_ids(&file.tasks, file.job_id.as_deref(), &mut faults);
    references::check_requires(&file.tasks, &ids, &mut faults);
    let external = references::resolve(&mut file.tasks, &ids, &mut faults, &mut places);
    file::check_sizes(&file.tasks, &mut faults);
    faults.external.clone_from(&external);
    if !faults.faults.is_empty() {
        return Err(faults);
    }

    let job_id = match file.job_id {
        Some(id) => id,
        // A repeated submit with the same written ids is the same job. A job with an id gives ids to its tasks, too.
        None if file.tasks.iter().all(|task| task.written_id.is_some()) => {
            crate::program::value::derive_id(ids.task_ids.iter().map(String::as_str))
        }
        None => match crate::program::value::generate_id() {
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
    /// The place of a field of the request, such as `tasks[3].spec.depends_on[0]`; of the field around it when it is
    /// not in the file itself.
    pub fn locate(&self, field: &str) -> Option<Position> {
        self.places.locate(field)
    }

    /// An empty list of faults of this file.
    pub fn no_faults(&self) -> Faults {
        Faults::new(&self.origin)
    }
}
