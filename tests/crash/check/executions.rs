//! Commands: each attempt runs once, with a lease, and two attempts of a task run side by side only when a lease was
//! lost in between.

use std::collections::{BTreeMap, BTreeSet};

use super::life::{Life, Report};
use crate::crash::history::{Exchange, History, Line, Moment};

/// The places of an attempt's lines in the file.
#[derive(Default)]
struct Run {
    start: Option<usize>,
    end: Option<usize>,
}

pub(super) fn violations(history: &History, lives: &BTreeMap<&str, Life<'_>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut tasks: BTreeMap<&str, BTreeMap<u32, Run>> = BTreeMap::new();
    for (
        at,
        Line {
            task,
            attempt,
            moment,
        },
    ) in history.lines.iter().enumerate()
    {
        let runs = tasks.entry(task).or_default();
        let run = runs.entry(*attempt).or_default();
        let (place, word) = match moment {
            Moment::Start => (&mut run.start, "started"),
            Moment::End => (&mut run.end, "ended"),
        };
        if let Some(before) = place.replace(at) {
            found.push(format!(
                "task {task}, attempt {attempt}: its command {word} twice, in lines {before} and {at}"
            ));
        }
        if run.start.is_none() {
            found.push(format!(
                "task {task}, attempt {attempt}: its command ended and never started"
            ));
        }
    }
    for (&task, runs) in &tasks {
        let Some(life) = lives.get(task) else {
            found.push(format!(
                "task {task}: a command of it ran, and the log has no such task"
            ));
            continue;
        };
        for (number, run) in runs {
            let Some(attempt) = life.attempts().get(number) else {
                found.push(format!(
                    "task {task}, attempt {number}: its command ran without a lease"
                ));
                continue;
            };
            let (start, end) = (run.start.unwrap_or_default(), run.end.unwrap_or(usize::MAX));
            let reported = attempt.reported.map(|(_, report)| report);
            for (other, later) in runs.range(number + 1..) {
                let begun = later.start.unwrap_or_default();
                let side_by_side = start < later.end.unwrap_or(usize::MAX) && begun < end;
                // An attempt without a last line was killed, at any time.
                if side_by_side && run.end.is_some() && attempt.lost.is_none() {
                    found.push(format!(
                        "task {task}: attempt {other} ran beside attempt {number}, whose lease was not lost"
                    ));
                }
                // It was run again for no reason.
                if attempt.lost.is_none() && reported.is_none() {
                    found.push(format!(
                        "task {task}: attempt {other} ran after attempt {number}, which was neither lost nor reported"
                    ));
                }
                if reported == Some(Report::Released) && attempt.lost.is_none() && run.end.is_some() {
                    found.push(format!(
                        "task {task}: attempt {number} was given back, and its command had run to its end"
                    ));
                }
            }
        }
    }
    found.extend(unseen(history, lives));
    found
}

/// Successes of agents that run commands, of which no command has written its last line.
fn unseen(history: &History, lives: &BTreeMap<&str, Life<'_>>) -> Vec<String> {
    let ended: BTreeSet<(&str, u32)> = history
        .lines
        .iter()
        .filter(|line| line.moment == Moment::End)
        .map(|line| (line.task.as_str(), line.attempt))
        .collect();
    // An agent whose calls were recorded is one that runs nothing.
    let fakes: BTreeSet<&str> = history
        .calls
        .iter()
        .filter_map(|call| match &call.exchange {
            Exchange::Register(request, _) => Some(request.agent_id.as_str()),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    for (&task, life) in lives {
        for (&number, attempt) in life.attempts() {
            let succeeded = attempt
                .reported
                .is_some_and(|(_, report)| report == Report::Succeeded);
            if succeeded && !fakes.contains(attempt.agent.as_str()) && !ended.contains(&(task, number)) {
                found.push(format!(
                    "task {task}, attempt {number}: {} reported it as done, and its command has not ended",
                    attempt.agent
                ));
            }
        }
    }
    found
}
