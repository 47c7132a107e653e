//! A list of tasks, and which ones it is to show.

use std::sync::Arc;

use swarm_engine::{
    id::{AgentId, JobId, Number},
    noun::{selector::Selector, task::Task},
    rejection::{Faults, Rejection},
    time::Timestamp,
};
use swarm_proto::{limits::MAX_NAME_BYTES, v1};

use super::{
    Context, Refusal,
    names::name_cut_inputs,
    page::{self, Tokens},
};
use crate::{
    core::list::{Listing, SpecFilter},
    wire::{
        field::{Fields, unless_faulty},
        spec,
        state::read_states,
        task::task_message,
        time::read_timestamp,
    },
};

/// Lists tasks by their age.
///
/// # Errors
///
/// When the filter is faulty, or the page token none of this list.
pub(crate) async fn list(
    cx: &Context,
    request: v1::ListTasksRequest,
) -> Result<v1::ListTasksResponse, Refusal> {
    let size = page::size(request.page_size);
    let list = v1::ListTasksRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let tokens = Tokens::of(&list, page::direction(request.newest_first));
    let cursor = tokens.read(&request.page_token)?;
    let wanted = read(list, cursor, size)?;
    // Whoever asks for many pages at once waits, and others are answered meanwhile.
    let turn = cx.core.list_turn().await;
    let answer = cx.core.list(&wanted).await?;
    let as_of = cx.as_of(&answer);
    let listed = answer.value;
    // Specs of megabytes are read here.
    let made = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let tasks = listed.tasks.iter().map(|task| task_message(task, None));
        let next = listed.next.map(|number| tokens.write(number));
        let token = move |task: &v1::Task| tokens.write(Number(task.number));
        let (tasks, next) = page::fit(tasks, next, &token);
        (tasks, next, token)
    });
    let (mut tasks, mut next_page_token, token) = made.await.map_err(|_| Refusal::stopping())?;
    if name_cut_inputs(&cx.core, &mut tasks).await {
        // Their names may have made the page too large.
        let next = (!next_page_token.is_empty()).then_some(next_page_token);
        (tasks, next_page_token) = page::fit(tasks, next, token);
    }
    Ok(v1::ListTasksResponse {
        as_of,
        tasks,
        next_page_token,
    })
}

/// Reads a filter. The page is left to the caller: it begins at the cursor and has this size.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
fn read(request: v1::ListTasksRequest, cursor: Number, size: usize) -> Result<Listing, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let listing = Listing {
        job: unless_empty(&request.job_id, |id| fields.name("job_id", id, JobId::parse)),
        agent: unless_empty(&request.agent_id, |id| {
            fields.name("agent_id", id, AgentId::parse)
        }),
        from: read_time("create_time_from", request.create_time_from.as_ref(), &mut fields),
        before: read_time(
            "create_time_before",
            request.create_time_before.as_ref(),
            &mut fields,
        ),
        spec: read_spec_filter(&request.labels, request.text, &mut fields),
        states: read_states(&request.states, &mut fields),
        queue: request.queue,
        with_cut_inputs: request.cut_inputs,
        direction: page::direction(request.newest_first),
        cursor,
        size,
    };
    unless_faulty(Some(listing), faults)
}

fn unless_empty<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    (!text.is_empty()).then(|| read(text)).flatten()
}

fn read_time(
    field: &str,
    time: Option<&prost_types::Timestamp>,
    fields: &mut Fields<'_>,
) -> Option<Timestamp> {
    read_timestamp(time?)
        .map_err(|fault| fields.refuse(field, fault))
        .ok()
}

