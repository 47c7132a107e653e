//! Submits: what was acknowledged is there once, what was refused is not, and a request is there whole or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use swarm_proto::v1::{Event, NewTask, SubmitTasksRequest, TaskSpec, event::Payload};

use crate::crash::history::{Answer, Exchange, History};

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let mut there: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in &history.log {
        if let Some(Payload::TaskSubmitted(_)) = &event.payload
            && let Some(first) = there.insert(&event.task_id, event)
        {
            found.push(format!(
                "task {} is there twice: submitted at seq {} and at {}",
                event.task_id, first.seq, event.seq
            ));
        }
    }
    let shared = shared(history);
    let mut asked: BTreeMap<&str, Asked<'_>> = BTreeMap::new();
    for call in &history.calls {
        let Exchange::Submit(request, answer) = &call.exchange else {
            continue;
        };
        for task in &request.tasks {
            let by = asked.entry(&task.task_id).or_default();
            by.specs.push(spec(task));
            by.maybe_done |= !matches!(answer, Answer::Refused(_));
        }
        if !shared.contains(&first_id(request)) {
            found.extend(halves(request, &there).map(|half| format!("a submit of {}: {half}", call.client)));
        }
        if let Answer::Given(response) = answer {
            let seq = response.as_of.as_ref().map_or(0, |as_of| as_of.seq);
            if response.tasks.len() != request.tasks.len() {
                found.push(format!("a submit of {} was answered in part", call.client));
            }
            for (task, said) in request.tasks.iter().zip(&response.tasks) {
                let id = &task.task_id;
                let Some(submitted) = there.get(id.as_str()) else {
                    found.push(format!(
                        "task {id} of {} was acknowledged at {:?} and is lost",
                        call.client, call.returned
                    ));
                    continue;
                };
                if submitted.seq > seq {
                    found.push(format!(
                        "task {id} was acknowledged with seq {seq}, and submitted with {}",
                        submitted.seq
                    ));
                }
                found.extend(unlike(submitted, spec(task)).map(|how| format!("task {id}: {how}")));
                let by = asked.entry(id).or_default();
                by.answers.push((call.called, call.returned, said.existed));
            }
        }
        if let Answer::Refused(reason) = answer
            && reason == "TASK_EXISTS"
            && request.tasks.iter().all(|task| {
                let submitted = there.get(task.task_id.as_str());
                submitted.is_none_or(|submitted| unlike(submitted, spec(task)).is_none())
            })
        {
            found.push(format!(
                "a submit of {} was refused with TASK_EXISTS, and none of its tasks is there with another spec",
                call.client
            ));
        }
    }
    for (id, event) in &there {
        match asked.get(id) {
            None => found.push(format!(
                "task {id} is there, and nobody submitted it: seq {}",
                event.seq
            )),
            Some(by) => {
                if !by.maybe_done {
                    found.push(format!(
                        "task {id} is there at seq {}, and every submit of it was refused",
                        event.seq
                    ));
                }
                found.extend(by.existed_wrongly().map(|how| format!("task {id}: {how}")));
            }
        }
    }
    found
}

fn spec(task: &NewTask) -> &TaskSpec {
    static NOTHING: std::sync::LazyLock<TaskSpec> = std::sync::LazyLock::new(TaskSpec::default);
    task.spec.as_ref().unwrap_or(&NOTHING)
}

/// The submits of one task id.
#[derive(Default)]
struct Asked<'a> {
    specs: Vec<&'a TaskSpec>,
    /// Some request with it was not refused.
    maybe_done: bool,
    /// When each acknowledged submit was called and answered, and whether the task had existed.
    answers: Vec<(Duration, Duration, bool)>,
}

impl Asked<'_> {
    fn existed_wrongly(&self) -> Option<String> {
        let fresh: Vec<_> = self.answers.iter().filter(|answer| !answer.2).collect();
        if fresh.len() > 1 {
            return Some(format!("{} submits were each told that it is new", fresh.len()));
        }
        let fresh = fresh.first()?;
        let before = self
            .answers
            .iter()
            .find(|answer| answer.2 && answer.1 < fresh.0)?;
        Some(format!(
            "it had existed at {:?}, and was new at {:?}",
            before.1, fresh.1
        ))
    }
}

fn first_id(request: &SubmitTasksRequest) -> &str {
    request.tasks.first().map_or("", |task| task.task_id.as_str())
}

/// The first ids of requests of which a part was also asked for in another one: half of them may be there.
fn shared(history: &History) -> BTreeSet<&str> {
    let mut first_ids: BTreeMap<&str, BTreeSet<(&str, usize)>> = BTreeMap::new();
    for call in &history.calls {
        if let Exchange::Submit(request, _) = &call.exchange {
            for task in &request.tasks {
                let of = first_ids.entry(&task.task_id).or_default();
                of.insert((first_id(request), request.tasks.len()));
            }
        }
    }
    let several = first_ids.into_values().filter(|requests| requests.len() > 1);
    several.flatten().map(|(first, _)| first).collect()
}

/// The two halves of a request of which one task is there and another one is not.
fn halves(request: &SubmitTasksRequest, there: &BTreeMap<&str, &Event>) -> Option<String> {
    let (mut inside, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for task in &request.tasks {
        let id = task.task_id.as_str();
        // Only what has this very spec can have come with this request.
        match there.get(id) {
            Some(submitted) if unlike(submitted, spec(task)).is_none() => inside.insert(id),
            Some(_) => return None,
            None => missing.insert(id),
        };
    }
    let is_half = !inside.is_empty() && !missing.is_empty();
    is_half.then(|| format!("{inside:?} are there, and {missing:?} are not"))
}

fn unlike(submitted: &Event, spec: &TaskSpec) -> Option<String> {
    let Some(Payload::TaskSubmitted(payload)) = &submitted.payload else {
        return None;
    };
    (payload.spec.as_ref() != Some(spec)).then(|| {
        format!(
            "what was submitted at seq {} is not the spec that was acknowledged",
            submitted.seq
        )
    })
}
