//! Ids by their beginnings, if only one id begins so.

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    v1::{FindIdsRequest, FindIdsResponse},
};
use tonic::Code;

use super::{Finder, Kind, Purpose, tell_meaning};
use crate::program::value;

/// At most this many ids are told when several begin alike.
const MAX_TOLD_IDS: usize = 10;

/// At least this many characters name what is changed. A mistyped or cut word of one or two begins some id too often.
const LEAST_TO_CHANGE: usize = 4;

/// The one id of these kinds with this beginning, which a person is told.
///
/// # Errors
///
/// When several do, the beginning is too short for a change, or the coordinator cannot be asked.
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
        [(kind, id)] if finder.purpose == Purpose::Change && prefix.len() < LEAST_TO_CHANGE => {
            Err(too_short(prefix, *kind, id, doing).into())
        }
        [(kind, id)] => {
            tell_meaning(format!("{prefix} is {} {id}", kind.noun()));
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

fn too_short(prefix: &str, kind: Kind, id: &str, doing: &str) -> Failure {
    let noun = kind.noun();
    let sentence = format!("{doing}: '{prefix}' is too short to be sure that {noun} {id} is meant");
    Failure::new(Exit::Usage, sentence).help(format!(
        "give the whole id, or at least {LEAST_TO_CHANGE} characters of it"
    ))
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
