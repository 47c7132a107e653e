//! Claims and reports: a lease is given to one agent, and of what an attempt came to one report is accepted, which has
//! to come from whoever was given that lease.

use std::collections::{BTreeMap, BTreeSet};

use swarm_proto::v1::{
    AttemptReport, ClaimResponse, CompleteRequest, CompleteResponse, Directive, LeaseRef,
    attempt_report::Outcome,
};

use super::life::{Attempt, Life, Report};
use crate::crash::history::{Answer, Call, Exchange, History};

/// A task remembers the reports of so many attempts; see `AttemptReport` in the protocol.
const REMEMBERED: u32 = 8;

type Lives<'a> = BTreeMap<&'a str, Life<'a>>;

pub(super) fn violations(history: &History, lives: &Lives<'_>) -> Vec<String> {
    let (given, mut found) = leases(history, lives);
    let reports = reports(history);
    let mut taken: BTreeMap<(&str, u32), Vec<&Sent<'_>>> = BTreeMap::new();
    for sent in &reports {
        let Some(said) = &sent.said else { continue };
        let key = (sent.lease.task_id.as_str(), sent.lease.attempt);
        let place = format!(
            "task {}, attempt {}, reported by {} at {:?}",
            key.0, key.1, sent.call.client, sent.call.returned
        );
        let is_holder = given
            .get(&key)
            .is_some_and(|(agent, token)| *agent == sent.agent && *token == &sent.lease.lease_token);
        let attempt = lives.get(key.0).and_then(|life| life.attempts().get(&key.1));
        match said {
            Said::Refused(reason) => {
                if *reason != "LEASE_LOST" || !is_holder {
                    continue;
                }
                let repeats = |other: &&Sent<'_>| {
                    matches!(other.said, Some(Said::Accepted { .. }))
                        && other.report == sent.report
                        && other.call.returned < sent.call.called
                };
                let newest = lives
                    .get(key.0)
                    .and_then(|life| life.attempts().keys().next_back());
                let remembered = newest.is_some_and(|newest| newest - key.1 < REMEMBERED);
                if remembered && reports.iter().any(|other| repeats(&other)) {
                    found.push(format!(
                        "{place}: it had been accepted before, and was refused then"
                    ));
                }
                let lives_then = attempt.is_some_and(|attempt| {
                    let later = |seq: u64| seq > sent.as_of;
                    attempt.lost.is_none_or(later) && attempt.reported.is_none_or(|(seq, _)| later(seq))
                });
                if lives_then {
                    found.push(format!(
                        "{place}: it was refused with LEASE_LOST as of seq {}, and held the lease then",
                        sent.as_of
                    ));
                }
            }
            Said::Accepted { is_repeat } => {
                if !is_holder {
                    found.push(format!(
                        "{place}: it was accepted, and {} had not been given that lease",
                        sent.agent
                    ));
                }
                if *is_repeat && !reports.iter().any(|other| other.is_before(sent)) {
                    found.push(format!("{place}: it was confirmed as a repeat, and is the first"));
                }
                let kept = attempt.and_then(|attempt| attempt.reported);
                match kept {
                    None => found.push(format!(
                        "{place}: it was accepted, and the log has no report of it"
                    )),
                    Some((seq, report)) if seq > sent.as_of || !agrees(sent.report, report) => {
                        found.push(format!(
                            "{place}: it was accepted as of seq {}, and the log has {report:?} at {seq}",
                            sent.as_of
                        ))
                    }
                    Some(_) => {}
                }
                taken.entry(key).or_default().push(sent);
            }
        }
    }
    for ((task, attempt), accepted) in taken {
        let fresh = accepted.iter().filter(|sent| sent.is_first()).count();
        if fresh > 1 {
            found.push(format!(
                "task {task}, attempt {attempt}: {fresh} reports were each accepted as the first"
            ));
        }
        if accepted.iter().any(|sent| sent.report != accepted[0].report) {
            found.push(format!(
                "task {task}, attempt {attempt}: two different reports were accepted"
            ));
        }
    }
    found.extend(renewals(history, lives));
    found
}

/// Heartbeats: a lease that is over is not renewed, whoever lists it.
fn renewals(history: &History, lives: &Lives<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for call in &history.calls {
        let Exchange::Heartbeat(request, Answer::Given(response)) = &call.exchange else {
            continue;
        };
        let as_of = call.exchange.as_of().map_or(0, |(_, seq)| seq);
        for directive in &response.directives {
            if directive.directive() == Directive::Lost {
                continue;
            }
            let (task, number) = (directive.task_id.as_str(), directive.attempt);
            let Some(life) = lives.get(task) else { continue };
            let is_over = |attempt: &Attempt| {
                attempt.agent != request.agent_id || attempt.reported.is_some_and(|(seq, _)| seq <= as_of)
            };
            let mut newer = life.attempts().range(number + 1..);
            if life.attempts().get(&number).is_none_or(is_over)
                || newer.any(|(_, attempt)| attempt.granted <= as_of)
            {
                found.push(format!(
                    "task {task}, attempt {number}: {} was told to go on as of seq {as_of}, and it was over",
                    request.agent_id
                ));
            }
        }
    }
    found
}

