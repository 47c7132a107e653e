//! The inputs of an attempt: the outputs of the tasks that it depends on, a file each.
//!
//! A file has its task's name, or else its id: where the task has no name, where the name is no file's name, or where
//! it would be another one's name or id. Below `.ids` each is found by its id in any case.
//!
//! Of a long output only the end is there. Then a file of the same name below `.cut` has the number of all its bytes,
//! and the command is told the name.

use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use swarm_proto::{
    limits::{MAX_ID_BYTES, MAX_NAME_BYTES},
    v1::{Blame, DependencyOutput, attempt_report::Outcome},
};
use tokio::sync::watch;

use super::{
    DIRECTORY_LIMIT, Limits, StartError, Surroundings, ordered, outcome_of, start_unless_ordered,
    starter::CancelToken,
};
use crate::{
    coordinator::{CallError, order::Order, sentence},
    disk::workspace::Workspace,
    executor::outcome::{failed, released},
    program::file_name::is_file_name,
};

/// The directory with the same files by their tasks' ids. It is hidden, so that `*` finds each file once.
const BY_ID: &str = ".ids";

/// The directory with the sizes of cut outputs; hidden for the same reason.
const CUT: &str = ".cut";

/// Writes the standard output of each dependency into a file. The answer is the names of the files of cut outputs.
///
/// # Errors
///
/// The outcome of the attempt when an output cannot be read or written, when a write takes too long, or when an order
/// ended the attempt before.
pub(super) async fn write(
    surroundings: &Surroundings<'_>,
    inputs: &Path,
    dependencies: &[DependencyOutput],
    orders: &watch::Receiver<Order>,
) -> Result<Vec<String>, Outcome> {
    let mut cut = Vec::new();
    for dependency in dependencies {
        let task_id = &dependency.task_id;
        if !is_file_name(task_id, MAX_ID_BYTES) {
            let sentence = format!("a dependency has the id '{task_id}', which cannot name a file");
            return Err(failed("inputs", Blame::Task, sentence));
        }
        let (printed, whole) = if dependency.omitted {
            let mut orders = orders.clone();
            let task = tokio::select! {
                task = surroundings.coordinator.get_task(task_id) => task.map_err(|error| unread(task_id, &error))?,
                order = ordered(&mut orders, Order::Cancel) => return Err(outcome_of(order)),
            };
            let output = task.result.and_then(|result| result.output);
            let output = output.unwrap_or_default();
            (output.stdout, output.stdout_bytes)
        } else {
            (dependency.stdout.clone(), dependency.stdout_bytes)
        };
        let input = Input {
            name: file_name(dependency, dependencies).to_owned(),
            task_id: task_id.clone(),
            whole: (whole > printed.len() as u64).then_some(whole),
            printed,
        };
        let is_cut = input.whole.is_some();
        let name = put(surroundings, inputs, input, orders).await?;
        if is_cut {
            cut.push(name);
        }
    }
    Ok(cut)
}

/// Writes one input, on a thread that may hang, and answers the name of its file.
async fn put(
    surroundings: &Surroundings<'_>,
    inputs: &Path,
    input: Input,
    orders: &watch::Receiver<Order>,
) -> Result<String, Outcome> {
    let (workspace, place) = (Arc::clone(surroundings.workspace), inputs.to_owned());
    let write = move |token: &CancelToken| match token.begin() {
        true => input.write(&place, &workspace).map(str::to_owned),
        false => Ok(input.name),
    };
    let limits = Limits {
        alone: DIRECTORY_LIMIT,
        ordered: Duration::ZERO,
    };
    match start_unless_ordered(surroundings.starter, limits, orders, write).await {
        Ok(written) => written.map_err(|sentence| failed("inputs", Blame::Machine, sentence)),
        Err(StartError::Ordered(order)) => Err(outcome_of(order)),
        Err(StartError::Unfinished(why)) => {
            let sentence = format!("cannot write its inputs into {}: {why}", inputs.display());
            Err(failed("hung", Blame::Machine, sentence))
        }
    }
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
    /// Writes the input, and answers the name of its file. On a full disk kept directories give way.
    fn write(&self, inputs: &Path, workspace: &Workspace) -> Result<&str, String> {
        let kept = workspace.kept();
        let at = |path: &Path, done: io::Result<()>| {
            done.map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        let make = |name: &str| {
            let directory = inputs.join(name);
            at(&directory, kept.make_room_for(|| make_below(&directory)))?;
            Ok::<_, String>(directory)
        };
        let put = |path: &Path, bytes: &[u8]| at(path, kept.make_room_for(|| fs::write(path, bytes)));

        let by_id = make(BY_ID)?.join(&self.task_id);
        put(&by_id, &self.printed)?;
        // To some file systems two names are one: the second input has its id for a name.
        let mut name = &self.name;
        for candidate in [&self.name, &self.task_id] {
            name = candidate;
            let file = inputs.join(name);
            match fs::hard_link(&by_id, &file) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Some file systems have no links.
                Err(_) => {
                    put(&file, &self.printed)?;
                    break;
                }
            }
        }
        if let Some(whole) = self.whole {
            put(&make(CUT)?.join(name), format!("{whole}\n").as_bytes())?;
        }
        Ok(name)
    }
}

/// Makes a directory, unless it is there. What holds it is not made: a late write must not bring the directory of an
/// ended attempt back.
fn make_below(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::disk::workspace::Bounds;

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

    fn workspace(place: &Path) -> Workspace {
        Workspace::new(place.to_owned(), "agent", Bounds { bytes: 0, free: None })
    }

    fn input(task_id: &str, whole: Option<u64>) -> Input {
        Input {
            name: "fetch".to_owned(),
            task_id: task_id.to_owned(),
            printed: b"x".to_vec(),
            whole,
        }
    }

    fn seen(place: &Path) -> Vec<String> {
        let names = fs::read_dir(place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_found_by_the_id_too_and_once_by_a_glob() {
        let place = tempfile::tempdir().unwrap();
        let (place, workspace) = (place.path(), workspace(place.path()));
        assert_eq!(input("a1", Some(9)).write(place, &workspace), Ok("fetch"));
        let read = |file: &str| fs::read(place.join(file)).unwrap();
        assert_eq!(
            (read(".ids/a1"), read(".cut/fetch")),
            (b"x".to_vec(), b"9\n".to_vec())
        );
        assert_eq!(seen(place), ["fetch"]);
        let mode = fs::metadata(place.join(CUT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let whole = tempfile::tempdir().unwrap();
        input("a1", None).write(whole.path(), &workspace).unwrap();
        assert!(!whole.path().join(CUT).exists());
    }

    #[test]
    fn of_two_names_that_are_one_to_the_file_system_the_second_input_has_its_id() {
        let place = tempfile::tempdir().unwrap();
        let (place, workspace) = (place.path(), workspace(place.path()));
        assert_eq!(input("a1", None).write(place, &workspace), Ok("fetch"));
        assert_eq!(input("b2", Some(9)).write(place, &workspace), Ok("b2"));
        assert_eq!(seen(place), ["b2", "fetch"]);
        assert!(place.join(".cut/b2").exists() && !place.join(".cut/fetch").exists());
    }

    #[test]
    fn a_late_write_does_not_make_the_directory_of_an_ended_attempt() {
        let place = tempfile::tempdir().unwrap();
        let inputs = place.path().join("a.1/inputs");
        let input = input("a1", Some(9));
        let late = input.write(&inputs, &workspace(place.path()));
        assert!(late.is_err_and(|sentence| sentence.contains("No such file")));
        assert_eq!(seen(place.path()), [""; 0]);
    }
}
