//! Positions: what an answer reflects is never taken back, neither by a later answer nor by the journal.

use std::collections::BTreeSet;

use crate::crash::history::{Call, History};

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let last = history.log.last().map_or(0, |event| event.seq);
    let mut histories: BTreeSet<&str> = history
        .log
        .iter()
        .filter_map(|event| Some(event.as_of.as_ref()?.history.as_str()))
        .collect();
    let mut answered: Vec<(&Call, u64)> = Vec::new();
    for call in &history.calls {
        let Some((of, seq)) = call.exchange.as_of() else {
            continue;
        };
        histories.insert(of);
        answered.push((call, seq));
        if seq > last {
            found.push(format!(
                "the answer to a {} of {} reflected seq {seq}, and the log ends with {last}",
                call.exchange.name(),
                call.client
            ));
        }
    }
    if histories.len() > 1 {
        found.push(format!("there is more than one history: {histories:?}"));
    }

    // A call that was sent after another one's answer sees at least as much.
    let mut by_return = answered.clone();
    by_return.sort_by_key(|(call, _)| call.returned);
    answered.sort_by_key(|(call, _)| call.called);
    let mut returned = by_return.into_iter().peekable();
    let mut newest: Option<(&Call, u64)> = None;
    for (call, seq) in answered {
        while let Some(before) = returned.next_if(|(before, _)| before.returned < call.called) {
            if newest.is_none_or(|(_, newest)| before.1 > newest) {
                newest = Some(before);
            }
        }
        if let Some((before, seen)) = newest.filter(|&(_, seen)| seen > seq) {
            found.push(format!(
                "the answer to a {} of {} at {:?} reflects seq {seq}, and {} had been told of {seen} at {:?}",
                call.exchange.name(),
                call.client,
                call.called,
                before.client,
                before.returned
            ));
        }
    }
    found
}