/// The agent and the token of each attempt, as claims gave them.
type Given<'a> = BTreeMap<(&'a str, u32), (&'a str, &'a Vec<u8>)>;

fn leases<'a>(history: &'a History, lives: &Lives<'_>) -> (Given<'a>, Vec<String>) {
    let mut given: Given<'a> = BTreeMap::new();
    let mut found = Vec::new();
    for call in &history.calls {
        let Some((agent, response)) = claimed(&call.exchange) else {
            continue;
        };
        let as_of = call.exchange.as_of().map_or(0, |(_, seq)| seq);
        for lease in response
            .assignments
            .iter()
            .filter_map(|given| given.lease.as_ref())
        {
            let (task, attempt) = (lease.task_id.as_str(), lease.attempt);
            let granted = lives.get(task).and_then(|life| life.attempts().get(&attempt));
            if granted.is_none_or(|granted| granted.agent != agent || granted.granted > as_of) {
                found.push(format!(
                    "task {task}, attempt {attempt}: given to {agent} as of seq {as_of}, and the log has {granted:?}"
                ));
            }
            let before = given.insert((task, attempt), (agent, &lease.lease_token));
            if before.is_some_and(|before| before != (agent, &lease.lease_token)) {
                found.push(format!(
                    "task {task}, attempt {attempt}: two leases of it were given out, one to {agent}"
                ));
            }
        }
    }
    (given, found)
}

fn claimed(exchange: &Exchange) -> Option<(&str, &ClaimResponse)> {
    match exchange {
        Exchange::Claim(request, answer) => Some((&request.agent_id, answer.given()?)),
        Exchange::Complete(request, answer) => Some((&request.agent_id, answer.given()?.claimed.as_ref()?)),
        _ => None,
    }
}

/// One report in one call.
struct Sent<'a> {
    call: &'a Call,
    agent: &'a str,
    lease: &'a LeaseRef,
    report: &'a AttemptReport,
    as_of: u64,
    /// Nothing when the answer was lost.
    said: Option<Said<'a>>,
}

enum Said<'a> {
    Accepted { is_repeat: bool },
    Refused(&'a str),
}

impl Sent<'_> {
    fn is_first(&self) -> bool {
        matches!(self.said, Some(Said::Accepted { is_repeat: false }))
    }

    /// Whether this is the same report as the other one, and was sent before the other one's answer.
    fn is_before(&self, other: &Sent<'_>) -> bool {
        !std::ptr::eq(self, other) && self.report == other.report && self.call.called <= other.call.returned
    }
}

fn reports(history: &History) -> Vec<Sent<'_>> {
    let mut reports = Vec::new();
    for call in &history.calls {
        let Exchange::Complete(request, answer) = &call.exchange else {
            continue;
        };
        reports.extend(sent(call, request, answer.given()));
    }
    reports
}

fn sent<'a>(
    call: &'a Call,
    request: &'a CompleteRequest,
    response: Option<&'a CompleteResponse>,
) -> impl Iterator<Item = Sent<'a>> {
    let results = move |index: usize| response.and_then(|response| response.results.get(index));
    let as_of = call.exchange.as_of().map_or(0, |(_, seq)| seq);
    request
        .results
        .iter()
        .enumerate()
        .filter_map(move |(index, report)| {
            let said = results(index).map(|result| match &result.refusal {
                Some(refusal) => Said::Refused(&refusal.reason),
                None => Said::Accepted {
                    is_repeat: result.already_completed,
                },
            });
            Some(Sent {
                call,
                agent: &request.agent_id,
                lease: report.lease.as_ref()?,
                report,
                as_of,
                said,
            })
        })
}

/// Whether the log can have kept this report as `kept`.
fn agrees(report: &AttemptReport, kept: Report) -> bool {
    let possible: BTreeSet<&str> = match &report.outcome {
        Some(Outcome::Success(_)) => ["succeeded", "cancelled"].into(),
        Some(Outcome::Failure(_)) => ["failed", "cancelled"].into(),
        Some(Outcome::Cancelled(_) | Outcome::Released(_)) => ["released", "cancelled"].into(),
        None => BTreeSet::new(),
    };
    possible.contains(match kept {
        Report::Succeeded => "succeeded",
        Report::Failed => "failed",
        Report::Released | Report::Silenced => "released",
        Report::Cancelled => "cancelled",
    })
}
