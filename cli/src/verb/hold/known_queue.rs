//! Whether a queue has or had a task. Any name may be held or limited, also before its first task, and so a mistyped
//! name is no error: it is told.

use swarm_program::words::nearest::nearest;
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{ListQueuesRequest, ListTasksRequest, Queue, StateCounts},
};

use crate::{
    call::{client::Client, pages::Pages},
    program::terminal::note,
};

/// The queue of tasks that name none.
const DEFAULT: &str = "default";

/// Pages of tasks that are searched: the coordinator looks at thousands of tasks for each. Older tasks are not found.
const MAX_SEARCHED_PAGES: usize = 10;

/// Tells that no task is or was in a queue, and which other one was probably meant.
pub(super) async fn tell_unknown(client: &Client, name: &str) {
    // The change is made; a failure of this extra question is not worth a word.
    let _ = try_tell_unknown(client, name).await;
}

async fn try_tell_unknown(client: &Client, name: &str) -> anyhow::Result<()> {
    let mut others = vec![DEFAULT.to_owned()];
    let mut pages = Pages::new(client, ListQueuesRequest::default());
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        if page.iter().any(|queue| queue.name == name && has_tasks(queue)) {
            return Ok(());
        }
        let named = page.into_iter().filter(|queue| queue.name != name);
        others.extend(named.map(|queue| queue.name));
    }
    if had_tasks(client, name).await? {
        return Ok(());
    }
    note(match nearest(name, others.iter().map(String::as_str)) {
        Some(near) => format!("no task is or was in queue {name}: did you mean '{near}'?"),
        None => format!("no task is or was in queue {name}"),
    });
    Ok(())
}

/// Whether the queue is known though it is not listed: it has no task that has not ended, no limit and no hold.
///
/// # Errors
///
/// When the coordinator cannot be asked.
pub(super) async fn had_tasks(client: &Client, name: &str) -> anyhow::Result<bool> {
    if name == DEFAULT {
        return Ok(true);
    }
    let request = ListTasksRequest {
        queue: name.to_owned(),
        newest_first: true,
        ..ListTasksRequest::default()
    };
    let mut pages = Pages::new(client, request);
    for _ in 0..MAX_SEARCHED_PAGES {
        match pages.next(1).await? {
            Some(page) if page.is_empty() => {}
            found => return Ok(found.is_some()),
        }
    }
    Ok(false)
}

fn has_tasks(queue: &Queue) -> bool {
    queue
        .counts
        .is_some_and(|counts| counts != StateCounts::default())
}
