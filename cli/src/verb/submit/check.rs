//! The faults of a request that can be seen before it is sent: they are the same for a submit and for a dry run, and
//! are found without a coordinator.
//!
//! The rules are the coordinator's own, of this version: this file calls its code, so that nothing is written twice. A
//! newer coordinator may take more, and then wants a newer swarmctl.

use prost::Message as _;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_SPEC_BYTES,
    refusal::FieldFault,
    v1::{SubmitTasksRequest, task_spec::Work},
};

use super::{source, spec};
use crate::{jobfile::JobFile, output::text, program::clock};

/// Checks a request as the coordinator will.
///
/// # Errors
///
/// All faults, with their places in the job file, or with their flags.
pub(super) fn check(request: &SubmitTasksRequest, file: Option<&JobFile>) -> Result<(), Failure> {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or(0);
    let mut faults = swarm_coordinator::faults_of_submit(request.clone(), now);
    faults.extend(oversized(request));
    if faults.is_empty() {
        return Ok(());
    }
    let lines = match file {
        Some(file) => source::located(file, &faults),
        None => {
            let mut lines: Vec<String> = faults.iter().map(spec::flag_fault).collect();
            // The tasks of a series have the same faults.
            lines.dedup();
            lines
        }
    };
    let origin = file.map_or("the command line", |file| &file.origin);
    let count = text::counted(faults.len() as u64, "fault");
    let mut failure = Failure::new(
        Exit::Usage,
        format!("{origin} has {count}; nothing was submitted"),
    );
    failure.faults = lines;
    Err(failure)
}

/// Tasks that are larger than the engine takes. Those of a file have been looked at by its reader.
fn oversized(request: &SubmitTasksRequest) -> impl Iterator<Item = FieldFault> {
    let specs = request.tasks.iter().map(|task| task.spec.as_ref());
    specs.enumerate().filter_map(|(index, spec)| {
        let size = spec?.encoded_len();
        let input = match &spec?.work {
            Some(Work::Command(command)) => command.stdin.len(),
            Some(Work::Prompt(_)) | None => 0,
        };
        let largest = if input > size / 2 { "stdin" } else { "argv" };
        (size > MAX_SPEC_BYTES).then(|| FieldFault {
            field: format!("tasks[{index}].spec.command.{largest}"),
            description: format!(
                "the task has {} with its input; a task has at most {}",
                text::bytes(size as u64),
                text::bytes(MAX_SPEC_BYTES as u64)
            ),
        })
    })
}
