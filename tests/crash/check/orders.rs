//! Cancels, retries, releases and reads: what was accepted is in the log, and what was acknowledged is found by its id.

use std::{collections::BTreeMap, time::Duration};

use swarm_proto::v1::TaskChange;

use super::life::Life;
use crate::crash::history::{Answer, Call, Exchange, History};

type Lives<'a> = BTreeMap<&'a str, Life<'a>>;

pub(super) fn violations(history: &History, lives: &Lives<'_>) -> Vec<String> {
    let acknowledged = acknowledged(history);
    let mut found = Vec::new();
    let mut retries: BTreeMap<&str, Retries> = BTreeMap::new();
    let mut releases: BTreeMap<&str, Releases> = BTreeMap::new();
    for call in &history.calls {
        let as_of = call.exchange.as_of().map_or(0, |(_, seq)| seq);
        let lost = |id: &str| {
            let since = acknowledged.get(id).filter(|&&since| since < call.called)?;
            Some(format!(
                "task {id} was acknowledged at {since:?}, and a {} of {} at {:?} did not find it",
                call.exchange.name(),
                call.client,
                call.called
            ))
        };
        match &call.exchange {
            Exchange::Cancel(request, Answer::Given(response)) => {
                if !request
                    .task_ids
                    .iter()
                    .eq(response.results.iter().map(|change| &change.task_id))
                {
                    found.push(format!(
                        "a cancel of {} was answered about other tasks",
                        call.client
                    ));
                }
                for change in &response.results {
                    match reason(change) {
                        Some("TASK_NOT_FOUND") => found.extend(lost(&change.task_id)),
                        Some(_) => {}
                        None => found.extend(cancelled(call, change, as_of, lives)),
                    }
                }
            }
            Exchange::Retry(request, answer) => match answer {
                Answer::Given(response) => {
                    for change in &response.results {
                        match reason(change) {
                            Some("TASK_NOT_FOUND") => found.extend(lost(&change.task_id)),
                            Some(_) => {}
                            None => retries.entry(&change.task_id).or_default().accepted.push(as_of),
                        }
                    }
                }
                Answer::Unknown => {
                    for task in &request.tasks {
                        retries.entry(&task.task_id).or_default().unanswered += 1;
                    }
                }
                Answer::Refused(_) => {}
            },
            Exchange::Release(request, answer) => {
                let asked = releases.entry(&request.task_id).or_default();
                match answer {
                    Answer::Given(response) => asked.accepted.push((response.attempt, as_of)),
                    Answer::Unknown => asked.unanswered += 1,
                    Answer::Refused(reason) if reason == "TASK_NOT_FOUND" => {
                        found.extend(lost(&request.task_id));
                    }
                    Answer::Refused(_) => {}
                }
            }
            Exchange::Get(request, Answer::Refused(reason)) if reason == "TASK_NOT_FOUND" => {
                found.extend(lost(&request.task_id));
            }
            Exchange::Get(request, Answer::Given(response)) => {
                let Some(task) = &response.task else { continue };
                let seqs = lives
                    .get(request.task_id.as_str())
                    .map_or(&[][..], |life| &life.seqs);
                let newest = seqs.iter().rev().find(|&&seq| seq <= as_of);
                if newest != Some(&task.revision) {
                    found.push(format!(
                        "task {} was read as of seq {as_of} with revision {}, and its newest event then was {newest:?}",
                        request.task_id, task.revision
                    ));
                }
            }
            _ => {}
        }
    }
    for (id, life) in lives {
        let asked = retries.remove(id).unwrap_or_default();
        found.extend(
            asked
                .disagree(&life.retries)
                .map(|how| format!("task {id}: {how}")),
        );
        let asked = releases.remove(id).unwrap_or_default();
        found.extend(
            asked
                .disagree(&life.given_up)
                .map(|how| format!("task {id}: {how}")),
        );
    }
    found
}

fn reason(change: &TaskChange) -> Option<&str> {
    change.refusal.as_ref().map(|refusal| refusal.reason.as_str())
}

/// When each task was first acknowledged.
fn acknowledged(history: &History) -> BTreeMap<&str, Duration> {
    let mut acknowledged = BTreeMap::new();
    for call in &history.calls {
        if let Exchange::Submit(_, Answer::Given(response)) = &call.exchange {
            for task in &response.tasks {
                acknowledged.entry(task.task_id.as_str()).or_insert(call.returned);
            }
        }
    }
    acknowledged
}

fn cancelled(call: &Call, change: &TaskChange, as_of: u64, lives: &Lives<'_>) -> Option<String> {
    let cancels = lives
        .get(change.task_id.as_str())
        .map_or(&[][..], |life| &life.cancels);
    let is_there = cancels.iter().any(|&seq| seq <= as_of);
    (!is_there).then(|| {
        format!(
            "task {}: a cancel of {} was accepted as of seq {as_of}, and the log has {cancels:?}",
            change.task_id, call.client
        )
    })
}

/// The retries that were asked for one task.
#[derive(Default)]
struct Retries {
    /// The position of each answer that accepted it.
    accepted: Vec<u64>,
    unanswered: usize,
}

impl Retries {
    fn disagree(&self, seqs: &[u64]) -> Option<String> {
        let in_time = self.accepted.iter().all(|&as_of| {
            let accepted = self.accepted.iter().filter(|&&other| other <= as_of).count();
            seqs.iter().filter(|&&seq| seq <= as_of).count() >= accepted
        });
        let asked = self.accepted.len() + self.unanswered;
        (!in_time || seqs.len() > asked).then(|| {
            format!(
                "its retries were accepted as of {:?}, {} had no answer, and the log has them at {seqs:?}",
                self.accepted, self.unanswered
            )
        })
    }
}

/// The releases of one task's leases that somebody asked for.
#[derive(Default)]
struct Releases {
    /// The attempt and the position of each answer that accepted it.
    accepted: Vec<(u32, u64)>,
    unanswered: usize,
}

impl Releases {
    /// Each accepted release is in the log, and each in the log was asked for.
    fn disagree(&self, given_up: &[(u32, u64)]) -> Option<String> {
        let is_there = |&(attempt, as_of): &(u32, u64)| {
            given_up
                .iter()
                .any(|&(other, seq)| other == attempt && seq <= as_of)
        };
        let unexplained = given_up
            .iter()
            .filter(|(attempt, _)| !self.accepted.iter().any(|(accepted, _)| accepted == attempt))
            .count();
        (!self.accepted.iter().all(is_there) || unexplained > self.unanswered).then(|| {
            format!(
                "its leases were released as of {:?}, {} releases had no answer, and the log has them at {given_up:?}",
                self.accepted, self.unanswered
            )
        })
    }
}
