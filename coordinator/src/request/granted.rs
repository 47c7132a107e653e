//! What an agent is told of the tasks that it was granted.

use std::sync::Arc;

use swarm_engine::{
    id::{AgentId, TaskId},
    noun::task::Task,
};
use swarm_proto::v1;

use super::{
    Context, Refusal,
    nothing::{self, Nothing},
};
use crate::{
    core::{Answer, Core},
    machine::clock::Seldom,
    program::limits::{CLAIM_OUTPUT_BYTES, RECALL_STEP},
    wire::{
        assignment::{DependencyEnd, assignment},
        spec,
        time::{duration, timestamp},
    },
};

/// The granted tasks with what is to be done, and what their dependencies printed.
pub(super) async fn response(
    cx: &Context,
    agent: &AgentId,
    answer: Answer<Vec<Arc<Task>>>,
) -> Result<v1::ClaimResponse, Refusal> {
    let as_of = cx.as_of(&answer);
    let mut room = CLAIM_OUTPUT_BYTES;
    let mut assignments = Vec::with_capacity(answer.value.len());
    for task in &answer.value {
        let dependencies = dependency_ends(cx, task, room).await;
        assignments.push(assignment(task, &dependencies, &mut room));
    }
    let now = cx.core.clock().now();
    let (empty_reason, retry_after, passed) = if assignments.is_empty() {
        let Nothing {
            reason,
            retry_after,
            passed,
        } = nothing::nothing_for(cx, agent).await;
        (reason, retry_after.map(duration), passed)
    } else {
        (v1::EmptyReason::Unspecified, None, Vec::new())
    };
    Ok(v1::ClaimResponse {
        as_of,
        assignments,
        empty_reason: empty_reason.into(),
        server_time: Some(timestamp(now)),
        retry_after,
        passed,
    })
}

/// How the dependencies of a task ended, and what they printed as far as it can fit into `room` bytes.
async fn dependency_ends(cx: &Context, task: &Task, mut room: usize) -> Vec<DependencyEnd> {
    if task.dependencies.is_empty() {
        return Vec::new();
    }
    let ids: Vec<TaskId> = task.dependencies.iter().map(|each| each.task.clone()).collect();
    let mut ends = Vec::with_capacity(ids.len());
    for some in ids.chunks(RECALL_STEP) {
        let known = match cx.core.find(some).await {
            Ok(known) => known.value,
            Err(error) => {
                // The agent asks for what is left out, and hears why it is not there.
                static TOLD: Seldom = Seldom::new();
                if TOLD.is_due() {
                    tracing::error!(task_id = %task.id, %error, "cannot look up its dependencies");
                }
                ends.extend(some.iter().map(not_looked_up));
                continue;
            }
        };
        let core = Arc::clone(&cx.core);
        let known: Vec<Arc<Task>> = some.iter().filter_map(|id| known.get(id).cloned()).collect();
        let read = tokio::task::spawn_blocking(move || {
            let mut left = room;
            let each = |dependency: &Arc<Task>| {
                let end = dependency_end(&core, dependency, left);
                left -= end.output.as_ref().map_or(0, |output| output.stdout.len());
                end
            };
            (known.iter().map(each).collect::<Vec<_>>(), left)
        });
        if let Ok((read, left)) = read.await {
            ends.extend(read);
            room = left;
        }
    }
    ends
}

/// A dependency of which nothing is known but its id.
fn not_looked_up(id: &TaskId) -> DependencyEnd {
    DependencyEnd {
        task: id.clone(),
        name: String::new(),
        state: None,
        stdout_bytes: 0,
        output: None,
        left_out: true,
    }
}

/// How a dependency ended, with what it printed unless that is longer than `room` bytes.
fn dependency_end(core: &Core, dependency: &Task, room: usize) -> DependencyEnd {
    let reported = dependency.last_report();
    let fits = reported.is_none_or(|attempt| attempt.stdout_kept <= room as u64);
    let read = match reported {
        Some(attempt) if fits => core.output(dependency.number, attempt.number),
        _ => Ok(None),
    };
    if let Err(error) = &read {
        // The agent hears so when it asks for the task; it can do everything else meanwhile.
        static TOLD: Seldom = Seldom::new();
        if TOLD.is_due() {
            tracing::error!(task_id = %dependency.id, error, "cannot read what the task printed");
        }
    }
    DependencyEnd {
        task: dependency.id.clone(),
        name: spec::whole(&dependency.spec).name,
        state: Some(dependency.state()),
        stdout_bytes: reported.map_or(0, |attempt| attempt.stdout_bytes),
        left_out: !fits || read.is_err(),
        output: read.unwrap_or_default(),
    }
}
