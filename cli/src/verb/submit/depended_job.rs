//! The words to depend on that are jobs: a dependency is a task, so the tasks of the job have to be named.

use swarm_program::failure::Failure;
use swarm_proto::{call::CallFailure, reason::Reason};

use crate::{
    call::{client::Client, subject::Finder},
    jobfile::JobFile,
    output::text::{self, shell_word},
};

/// At most this many words are looked up.
const MAX_LOOKUPS: usize = 32;

/// The words of a refused submit that may be jobs; none when it was refused for something else.
pub(super) fn suspects(flags: &[String], file: Option<&JobFile>, failure: &CallFailure) -> Vec<String> {
    if failure.reason() != Some(Reason::DependencyUnknown) {
        return Vec::new();
    }
    let external = file.map(|file| file.external.as_slice()).unwrap_or_default();
    let mut words: Vec<String> = flags.to_vec();
    words.extend(external.iter().map(|external| external.task_id.clone()));
    words.sort();
    words.dedup();
    words.truncate(MAX_LOOKUPS);
    words
}

/// The error with what to type for each word that is a job.
pub(super) async fn explained(
    client: &Client,
    suspects: &[String],
    is_file: bool,
    error: anyhow::Error,
) -> anyhow::Error {
    let mut failure = match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => return error,
    };
    for word in suspects {
        // The refusal stands, whatever becomes of this question.
        let Ok(Some((job, _))) = Finder::to_look(client)
            .find_job(word, "cannot look for a job")
            .await
        else {
            continue;
        };
        let list = client.next(&format!("list --job {} -q", shell_word(word)));
        let tasks = text::counted(job.task_count.into(), "task");
        failure = failure.help(match is_file {
            true => format!("{word} is a job of {tasks}, and a dependency is a task: its ids: {list}"),
            false => format!(
                "{word} is a job of {tasks}, and a dependency is a task; for all of them: --depends-on \
                 \"$({list} | paste -sd, -)\""
            ),
        });
    }
    failure.into()
}
