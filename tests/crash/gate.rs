//! The least that must happen in a run before it proves anything.

use swarm_proto::v1::event::Payload;

use super::{
    fault::Fault,
    history::{Answer, Exchange, History},
    report::Report,
};

const LEAST_OPERATIONS: usize = 300;
const LEAST_SUCCEEDED: usize = 100;
/// At least so many of each odd event that a lost answer or lease brings.
const LEAST_ODD: usize = 3;

/// The kinds of events of which a run has too few, in words.
pub(crate) fn missing(history: &History, report: &Report) -> Vec<String> {
    let is_tried = |name: &str| !report.untried.contains(name);
    let events = |wanted: fn(&Payload) -> bool| {
        let payloads = history.log.iter().filter_map(|event| event.payload.as_ref());
        payloads.filter(|payload| wanted(payload)).count()
    };
    let calls = |wanted: fn(&Exchange) -> bool| {
        let calls = history.calls.iter();
        calls.filter(|call| wanted(&call.exchange)).count()
    };
    let counts = [
        (
            "requests that were answered",
            usize::try_from(report.operations).unwrap_or(usize::MAX),
            LEAST_OPERATIONS,
        ),
        (
            "tasks that succeeded",
            events(|payload| matches!(payload, Payload::TaskSucceeded(_))),
            LEAST_SUCCEEDED,
        ),
        (
            "leases that were lost",
            events(|payload| matches!(payload, Payload::LeaseExpired(_))),
            LEAST_ODD,
        ),
        (
            "submits without an answer",
            calls(|exchange| matches!(exchange, Exchange::Submit(_, Answer::Unknown))),
            LEAST_ODD,
        ),
        (
            "submits that a full disk refused",
            calls(Exchange::is_refused_by_full_disk),
            usize::from(is_tried(Fault::FillDisk.name())),
        ),
        ("submits of what was there", calls(has_existed), LEAST_ODD),
        (
            "submits under the id of another task",
            calls(
                |exchange| matches!(exchange, Exchange::Submit(_, Answer::Refused(reason)) if reason == "TASK_EXISTS"),
            ),
            1,
        ),
        (
            "reports that were confirmed again",
            calls(is_confirmed_again),
            LEAST_ODD,
        ),
        ("reports that came too late", calls(is_too_late), LEAST_ODD),
        (
            "streams that were lost",
            history
                .readers
                .iter()
                .map(|reader| reader.connections.len().saturating_sub(1))
                .sum(),
            LEAST_ODD,
        ),
    ];
    let mut missing: Vec<String> = counts
        .iter()
        .filter(|(_, count, least)| count < least)
        .map(|(what, count, least)| format!("there were {count} {what}, and {least} are the least"))
        .collect();
    println!(
        "{}",
        counts
            .map(|(what, count, _)| format!("{count} {what}"))
            .join(", ")
    );
    let names = Fault::names().into_iter();
    for name in names.filter(|name| is_tried(name) && !report.faults.contains_key(*name)) {
        missing.push(format!("this never happened: {name}"));
    }
    missing
}

fn has_existed(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Submit(_, Answer::Given(response)) => response.tasks.iter().any(|task| task.existed),
        _ => false,
    }
}

fn is_confirmed_again(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Complete(_, Answer::Given(response)) => {
            response.results.iter().any(|result| result.already_completed)
        }
        _ => false,
    }
}

fn is_too_late(exchange: &Exchange) -> bool {
    match exchange {
        Exchange::Complete(_, Answer::Given(response)) => response.results.iter().any(|result| {
            result
                .refusal
                .as_ref()
                .is_some_and(|refusal| refusal.reason == "LEASE_LOST")
        }),
        _ => false,
    }
}
