//! The inputs of an attempt: the outputs of the tasks that it depends on, a file each.
//!
//! A file has its task's name, or else its id: where the task has no name, where the name is no file's name, or where
//! it would be another one's name or id. Below `.ids` each is found by its id in any case.
//!
//! Of a long output only the end is there. Then a file of the same name below `.cut` has the number of all its bytes,
//! and the command is told the name.

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

/// The directory with the sizes of cut outputs; hidden for the same reason.
const CUT: &str = ".cut";

/// Writes the standard output of each dependency into a file. The answer is the names of the files of cut outputs.
pub(super) async fn write(
    coordinator: &Coordinator,
    inputs: &Path,
    dependencies: &[DependencyOutput],
) -> Result<Vec<String>, Outcome> {
    let mut cut = Vec::new();
    for dependency in dependencies {
        let task_id = &dependency.task_id;
        if !is_file_name(task_id, MAX_ID_BYTES) {
            let sentence = format!("a dependency has the id '{task_id}', which cannot name a file");
            return Err(failed("inputs", Blame::Task, sentence));
        }
        let (printed, whole) = if dependency.omitted {
            let task = coordinator
                .get_task(task_id)
                .await
                .map_err(|error| unread(task_id, &error))?;
            let output = task.result.and_then(|result| result.output);
            let output = output.unwrap_or_default();
            (output.stdout, output.stdout_bytes)
        } else {
            (dependency.stdout.clone(), dependency.stdout_bytes)
        };
        let name = file_name(dependency, dependencies);
        let input = Input {
            name: name.to_owned(),
            task_id: task_id.clone(),
            whole: (whole > printed.len() as u64).then_some(whole),
            printed,
        };
        if input.whole.is_some() {
            cut.push(name.to_owned());
        }
        let inputs = inputs.to_owned();
        let written = tokio::task::spawn_blocking(move || input.write(&inputs)).await;
        let written = written.unwrap_or_else(|_| Err("the agent failed meanwhile".to_owned()));
        written.map_err(|sentence| failed("inputs", Blame::Machine, sentence))?;
    }
    Ok(cut)
}

/// An input as it is written.
struct Input {
    /// Its file's name.
    name: String,
    task_id: String,
    printed: Vec<u8>,
    /// The length of the whole output, when only the end was printed here.
    whole: Option<u64>,
}

impl Input {
    fn write(&self, inputs: &Path) -> Result<(), String> {
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("cannot write {path}: {error}")
        };
        let below = |directory: &str| {
            let directory = inputs.join(directory);
            fs::create_dir_all(&directory).map_err(at(&directory))?;
            Ok::<_, String>(directory)
        };
        let (file, by_id) = (inputs.join(&self.name), below(BY_ID)?.join(&self.task_id));
        fs::write(&by_id, &self.printed).map_err(at(&by_id))?;
        match fs::hard_link(&by_id, &file) {
            // To some file systems two names are one: both are found by their ids, and the first one by its name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Some file systems have no links.
            linked => linked
                .or_else(|_| fs::write(&file, &self.printed))
                .map_err(at(&file))?,
        }
        if let Some(whole) = self.whole {
            let size = below(CUT)?.join(&self.name);
            fs::write(&size, format!("{whole}\n")).map_err(at(&size))?;
        }
        Ok(())
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
        let input = Input {
            name: "fetch".to_owned(),
            task_id: "a1".to_owned(),
            printed: b"x".to_vec(),
            whole: Some(9),
        };
        input.write(place.path()).unwrap();
        let read = |file: &str| fs::read(place.path().join(file)).unwrap();
        assert_eq!(
            (read(".ids/a1"), read(".cut/fetch")),
            (b"x".to_vec(), b"9\n".to_vec())
        );
        let seen = fs::read_dir(place.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            !name.to_string_lossy().starts_with('.')
        });
        assert_eq!(seen.count(), 1);
        let whole = Input { whole: None, ..input };
        let place = tempfile::tempdir().unwrap();
        whole.write(place.path()).unwrap();
        assert!(!place.path().join(CUT).exists());
    }
}
