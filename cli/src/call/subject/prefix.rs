//! Ids by their beginnings, if only one id begins so.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    v1::{FindIdsRequest, FindIdsResponse},
};
use tonic::Code;

use super::{Finder, Kind, Purpose, doubt, tell_meaning};
use crate::program::{terminal::note, value};

/// At most this many ids are told when several begin alike.
const MAX_TOLD_IDS: usize = 10;

/// The one id of these kinds with this beginning, which a person is told, and asked about before a change.
///
/// # Errors
///
/// When several do, nobody confirms that it is meant to be changed, or the coordinator cannot be asked.
pub(super) async fn only_one(
    finder: Finder<'_>,
    prefix: &str,
    kinds: &[Kind],
    doing: &str,
) -> anyhow::Result<Option<(Kind, String)>> {
    // Names of jobs come here too; a text that cannot begin an id is not looked for.
    if value::check_id(prefix).is_err() {
        return Ok(None);
    }
    let client = finder.client;
    let request = FindIdsRequest {
        prefix: prefix.to_owned(),
        limit: MAX_TOLD_IDS as u32 + 1,
    };
    let found = match client.call(request).await {
        Ok(found) => found,
        // An older coordinator cannot search for beginnings.
        Err(failure)
            if matches!(
                *failure,
                CallFailure::Lost {
                    code: Code::Unimplemented,
                    ..
                }
            ) =>
        {
            return Ok(None);
        }
        Err(failure) => return Err(client.failure(doing)(failure)),
    };
    let ids: Vec<(Kind, String)> = kinds
        .iter()
        .flat_map(|kind| ids_of(&found, *kind).iter().map(|id| (*kind, id.clone())))
        .collect();
    match ids.as_slice() {
        [] => Ok(None),
        [(kind, id)] => {
            let meaning = format!("{prefix} is {} {id}", kind.noun());
            match finder.purpose {
                Purpose::Look => tell_meaning(meaning),
                Purpose::Wait => note(meaning),
                Purpose::Change(change) => {
                    doubt::settle(finder, change, prefix, (*kind, id), doing).await?;
                }
            }
            Ok(Some((*kind, id.clone())))
        }
        several => Err(ambiguous(prefix, several).into()),
    }
}

fn ids_of(found: &FindIdsResponse, kind: Kind) -> &[String] {
    match kind {
        Kind::Task => &found.task_ids,
        Kind::Job => &found.job_ids,
        Kind::Agent => &found.agent_ids,
    }
}

fn ambiguous(prefix: &str, ids: &[(Kind, String)]) -> Failure {
    let told = &ids[..ids.len().min(MAX_TOLD_IDS)];
    let mut told: Vec<String> = told
        .iter()
        .map(|(kind, id)| format!("{} {id}", kind.noun()))
        .collect();
    if ids.len() > MAX_TOLD_IDS {
        told.push("more".to_owned());
    }
    let last = told.pop().unwrap_or_default();
    let sentence = format!("several ids begin with {prefix}: {} and {last}", told.join(", "));
    Failure::new(Exit::Usage, sentence).help("give more of the one that is meant")
}
