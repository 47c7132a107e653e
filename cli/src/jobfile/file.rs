//! The top level of the file, and the checks of each task as a whole.

use std::{collections::BTreeMap, ffi::OsStr, path::Path, rc::Rc};

use prost::Message as _;
use swarm_proto::{
    limits::{MAX_GROUP_BYTES, MAX_NAME_BYTES, MAX_PAIRS, MAX_SPEC_BYTES, MAX_SUBMIT_TASKS},
    v1::Requirements,
};

use super::{
    draft::Draft,
    fault::{Faults, Position},
    fields,
    places::Places,
    reference::{self, Section},
    surroundings::Surroundings,
    task::Reader,
    tree::{Entry, Node},
};
use crate::program::value;

/// A file as it is read, with unresolved references.
#[derive(Default)]
pub(super) struct File {
    pub(super) job_id: Option<String>,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) tasks: Vec<Draft>,
}

/// Reads the top level and everything below it.
pub(super) fn read_file(
    root: &Node,
    around: Surroundings<'_>,
    faults: &mut Faults,
    places: &mut Places,
) -> File {
    let mut file = File::default();
    let Some(entries) = fields::entries(root, "a job file", faults) else {
        return file;
    };
    read_job(entries, &reference::FILE, &mut file, faults, places);

    let mut defaults = Draft::at(root.position);
    let mut tasks = None;
    for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
        match entry.key.as_str() {
            "job" => {
                if let Some(inner) = fields::entries(&entry.value, "`job`", faults) {
                    read_job(inner, &reference::JOB, &mut file, faults, places);
                }
            }
            "defaults" => {
                let mut reader = Reader::new("defaults".to_owned(), false, around, faults, places);
                reader.read(&entry.value, &mut defaults);
            }
            "tasks" => tasks = Some(&entry.value),
            _ => {}
        }
    }

    let Some(tasks) = tasks else {
        faults.push(root.position, "the file has no `tasks:`");
        return file;
    };
    let items = fields::items(tasks);
    places.record("tasks".to_owned(), tasks.position);
    if items.is_empty() {
        faults.push(tasks.position, "`tasks` is empty");
    }
    let group = common_group(&file.name, &faults.origin);
    for (index, item) in items.iter().enumerate() {
        file.tasks
            .push(read_task(index, item, &defaults, &group, around, faults, places));
    }
    check_count(&mut file.tasks, tasks.position, faults);
    file
}

/// Reads the job's fields, at the top level or in `job:`.
fn read_job(entries: &[Entry], known: &Section, file: &mut File, faults: &mut Faults, places: &mut Places) {
    for Entry { key, position, value } in entries {
        if !known.knows(key) {
            fields::unknown(key, *position, &[known], faults);
        } else if value.is_null() {
            continue;
        }
        match key.as_str() {
            "id" | "job_id" => {
                places.record("job.job_id".to_owned(), value.position);
                file.job_id = fields::read(value, key, faults, |id| {
                    value::check_new_id(id).map(|()| id.to_owned())
                });
            }
            "name" => {
                places.record("job.name".to_owned(), value.position);
                file.name = fields::short_text(value, key, MAX_NAME_BYTES, faults).unwrap_or_default();
                if let Err(why) = value::check_new_name(&file.name) {
                    faults.push(value.position, format!("`{key}`: {why}"));
                }
            }
            "labels" => {
                places.record("job.labels".to_owned(), value.position);
                file.labels = fields::pairs(value, key, faults).unwrap_or_default();
                check_pairs(&file.labels, key, value.position, faults);
            }
            _ => {}
        }
    }
}

fn read_task(
    index: usize,
    node: &Rc<Node>,
    defaults: &Draft,
    group: &str,
    around: Surroundings<'_>,
    faults: &mut Faults,
    places: &mut Places,
) -> Draft {
    let mut draft = Draft {
        position: node.position,
        ..defaults.clone()
    };
    let mut reader = Reader::new(format!("tasks[{index}]"), true, around, faults, places);
    reader.places.record(reader.prefix.clone(), node.position);
    reader.read(node, &mut draft);
    let has_work = reader.has_work;

    if !has_work {
        faults.push_with_help(
            node.position,
            "the task has nothing to do",
            Some("give it a command line: `run: …`, or a text for a language model: `prompt: …`".to_owned()),
        );
    }
    check_pairs(&draft.spec.labels, "labels", node.position, faults);
    check_pairs(&draft.spec.metadata, "metadata", node.position, faults);
    if let Some((name, _)) = &draft.name {
        draft.spec.name.clone_from(name);
    }
    draft.spec.work = Some(draft.take_work());
    if !draft.requires.is_empty() {
        draft.spec.requirements = Some(Requirements {
            labels: draft.requires.iter().map(|term| term.text.clone()).collect(),
        });
    }
    if !draft.parallel_safe && draft.spec.exclusive_group.is_empty() {
        draft.spec.exclusive_group = group.to_owned();
    }
    draft
}

/// The exclusive group of tasks that are not parallel safe: one for the whole job, named after the job or the file.
fn common_group(job_name: &str, origin: &str) -> String {
    let file_name = Path::new(origin)
        .file_stem()
        .and_then(OsStr::to_str)
        .filter(|name| *name != "stdin");
    let name = match (job_name, file_name) {
        ("", Some(file_name)) => file_name,
        ("", None) => "parallel-unsafe",
        (job_name, _) => job_name,
    };
    name[..name.floor_char_boundary(MAX_GROUP_BYTES)].to_owned()
}

/// Checks the number of tasks. With too many of them, no series is written out.
fn check_count(tasks: &mut [Draft], position: Position, faults: &mut Faults) {
    let count: usize = tasks.iter().map(Draft::count).sum();
    if count > MAX_SUBMIT_TASKS {
        faults.push(
            position,
            format!("{count} tasks in one file; at most {MAX_SUBMIT_TASKS}"),
        );
        tasks.iter_mut().for_each(|task| task.series = None);
    }
}

/// Checks the sizes of the tasks, which include their resolved dependencies.
pub(super) fn check_sizes(tasks: &[Draft], faults: &mut Faults) {
    for task in tasks {
        let size = task.spec.encoded_len();
        if size > MAX_SPEC_BYTES {
            faults.push(
                task.position,
                format!("the task has {size} bytes in all; at most {MAX_SPEC_BYTES}"),
            );
        }
    }
}

fn check_pairs(pairs: &BTreeMap<String, String>, field: &str, position: Position, faults: &mut Faults) {
    if pairs.len() > MAX_PAIRS {
        faults.push(
            position,
            format!("`{field}` has {} entries; at most {MAX_PAIRS}", pairs.len()),
        );
    }
}
