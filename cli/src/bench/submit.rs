//! The phase that submits tasks.

use std::{ops::Range, rc::Rc, time::Duration};

use prost::Message as _;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_MESSAGE_BYTES,
    v1::{Command, NewTask, SubmitTasksRequest, TaskSpec, task_spec::Work},
};

use super::{load::Load, meter::Meter, phase::Phases, target::Target, workers::to_their_answers};
use crate::output::text;

/// Queues tasks.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(super) async fn queue(phases: &Phases, name: &'static str, load: Load, tasks: u64) -> anyhow::Result<()> {
    let target = phases.target();
    check(target, load)?;
    let meter = phases.begin(name, tasks).await?;
    let end = target.submitted.get() + tasks;
    let workers = (0..load.in_flight).map(|worker| {
        let (target, meter) = (Rc::clone(target), Rc::clone(&meter));
        async move { submit(&target, &meter, worker, load, end).await }
    });
    let submitted = to_their_answers(target, workers).await;
    phases.end().await;
    submitted
}

async fn submit(target: &Target, meter: &Meter, worker: usize, load: Load, end: u64) -> anyhow::Result<()> {
    let mut service = target.tasks(worker);
    while target.submitted.get() < end && !target.is_stopping() {
        let first = target.submitted.get();
        let numbers = first..(first + u64::from(load.batch)).min(end);
        target.submitted.set(numbers.end);
        let send = async || {
            let request = request(&target.queue, load.payload, numbers.clone());
            service.submit_tasks(request).await
        };
        target
            .call(meter, "cannot submit tasks", Duration::ZERO, send)
            .await?;
        meter.did(numbers.end - first);
    }
    Ok(())
}

fn request(queue: &str, payload: usize, numbers: Range<u64>) -> SubmitTasksRequest {
    SubmitTasksRequest {
        job: None,
        tasks: numbers.map(|number| task(queue, payload, number)).collect(),
    }
}

/// A task for a program that does nothing, should a real agent claim it.
fn task(queue: &str, payload: usize, number: u64) -> NewTask {
    const PROGRAM: &str = "true";
    let argument = "x".repeat(payload.saturating_sub(PROGRAM.len()));
    let argv = [PROGRAM.to_owned(), argument];
    NewTask {
        task_id: format!("{queue}-{number:09}"),
        spec: Some(TaskSpec {
            work: Some(Work::Command(Command {
                argv: argv.into_iter().filter(|word| !word.is_empty()).collect(),
                ..Command::default()
            })),
            queue: queue.to_owned(),
            ..TaskSpec::default()
        }),
    }
}

/// Tasks per request, so that no message is too large.
fn check(target: &Target, load: Load) -> Result<(), Failure> {
    let bytes = request(&target.queue, load.payload, 0..u64::from(load.batch)).encoded_len();
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    let message = format!(
        "{} of {} make a request of {}, at most {} are taken",
        text::counted(load.batch.into(), "task"),
        text::bytes(load.payload as u64),
        text::bytes(bytes as u64),
        text::bytes(MAX_MESSAGE_BYTES as u64)
    );
    Err(Failure::new(Exit::Usage, message).help("write a smaller --batch or --payload"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_the_size_that_was_asked_for() {
        for payload in [1, 4, 5, 300] {
            let Some(Work::Command(command)) = task("q", payload, 7).spec.unwrap().work else {
                panic!("no command");
            };
            let bytes: usize = command.argv.iter().map(String::len).sum();
            assert_eq!(bytes, payload.max(4));
            assert!(command.argv.iter().all(|word| !word.is_empty()));
        }
    }

    #[test]
    fn what_is_not_measured_goes_in_messages_that_are_taken() {
        for payload in [1, 300, 60_000] {
            let load = Load {
                batch: 1,
                in_flight: 1,
                payload,
            };
            let batch = load.bulky().batch;
            assert!(batch >= 1);
            let request = request("bench-k3v7q2mzdh", payload, 0..u64::from(batch));
            assert!(request.encoded_len() < MAX_MESSAGE_BYTES, "{payload}");
        }
    }
}
