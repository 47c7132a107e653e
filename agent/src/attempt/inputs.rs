//! The inputs of an attempt: the outputs of the tasks that it depends on, a file each.
//!
//! A file has its task's name, or else its id: where the task has no name, where the name is no file's name, or where
//! it would be another one's name or id. Below `.ids` each is found by its id in any case.

use std::{fs, io, path::Path};

use swarm_proto::{
    limits::{MAX_ID_BYTES, MAX_NAME_BYTES},
    v1::{Blame, DependencyOutput, attempt_report::Outcome},
};

use crate::{
    coordinator::{CallError, Coordinator, sentence},
    executor::outcome::{failed, released},
    program::file_name::is_file_name,
};

/// The directory with the same files by their tasks' ids. It is hidden, so that `*` finds each file once.
const BY_ID: &str = ".ids";

/// Writes the standard output of each dependency into a file.
pub(super) async fn write(
    coordinator: &Coordinator,
    inputs: &Path,
    dependencies: &[DependencyOutput],
) -> Result<(), Outcome> {
    for dependency in dependencies {
        let task_id = &dependency.task_id;
        if !is_file_name(task_id, MAX_ID_BYTES) {
            let sentence = format!("a dependency has the id '{task_id}', which cannot name a file");
            return Err(failed("inputs", Blame::Task, sentence));
        }
        let printed = if dependency.omitted {
            let task = coordinator
                .get_task(task_id)
                .await
                .map_err(|error| unread(task_id, &error))?;
            task.result
                .and_then(|result| result.output)
                .unwrap_or_default()
                .stdout
        } else {
            dependency.stdout.clone()
        };
        let file = inputs.join(file_name(dependency, dependencies));
        let by_id = inputs.join(BY_ID).join(task_id);
        let written = tokio::task::spawn_blocking(move || write_one(&file, &by_id, &printed)).await;
        let written = written.unwrap_or_else(|_| Err("the agent failed meanwhile".to_owned()));
        written.map_err(|sentence| failed("inputs", Blame::Machine, sentence))?;
    }
    Ok(())
}

fn write_one(file: &Path, by_id: &Path, printed: &[u8]) -> Result<(), String> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("cannot write {path}: {error}")
    };
    if let Some(directory) = by_id.parent() {
        fs::create_dir_all(directory).map_err(at(directory))?;
    }
    fs::write(by_id, printed).map_err(at(by_id))?;
    match fs::hard_link(by_id, file) {
        // To some file systems two names are one: both are found by their ids, and the first one by its name.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links.
        linked => linked.or_else(|_| fs::write(file, printed)).map_err(at(file)),
    }
}

/// The name of a dependency's file.
fn file_name<'d>(dependency: &'d DependencyOutput, all: &[DependencyOutput]) -> &'d str {
    let DependencyOutput { task_id, name, .. } = dependency;
    let is_anothers = |other: &DependencyOutput| {
        other.task_id != *task_id && (other.name == *name || other.task_id == *name)
    };
    if is_plain(name) && !all.iter().any(is_anothers) {
        name
    } else {
        task_id
    }
}

/// Whether a task's name can be that of a file which is seen and is no flag of a command.
fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(char::is_alphanumeric)
        && !name.contains(|c: char| c == '/' || c.is_control())
}

/// The outcome when the output of a dependency cannot be read. The task is not to blame.
fn unread(task_id: &str, error: &CallError) -> Outcome {
    let what = format!("cannot read what the dependency {task_id} printed");
    match error {
        CallError::Failed(failure) => {
            failed("inputs", Blame::Machine, format!("{what}: {}", sentence(failure)))
        }
        CallError::OtherCluster(_) => released(&format!("{what}: another coordinator answers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_name_of_its_task_unless_that_is_anothers_or_none_of_a_file() {
        let dependency = |task_id: &str, name: &str| DependencyOutput {
            task_id: task_id.to_owned(),
            name: name.to_owned(),
            ..DependencyOutput::default()
        };
        let all = [
            dependency("a1", "fetch"),
            dependency("b2", "the build"),
            dependency("c3", "twin"),
            dependency("d4", "twin"),
            dependency("e5", "a1"),
            dependency("f6", ""),
            dependency("g7", "../up"),
            dependency("h8", "-rf"),
            dependency("i9", ".hidden"),
            dependency("j10", "j10"),
        ];
        let names: Vec<&str> = all.iter().map(|each| file_name(each, &all)).collect();
        assert_eq!(
            names,
            [
                "fetch",
                "the build",
                "c3",
                "d4",
                "e5",
                "f6",
                "g7",
                "h8",
                "i9",
                "j10"
            ]
        );
    }

    #[test]
    fn a_file_is_found_by_the_id_too_and_once_by_a_glob() {
        let place = tempfile::tempdir().unwrap();
        let by_id = place.path().join(BY_ID).join("a1");
        write_one(&place.path().join("fetch"), &by_id, b"x").unwrap();
        assert_eq!(fs::read(by_id).unwrap(), b"x");
        let seen = fs::read_dir(place.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            !name.to_string_lossy().starts_with('.')
        });
        assert_eq!(seen.count(), 1);
    }
}
