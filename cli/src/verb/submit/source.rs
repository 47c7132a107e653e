//! The source of a submit: reading files, the size of one request, and faults at their places in a file or flag.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use prost::Message as _;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    limits::MAX_MESSAGE_BYTES,
    reason::Reason,
    refusal::FieldFault,
    v1::{GetTaskRequest, SubmitTasksRequest},
};

use super::spec;
use crate::{
    call::client::Client,
    jobfile::{
        self, JobFile,
        fault::Faults,
        surroundings::{Surroundings, lines_beside},
    },
    output::text,
    program::{clock, value},
};

/// Bytes that a request leaves for the frame around its message.
const ENVELOPE_BYTES: usize = 1024;

/// Characters of a made-up prefix, before its dot: the ids behind it differ, so that few are enough.
const MADE_UP_LENGTH: usize = 6;

/// At most this many references of a faulty file are looked up on the coordinator.
const MAX_LOOKUPS: usize = 32;

/// Reads a job file, with a prefix before its ids; `-` is standard input.
///
/// # Errors
///
/// When the file cannot be read or has faults, among them references that the coordinator does not know.
pub(crate) async fn job_file(client: &Client, path: &Path, prefix: &str) -> anyhow::Result<JobFile> {
    let (origin, text) = text_of(path, "the job file")?;
    let around = Surroundings {
        now: clock::now(),
        lines: &|file| lines_beside(path, file),
    };
    match jobfile::parse_in(&text, &origin, prefix, around) {
        Ok(file) => Ok(file),
        Err(mut faults) => {
            look_up_external(client, &mut faults).await;
            Err(faults_failure(&faults).into())
        }
    }
}

/// Reads a prefix. It stands before ids, so it must begin like an id.
///
/// # Errors
///
/// A sentence that quotes the text.
pub(crate) fn prefix(text: &str) -> Result<String, String> {
    value::check_id(text).map(|()| text.to_owned())
}

/// A prefix that no id has yet.
///
/// # Errors
///
/// When the system gives no random bytes.
pub(crate) fn made_up_prefix() -> anyhow::Result<String> {
    let id = value::generate_id().map_err(anyhow::Error::msg)?;
    Ok(format!("{}.", &id[..MADE_UP_LENGTH]))
}

/// The name and text of a file, or of standard input for `-`. `what` names the file in a sentence.
///
/// # Errors
///
/// When the file cannot be read, or is not UTF-8.
pub(crate) fn text_of(path: &Path, what: &str) -> anyhow::Result<(String, String)> {
    let (origin, place, text) = if path == Path::new("-") {
        (
            "stdin".to_owned(),
            "from standard input".to_owned(),
            bounded(io::stdin().lock()),
        )
    } else {
        let origin = path.display().to_string();
        let file = fs::File::open(path).map_err(|error| error.to_string());
        (origin.clone(), origin, file.and_then(bounded))
    };
    let unreadable = |why| Failure::new(Exit::Usage, format!("cannot read {what} {place}: {why}"));
    Ok((origin, text.map_err(unreadable)?))
}

/// Looks up the tasks that a faulty file refers to, so that a person sees all faults at once.
pub(crate) async fn look_up_external(client: &Client, faults: &mut Faults) {
    for external in std::mem::take(&mut faults.external).iter().take(MAX_LOOKUPS) {
        match client
            .call(GetTaskRequest {
                task_id: external.task_id.clone(),
            })
            .await
        {
            Ok(_) => {}
            Err(failure) if failure.reason() == Some(Reason::TaskNotFound) => {
                faults.push_unknown_task(external)
            }
            // Without a coordinator the file's own faults are still worth telling.
            Err(_) => return,
        }
    }
}

/// At most as many bytes as a job file may have, and one more that makes the parser complain.
fn bounded(reader: impl io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader
        .take(jobfile::MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).or_else(|error| {
        let valid = error.utf8_error().valid_up_to();
        // The limit may have cut a character in two.
        if error.as_bytes().len() > jobfile::MAX_FILE_BYTES && error.utf8_error().error_len().is_none() {
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            return String::from_utf8(bytes).map_err(|error| error.to_string());
        }
        let line = 1 + error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Err(format!("it is not UTF-8: see line {line}"))
    })
}

pub(crate) fn check_size(request: &SubmitTasksRequest) -> anyhow::Result<()> {
    let size = request.encoded_len();
    if size + ENVELOPE_BYTES <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    let (size, most) = (text::bytes(size as u64), text::bytes(MAX_MESSAGE_BYTES as u64));
    let sentence = format!(
        "cannot submit {}: they are {size}, and one submit takes {most}",
        text::counted(request.tasks.len() as u64, "task")
    );
    Err(Failure::new(Exit::Usage, sentence)
        .help("submit them in several files; tasks may depend on tasks that were submitted before")
        .into())
}

/// The failure of a submitted file, with the faults at their lines.
pub(crate) fn file_failure(client: &Client, file: &JobFile, failure: Box<CallFailure>) -> anyhow::Error {
    let lines = match &*failure {
        CallFailure::Refused { faults, .. } => located(file, faults),
        CallFailure::Lost { .. } => Vec::new(),
    };
    with_faults(
        client.failure(format!("cannot submit {}", file.origin))(failure),
        lines,
    )
}

/// A line for each fault of a request, at its place in the file.
pub(super) fn located(file: &JobFile, faults: &[FieldFault]) -> Vec<String> {
    let mut located = file.no_faults();
    let mut elsewhere = Vec::new();
    for fault in faults {
        match file.locate(&fault.field) {
            Some(position) => located.push(position, &fault.description),
            None => elsewhere.push(format!("  {}: {}", fault.field, fault.description)),
        }
    }
    let mut lines = if located.is_empty() {
        Vec::new()
    } else {
        lines(&located)
    };
    lines.extend(elsewhere);
    lines
}

/// A line for each fault, and for the help of some.
pub(super) fn lines(faults: &Faults) -> Vec<String> {
    faults.to_string().lines().map(str::to_owned).collect()
}

pub(crate) fn faults_failure(faults: &Faults) -> Failure {
    let count = text::counted(faults.faults.len() as u64, "fault");
    let mut failure = Failure::new(
        Exit::Usage,
        format!("{} has {count}; nothing was submitted", faults.origin),
    );
    failure.faults = lines(faults);
    failure
}

/// The failure of a submitted command, with the faults named by their flags.
pub(crate) fn flag_failure(client: &Client, failure: Box<CallFailure>) -> anyhow::Error {
    let faults = match &*failure {
        CallFailure::Refused { faults, .. } => {
            let mut lines: Vec<String> = faults.iter().map(spec::flag_fault).collect();
            // The tasks of a series have the same faults.
            lines.dedup();
            lines
        }
        CallFailure::Lost { .. } => Vec::new(),
    };
    with_faults(client.failure("cannot submit")(failure), faults)
}

fn with_faults(error: anyhow::Error, faults: Vec<String>) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(mut failure) => {
            failure.faults = faults;
            failure.into()
        }
        Err(error) => error,
    }
}
