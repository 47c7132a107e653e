//! Cancels, brings back, takes from their agents and looks at tasks that others have submitted.

use std::{sync::Arc, time::Duration};

use swarm_proto::v1::{
    CancelTasksRequest, GetTaskRequest, ReleaseLeaseRequest, RetryTask, RetryTasksRequest,
};

use super::{caller::Caller, load::Board};
use crate::harness::seeded::Seeded;

/// Between two requests.
const PAUSE_MS: u64 = 150;

pub(crate) async fn run(caller: Caller, mut chance: Seeded, board: Arc<Board>) {
    while !board.is_over() {
        if let Some(task_id) = board.some_id(&mut chance) {
            match chance.below(100) {
                0..=24 => {
                    let mut task_ids = vec![task_id];
                    task_ids.extend(board.some_id(&mut chance).filter(|other| *other != task_ids[0]));
                    caller.cancel(CancelTasksRequest { task_ids }).await;
                }
                25..=54 => {
                    let tasks = vec![RetryTask {
                        task_id,
                        revision: None,
                    }];
                    caller.retry(RetryTasksRequest { tasks }).await;
                }
                55..=64 => {
                    let attempt = 0;
                    caller.release(ReleaseLeaseRequest { task_id, attempt }).await;
                }
                _ => {
                    caller.get(GetTaskRequest { task_id }).await;
                }
            }
        }
        board.pause(Duration::from_millis(chance.below(PAUSE_MS))).await;
    }
}
