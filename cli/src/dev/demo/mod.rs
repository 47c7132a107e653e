//! The demo: a real job over whatever project is at hand, from fan-out to report.

mod board;
mod job;
mod picture;
mod project;

use std::collections::BTreeSet;

use anyhow::Context as _;
use swarm_proto::v1::{GetTaskRequest, StreamEventsRequest};

use self::picture::Picture;
use crate::{
    call::{client::Client, follow::Follower},
    program::terminal::{note, notes, task_stderr, task_stdout},
};

pub(crate) use job::Demo;

/// Runs the demo's job on a coordinator: events on stderr as they happen, the report on stdout. Returns whether all
/// tasks succeeded.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(crate) async fn run(demo: Demo, client: &Client) -> anyhow::Result<bool> {
    let Demo {
        request,
        report,
        project,
    } = demo;
    let job_ids: Vec<String> = request.job.iter().map(|job| job.job_id.clone()).collect();
    let follow = StreamEventsRequest {
        follow: true,
        job_ids,
        names: true,
        ..StreamEventsRequest::default()
    };
    // Opened before the submit, so that no event is missed.
    let mut events = Follower::open(client, follow)
        .await
        .map_err(client.failure("cannot read events"))?;

    let mut open: BTreeSet<String> = request.tasks.iter().map(|task| task.task_id.clone()).collect();
    let mut unsuccessful = Vec::new();
    note(format!(
        "{} tasks measure {project} in parallel, and a report waits for them all\n",
        open.len() - 1
    ));
    let mut picture = Picture::open(&request);
    client
        .call(request)
        .await
        .map_err(client.failure("cannot submit the demo"))?;

    while !open.is_empty() {
        let event = picture
            .drawn_until(events.next())
            .await
            .map_err(client.failure("cannot read events"))?;
        let event = event.context("the stream of events ended before the demo did")?;
        if event.kind.is_empty() {
            continue;
        }
        picture.see(&event, client).await;
        let is_final = matches!(
            event.kind.as_str(),
            "task_succeeded" | "task_failed" | "task_cancelled" | "task_skipped"
        );
        if is_final && open.remove(&event.task_id) && event.kind != "task_succeeded" {
            unsuccessful.push(event.task_id);
        }
    }

    picture.draw();
    if unsuccessful.is_empty() {
        notes("\nall succeeded; the report:\n");
        task_stdout(&stdout_of(client, &report).await?)?;
    } else {
        tell_unsuccessful(client, &unsuccessful).await?;
    }
    Ok(unsuccessful.is_empty())
}

async fn stdout_of(client: &Client, task_id: &str) -> anyhow::Result<Vec<u8>> {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
    };
    let response = client
        .call(request)
        .await
        .map_err(client.failure("cannot read the report"))?;
    let output = response
        .task
        .and_then(|task| task.result)
        .and_then(|result| result.output);
    Ok(output.unwrap_or_default().stdout)
}

/// Names the unsuccessful tasks, with the stderr of the first.
async fn tell_unsuccessful(client: &Client, task_ids: &[String]) -> anyhow::Result<()> {
    notes(format!("\nnot all tasks succeeded: {}", task_ids.join(", ")));
    let Some(first) = task_ids.first() else {
        return Ok(());
    };
    let request = GetTaskRequest {
        task_id: first.clone(),
    };
    let response = client
        .call(request)
        .await
        .map_err(client.failure("cannot read what happened"))?;
    let Some(task) = response.task else { return Ok(()) };
    note(format!("{first}: {}", task.reason));
    if let Some(output) = task.result.and_then(|result| result.output) {
        task_stderr(&output.stderr);
    }
    Ok(())
}
