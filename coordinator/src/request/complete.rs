//! An agent reports how attempts ended, and may ask for more in the same call.
//!
//! Each report is answered by itself: one that is refused takes no other with it.

use swarm_engine::{
    command::{
        claim as granting,
        complete::{self, Accepted, Complete, Report},
    },
    limits::MAX_ITEMS,
    rejection::Rejection,
};
use swarm_proto::{terminal::one_line, v1};

use super::{Context, Refusal, claim, granted, refusal::of_item};
use crate::{
    core::{Answer, admission::Load},
    machine::random,
    wire::{field, report::reports, state::state_message, time::describe},
};

/// Takes the outcomes of attempts.
///
/// # Errors
///
/// When there are too many, or the agent's id is none. What is refused of one report is in the answer.
pub(crate) async fn complete(
    cx: &Context,
    request: v1::CompleteRequest,
) -> Result<v1::CompleteResponse, Refusal> {
    let v1::CompleteRequest {
        agent_id,
        results,
        claim_next,
    } = request;
    if results.len() > MAX_ITEMS {
        let fault = format!("has {} reports, at most {MAX_ITEMS} are allowed", results.len());
        return Err(Refusal::invalid("results", fault));
    }
    let agent = field::agent_id("agent_id", &agent_id)?;
    let task_ids: Vec<String> = results.iter().map(task_id_of).collect();
    let read = reports(results);
    let good: Vec<Report> = read
        .iter()
        .filter_map(|report| report.as_ref().ok())
        .cloned()
        .collect();
    let named = good.iter().map(|report| report.proof.task.clone()).collect();
    let liveness = cx.liveness();
    let command = Complete {
        agent: agent.clone(),
        reports: good,
        jitter: random::number(),
        lease_ttl: liveness.ttl,
        started: liveness.started,
    };
    let claim = claim_next.map(|claim| match cx.obstacle(Load::Claim) {
        None => claim::read(cx, claim, "claim_next").map_err(|rejection| of_item(&rejection)),
        Some((reason, why)) => Err(v1::Refusal {
            reason: reason.as_str().to_owned(),
            message: why.to_owned(),
        }),
    });
    let answer = cx
        .core
        .execute_naming(named, |draft| {
            let now = draft.now();
            let slowed_before = draft.slowed_until(&agent, now);
            let completed = complete::decide(draft, command);
            let slowed = draft.slowed_until(&agent, now);
            let pause = slowed.filter(|_| slowed > slowed_before).map(|until| {
                let name = draft.agent(&agent).map(|agent| agent.name.to_string());
                (name.unwrap_or_else(|| agent.to_string()), until - now)
            });
            let claimed = claim.map(|claim| {
                let (claim, _) = claim?;
                granting::decide(draft, claim).map_err(|rejection| of_item(&rejection))
            });
            Ok((completed, claimed, pause))
        })
        .await?;
    let as_of = answer.as_of;
    let (completed, claimed, pause) = answer.value;
    if let Some((name, pause)) = pause {
        tracing::warn!(
            agent_id = agent.as_str(),
            help = "run agent doctor there",
            "the machine of agent {} failed what it was given, so it is given nothing for {}",
            one_line(&name),
            describe(pause)
        );
    }
    let (claimed, claim_refusal) = match claimed {
        None => (None, None),
        Some(Ok(granted)) => {
            let granted = Answer {
                value: granted,
                as_of,
            };
            (Some(granted::response(cx, &agent, granted).await?), None)
        }
        Some(Err(refusal)) => (None, Some(refusal)),
    };
    Ok(v1::CompleteResponse {
        as_of: Some(cx.position(as_of.0)),
        results: results_of(task_ids, read, completed),
        claimed,
        claim_refusal,
    })
}

fn task_id_of(report: &v1::AttemptReport) -> String {
    let lease = report.lease.as_ref();
    lease.map(|lease| lease.task_id.clone()).unwrap_or_default()
}

/// One answer for each report, in their order. The engine was given those that could be read, and has answered each.
fn results_of(
    task_ids: Vec<String>,
    read: Vec<Result<Report, v1::Refusal>>,
    completed: Vec<Result<Accepted, Rejection>>,
) -> Vec<v1::ReportResult> {
    let mut completed = completed.into_iter();
    let answers = read.into_iter().map(|report| {
        let _ = report?;
        match completed.next() {
            Some(answer) => answer.map_err(|rejection| of_item(&rejection)),
            None => unreachable!("the engine answers every report"),
        }
    });
    task_ids
        .into_iter()
        .zip(answers)
        .map(|(task_id, answer)| match answer {
            Ok(accepted) => v1::ReportResult {
                task_id,
                accepted: true,
                already_completed: accepted.already_completed,
                state: state_message(accepted.state).into(),
                refusal: None,
            },
            Err(refusal) => v1::ReportResult {
                task_id,
                accepted: false,
                already_completed: false,
                state: v1::TaskState::Unspecified.into(),
                refusal: Some(refusal),
            },
        })
        .collect()
}
