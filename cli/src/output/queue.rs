//! Queues in columns, and a queue on a page.

use swarm_proto::v1::Queue;

use super::{Listing, counts, hold, page::Page, state, table::Table};

/// Queues as a list.
pub fn listing(queues: &[Queue]) -> Listing {
    let mut table = Table::new([
        "QUEUE", "HOLD", "QUEUED", "RUNNING", "LIMIT", "WAITING", "DETAILS",
    ])
    .free_text(&["QUEUE", "DETAILS"])
    .numbers(&["QUEUED", "RUNNING", "LIMIT", "WAITING"])
    .usual("LIMIT", &["none"])
    .usual("WAITING", &["0"])
    .dispensable(&["WAITING", "DETAILS"])
    .paths(&[
        ("QUEUE", "name"),
        ("QUEUED", "counts.queued"),
        ("RUNNING", "counts.running"),
        ("LIMIT", "max_running"),
    ]);
    for queue in queues {
        let counts = queue.counts.unwrap_or_default();
        table.row([
            queue.name.clone(),
            queue
                .hold
                .as_ref()
                .map(|hold| state::hold(hold.kind()).to_owned())
                .unwrap_or_default(),
            counts.queued.to_string(),
            counts.running.to_string(),
            limit(queue),
            (counts.blocked + counts.delayed + counts.waiting).to_string(),
            hold::beside(queue.hold.as_ref()),
        ]);
    }
    Listing::of_messages("queues", queues, |queue| &queue.name, table)
}

/// Everything about a queue that fits a page.
pub fn page(queue: &Queue) -> String {
    let in_states = queue.counts.unwrap_or_default();
    let mut page = Page::default();
    page.add("queue", &queue.name).add("limit", limit(queue));
    if let Some(held) = &queue.hold {
        page.add(
            "hold",
            format!("{} {}", state::hold(held.kind()), hold::beside(Some(held))),
        );
    }
    for (state, count) in counts::present(&in_states) {
        page.add(state::word(state), count.to_string());
    }
    page.to_string()
}

fn limit(queue: &Queue) -> String {
    queue
        .max_running
        .map_or_else(|| "none".to_owned(), |most| most.to_string())
}