/// What can only be seen in the specs; `None` when nothing is asked of them.
fn read_spec_filter(labels: &[String], text: String, fields: &mut Fields<'_>) -> Option<SpecFilter> {
    fields.text("text", &text, MAX_NAME_BYTES);
    let selector = Selector::parse(labels).unwrap_or_else(|bad| {
        for (index, fault) in bad {
            match index {
                index if index < labels.len() => fields.refuse(format_args!("labels[{index}]"), fault),
                _ => fields.refuse("labels", fault),
            }
        }
        Selector::default()
    });
    if labels.is_empty() && text.is_empty() {
        return None;
    }
    Some(Arc::new(move |task: &Task| {
        let spec = spec::whole(&task.spec);
        let says = |place: &str| place.contains(text.as_str());
        selector.matches(&spec.labels) && (says(&spec.name) || says(task.id.as_str()))
    }))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use swarm_engine::{
        command::complete::{self, Reported},
        noun::outcome::Output,
        state::State,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        program::limits::{MAX_PAGE_BYTES, MAX_SHOWN_DEPENDENCIES},
        request::{Requests, Settings},
        testing::{
            fixture::Fixture,
            requests::{TTL, completion, task},
        },
        wire::sample,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn names_of_cut_inputs_do_not_make_a_page_too_large() {
        const TASKS: usize = 2 * MAX_PAGE_BYTES / (MAX_SHOWN_DEPENDENCIES * MAX_NAME_BYTES);
        let swarm = Fixture::new();
        swarm.register().await;
        let named = |id: &str, needs: &[&str], name: &str| {
            let mut task = task(id, needs);
            let spec = v1::TaskSpec {
                name: name.to_owned(),
                ..sample::spec()
            };
            task.spec = spec.encode_to_vec().into();
            task
        };
        let inputs: Vec<String> = (0..MAX_SHOWN_DEPENDENCIES)
            .map(|index| format!("in{index}"))
            .collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let long = "n".repeat(MAX_NAME_BYTES);
        let tasks = inputs
            .iter()
            .map(|id| named(id, &[], &long))
            .chain((0..TASKS).map(|index| named(&format!("sum{index}"), &inputs, "sum")));
        swarm.submit(None, tasks.collect()).await.unwrap();
        let mut request = completion(swarm.claim(inputs.len()).await, &Reported::Success);
        for report in &mut request.reports {
            report.output = Arc::new(Output {
                stdout_bytes: 7,
                ..Output::default()
            });
        }
        swarm
            .core
            .execute(|draft| Ok(complete::decide(draft, request)))
            .await
            .unwrap();
        let is_met = |state: &State| state.tasks_after(Number(0)).all(|task| task.unmet == 0);
        while !swarm.core.peek(is_met) {
            swarm.core.until_durable(swarm.core.expire(0)).await;
        }

        let settings = Settings {
            lease_ttl: TTL,
            default_timeout: TTL,
            default_retries: 0,
            address: ([127, 0, 0, 1], 0).into(),
        };
        let requests = Requests::new(Arc::clone(&swarm.core), settings, CancellationToken::new());
        let mut request = v1::ListTasksRequest {
            cut_inputs: true,
            page_size: 1_000,
            ..Default::default()
        };
        let (mut shown, mut pages) = (0, 0);
        loop {
            let page = list(&requests.0, request.clone()).await.unwrap();
            let bytes = page.encoded_len();
            assert!(bytes < MAX_PAGE_BYTES + 1_000, "a page has {bytes} bytes");
            assert!(page.tasks.iter().all(|task| task.cut_inputs[0].name == long));
            shown += page.tasks.len();
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!((shown, pages), (TASKS, 3));
    }

    fn read_list(request: v1::ListTasksRequest) -> Result<Listing, Rejection> {
        read(request, Number(0), 10)
    }

    #[test]
    fn every_fault_of_a_filter_is_named() {
        let request = v1::ListTasksRequest {
            states: vec![99],
            job_id: "../x".to_owned(),
            labels: vec!["gpu".to_owned(), "a b".to_owned(), "=".to_owned()],
            agent_id: " ".to_owned(),
            text: "x".repeat(201),
            create_time_from: Some(prost_types::Timestamp {
                seconds: -1,
                nanos: 0,
            }),
            ..Default::default()
        };
        let Err(Rejection::Invalid(faults)) = read_list(request) else {
            panic!("accepted")
        };
        let mut places: Vec<&str> = faults.named().iter().map(|fault| fault.field.as_str()).collect();
        places.sort_unstable();
        assert_eq!(
            places,
            [
                "agent_id",
                "create_time_from",
                "job_id",
                "labels[1]",
                "labels[2]",
                "states[0]",
                "text"
            ]
        );
        let many = v1::ListTasksRequest {
            labels: vec!["gpu".to_owned(); 17],
            ..Default::default()
        };
        let Err(Rejection::Invalid(faults)) = read_list(many) else {
            panic!("accepted")
        };
        assert_eq!(faults.named()[0].field, "labels");
    }

    #[test]
    fn labels_and_text_are_looked_for_in_the_spec() {
        let task = sample::running();
        let spec = spec::whole(&task.spec);
        let meets = |labels: &[&str], text: &str| {
            let request = v1::ListTasksRequest {
                labels: labels.iter().map(|term| (*term).to_owned()).collect(),
                text: text.to_owned(),
                ..Default::default()
            };
            read_list(request).unwrap().spec.is_none_or(|meets| meets(&task))
        };
        assert!(meets(&[], ""));
        assert!(meets(&["!no-such-label"], ""));
        assert!(!meets(&["no-such-label"], ""));
        assert!(meets(&[], task.id.as_str()) && !meets(&[], "no such text"));
        for (key, value) in &spec.labels {
            assert!(meets(&[&format!("{key}={value}")], &spec.name));
            assert!(!meets(&[&format!("{key}!={value}")], ""));
        }
    }
}
