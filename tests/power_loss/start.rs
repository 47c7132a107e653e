//! Starts the whole program on what a power loss leaves: journal, snapshots and store.

use std::{collections::BTreeMap, fs};

use swarm_proto::v1::{ListTasksRequest, Task, TaskState};

use crate::{
    disk::{Disk, Files, Loss, write_files},
    harness::{client::Client, coordinator::Coordinator},
    recording::memory_dir,
    trace::{Operation, Trace, What},
};

/// The most that a page has.
const PAGE: u32 = 1_000;

/// Starts it after this many operations, spread over the trace, and looks for what was acknowledged by then. Gives
/// how many starts there were.
pub(crate) fn start_at_some_points(trace: &Trace, starts: usize) -> usize {
    let length = trace.operations().count();
    let mut disk = Disk::default();
    let mut acknowledged = BTreeMap::new();
    let mut done = 0;
    for (index, operation) in trace.operations().enumerate() {
        disk.apply(operation);
        if let Operation::Acknowledge(told) = operation {
            acknowledged.insert(told.task.clone(), told.what);
        }
        if index + 1 < length * (done + 1) / starts {
            continue;
        }
        let loss = [Loss::Dropped, Loss::Torn(index as u64), Loss::Kept][done % 3];
        start(&disk.after(loss, ""), &acknowledged);
        done += 1;
    }
    done
}

fn start(files: &Files, acknowledged: &BTreeMap<String, What>) {
    let dir = memory_dir();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    write_files(&data, files);
    let mut coordinator = Coordinator::serving(dir.path(), &[]);
    let tasks = all_tasks(&coordinator.client());
    for (id, what) in acknowledged {
        let Some(task) = tasks.get(id) else {
            panic!("{what:?} {id} was acknowledged, and there is no such task");
        };
        let holds = match what {
            What::Submitted => true,
            What::Granted => task.attempt_count > 0,
            What::Completed => task.state() == TaskState::Succeeded,
        };
        assert!(holds, "{what:?} was acknowledged of {task:?}");
    }
    coordinator.kill();
}

fn all_tasks(client: &Client) -> BTreeMap<String, Task> {
    let mut tasks = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let request = ListTasksRequest {
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = client.call(client.task_service().list_tasks(request)).unwrap();
        let page = page.into_inner();
        tasks.extend(page.tasks.into_iter().map(|task| (task.task_id.clone(), task)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return tasks;
        }
    }
}
