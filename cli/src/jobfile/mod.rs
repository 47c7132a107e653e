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

pub(crate) mod reference;
pub mod surroundings;

mod draft;
pub(crate) mod fields;
mod file;
pub mod series;

mod command;
mod dependency;
pub mod requirement;
mod task;
mod work;

mod references;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, rc::Rc};

use swarm_proto::{
    limits::MAX_MESSAGE_BYTES,
    v1::{NewJob, NewTask, SubmitTasksRequest},
};

use draft::Draft;
use fault::{External, Faults, Position, START};
use places::Places;
use series::{Item, Written};
use surroundings::Surroundings;
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
    /// Fields that mean something to people alone, with their numbers of tasks.
    pub descriptive: BTreeMap<&'static str, usize>,
    places: Places,
    /// The entry of the file that each task of the request comes from.
    entries: Vec<usize>,
    /// The command of each entry that has one.
    written: Vec<Written>,
}

/// Reads a job file. Times that count from the submit are counted from `now`, and no other file is read.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub fn parse(text: &str, origin: &str, now: jiff::Timestamp) -> Result<JobFile, Faults> {
    parse_in(text, origin, "", Surroundings::alone(now))
}

/// Reads a job file with the files that it names, and with a prefix before the ids of the job and its tasks. What has
/// an id and no name is named by that id.
///
/// # Errors
///
/// All faults of the file, and its external references.
pub fn parse_in(text: &str, origin: &str, prefix: &str, around: Surroundings<'_>) -> Result<JobFile, Faults> {
    let mut faults = Faults::new(origin);
    match read(text, &mut faults) {
        Some(root) if prefix.is_empty() => parse_tree(&filled(&root, around.now), faults, around),
        Some(root) => {
            let named = prefix::name_by_ids(&filled(&root, around.now));
            parse_tree(&prefix::add(prefix, &named), faults, around)
        }
        None => Err(faults),
    }
}

/// The tree of a job file with the date and time of `now` in its ids and names.
pub(crate) fn filled(root: &Rc<Node>, now: jiff::Timestamp) -> Rc<Node> {
    placeholder::fill(root, &crate::program::clock::here(now))
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
pub(crate) fn parse_tree(
    root: &Node,
    mut faults: Faults,
    around: Surroundings<'_>,
) -> Result<JobFile, Faults> {
    let mut places = Places::default();
    let mut file = file::read_file(root, around, &mut faults, &mut places);
    let ids = references::assign_ids(&file.tasks, file.job_id.as_deref(), &mut faults);
    references::check_requires(&file.tasks, &ids, &mut faults);
    let external = references::resolve(&mut file.tasks, &ids, &mut faults, &mut places);
    file::check_sizes(&file.tasks, &mut faults);
    faults.external.clone_from(&external);
    if !faults.faults.is_empty() {
        return Err(faults);
    }

    let job_id = match file.job_id {
        Some(id) => Ok(id),
        // A repeated submit with the same written ids is the same job. A job with an id gives ids to its tasks, too.
        None if file.tasks.iter().all(|task| task.written_id.is_some()) => {
            Ok(crate::program::value::derive_id(ids.each()))
        }
        None => crate::program::value::generate_id(),
    };
    let job_id = job_id.map_err(|error| {
        faults.push(START, error);
        faults.clone()
    })?;
    let mut descriptive = BTreeMap::new();
    let (mut tasks, mut entries, mut room) = (Vec::new(), Vec::new(), MAX_MESSAGE_BYTES);
    let mut written = Vec::new();
    for (index, (task, task_id)) in file.tasks.into_iter().zip(ids.task_ids).enumerate() {
        for field in &task.descriptive {
            *descriptive.entry(*field).or_default() += task.count();
        }
        let position = task.position;
        let first = task.series.as_ref().and_then(|items| items.first());
        written.extend(Written::of(&task.spec, first.map(Item::variable)));
        match new_tasks(task, task_id, &mut room) {
            Ok(new) => tasks.extend(new),
            Err(fault) => faults.push(position, fault),
        }
        entries.resize(tasks.len(), index);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let request = SubmitTasksRequest {
        job: Some(NewJob {
            job_id,
            name: file.name,
            labels: file.labels,
        }),
        tasks,
    };
    Ok(JobFile {
        origin: faults.origin,
        request,
        external,
        descriptive,
        places,
        entries,
        written,
    })
}

/// The tasks of an entry: itself, or one for each item of its series.
fn new_tasks(task: Draft, task_id: String, room: &mut usize) -> Result<Vec<NewTask>, String> {
    match &task.series {
        Some(items) => series::expand(items, &task_id, &task.spec, room),
        None => Ok(vec![NewTask {
            task_id,
            spec: Some(task.spec),
        }]),
    }
}

impl JobFile {
    /// The place of a field of the request, such as `tasks[3].spec.depends_on[0]`; of the field around it when it is
    /// not in the file itself.
    pub fn locate(&self, field: &str) -> Option<Position> {
        let index = field.strip_prefix("tasks[").and_then(|rest| rest.split_once(']'));
        match index.and_then(|(index, rest)| Some((self.entries.get(index.parse::<usize>().ok()?)?, rest))) {
            Some((entry, rest)) => self.places.locate(&format!("tasks[{entry}]{rest}")),
            None => self.places.locate(field),
        }
    }

    /// The commands as they stand in the file.
    pub(crate) fn written(&self) -> &[Written] {
        &self.written
    }

    /// A line for each field that other systems act on and that changes nothing here.
    pub fn remarks(&self) -> Vec<String> {
        self.descriptive
            .iter()
            .map(|(field, tasks)| {
                let noun = if *tasks == 1 { "task" } else { "tasks" };
                format!("`{field}` of {tasks} {noun} has no meaning here yet; kept in metadata")
            })
            .collect()
    }

    /// An empty list of faults of this file.
    pub fn no_faults(&self) -> Faults {
        Faults::new(&self.origin)
    }
}
