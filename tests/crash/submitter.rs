//! Submits tasks, alone and together, with dependencies; again what was sent before; and under old ids something else.

use std::{sync::Arc, time::Duration};

use swarm_proto::v1::{Dependency, DependencyCondition, NewJob, NewTask, SubmitTasksRequest};

use super::{
    caller::Caller,
    history::Answer,
    load::{Board, task},
};
use crate::harness::{client::with, seeded::Seeded};

/// Between two requests.
const PAUSE_MS: u64 = 120;
/// A request without an answer is sent so often again, or is left as it is.
const RESENDS: usize = 4;
/// The groups of which one task runs at a time.
const GROUPS: u64 = 3;

pub(crate) async fn run(caller: Caller, mut chance: Seeded, board: Arc<Board>) {
    let mut sent: Vec<SubmitTasksRequest> = Vec::new();
    let mut number = 0;
    while !board.is_over() {
        board.until_room().await;
        let request = match chance.below(100) {
            0..=9 if !sent.is_empty() => sent[chance.index(sent.len())].clone(),
            10..=13 if !sent.is_empty() => other_under_same_id(&sent[chance.index(sent.len())], &mut chance),
            _ => {
                number += 1;
                fresh(caller.name(), number, &board, &mut chance)
            }
        };
        let answer = insist(&caller, &request, &board, &mut chance).await;
        if matches!(answer, Answer::Given(_)) {
            board.add(request.tasks.iter().map(|task| task.task_id.clone()));
        }
        if !matches!(answer, Answer::Refused(_)) {
            sent.push(request);
        }
        board.pause(Duration::from_millis(chance.below(PAUSE_MS))).await;
    }
}

/// Sends a request until it is answered, or for a while.
async fn insist(
    caller: &Caller,
    request: &SubmitTasksRequest,
    board: &Board,
    chance: &mut Seeded,
) -> Answer<swarm_proto::v1::SubmitTasksResponse> {
    let mut answer = caller.submit(request.clone()).await;
    for _ in 0..RESENDS {
        if answer != Answer::Unknown || board.is_over() || chance.percent(20) {
            break;
        }
        board.pause(Duration::from_millis(chance.below(100))).await;
        answer = caller.submit(request.clone()).await;
    }
    answer
}

fn other_under_same_id(request: &SubmitTasksRequest, chance: &mut Seeded) -> SubmitTasksRequest {
    let other = request.tasks[chance.index(request.tasks.len())].clone();
    SubmitTasksRequest {
        job: None,
        tasks: vec![with(other, |spec| spec.priority += 1)],
    }
}

fn fresh(name: &str, number: u64, board: &Board, chance: &mut Seeded) -> SubmitTasksRequest {
    let count = if chance.percent(65) {
        1
    } else {
        2 + chance.index(5)
    };
    let ids: Vec<String> = (0..count).map(|n| format!("{name}-{number}-{n}")).collect();
    let tasks = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            let task = any_task(id, board, chance);
            let mut others = Vec::new();
            if at > 0 && chance.percent(60) {
                others.push(ids[chance.index(at)].clone());
            }
            if chance.percent(15) {
                others.extend(board.some_id(chance));
            }
            others.dedup();
            let depends_on = others.into_iter().map(|other| Dependency {
                task_id: other,
                condition: if chance.percent(40) {
                    DependencyCondition::Finished.into()
                } else {
                    DependencyCondition::Succeeded.into()
                },
            });
            let depends_on: Vec<Dependency> = depends_on.collect();
            with(task, |spec| spec.depends_on = depends_on)
        })
        .collect();
    let job = chance.percent(30).then(|| NewJob {
        job_id: format!("job-{name}-{number}"),
        ..Default::default()
    });
    SubmitTasksRequest { job, tasks }
}

fn any_task(id: &str, board: &Board, chance: &mut Seeded) -> NewTask {
    let work = Duration::from_millis(chance.below(60));
    let (failing, retries) = match chance.below(100) {
        0..=9 => (1, 2),
        10..=14 => (u32::MAX, 1),
        _ => (0, 2),
    };
    let group = chance
        .percent(8)
        .then(|| format!("group-{}", chance.below(GROUPS)));
    with(task(id, &board.lines, work, failing, retries), |spec| {
        spec.exclusive_group = group.unwrap_or_default();
        spec.priority = i32::try_from(chance.below(3)).unwrap_or_default();
    })
}
