//! The inputs of an attempt: the outputs of the tasks that it depends on, a file each.

use std::path::{Path, PathBuf};

use swarm_proto::{
    limits::MAX_ID_BYTES,
    v1::{Blame, DependencyOutput, attempt_report::Outcome},
};

use crate::{
    coordinator::{CallError, Coordinator, sentence},
    executor::outcome::{failed, released},
    program::file_name::is_file_name,
};

/// Writes the standard output of each dependency into a file named by the task's id.
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
        let file: PathBuf = inputs.join(task_id);
        tokio::fs::write(&file, printed).await.map_err(|error| {
            failed(
                "inputs",
                Blame::Machine,
                format!("cannot write {}: {error}", file.display()),
            )
        })?;
    }
    Ok(())
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
