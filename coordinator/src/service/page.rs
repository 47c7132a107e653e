//! Pages of lists: how they are asked for, and where they end.

use prost::Message;
use tonic::Status;

use super::invalid;
use crate::limits::MAX_PAGE_BYTES;

/// Items on a page unless asked otherwise.
const DEFAULT_ITEMS: usize = 100;

/// The number of the last item on the page before; 0 for the first page.
pub(super) fn after(token: &str) -> Result<u64, Status> {
    match token {
        "" => Ok(0),
        token => token
            .parse()
            .map_err(|_| invalid("page_token", "is not a next_page_token of this list")),
    }
}

/// How many items a page has at most.
pub(super) fn size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => DEFAULT_ITEMS,
        size => size.min(swarm_engine::limits::MAX_VISITED),
    }
}

/// Ends a page before it grows too large for a message. `next` asks for what comes behind all of the items,
/// `token` for what comes behind one of them.
pub(super) fn fit<M: Message>(
    mut items: Vec<M>,
    next: Option<String>,
    token: impl Fn(&M) -> String,
) -> (Vec<M>, String) {
    let mut bytes = 0;
    let fitting = items
        .iter()
        .take_while(|item| {
            bytes += item.encoded_len();
            bytes <= MAX_PAGE_BYTES
        })
        .count();
    // One item alone is far smaller than a message.
    let kept = fitting.max(1);
    let cut = kept < items.len();
    items.truncate(kept);
    let next = if cut { items.last().map(token) } else { next };
    (items, next.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::Job;

    use super::*;

    fn job(number: u64, bytes: usize) -> Job {
        Job {
            number,
            name: "x".repeat(bytes),
            ..Job::default()
        }
    }

    #[test]
    fn a_page_ends_before_it_outgrows_a_message_and_goes_on_behind_its_last_item() {
        let jobs = vec![job(1, 900_000), job(2, 900_000), job(3, 900_000)];
        let (jobs, next) = fit(jobs, None, |job| job.number.to_string());
        assert_eq!((jobs.len(), next.as_str()), (2, "2"));
        let (jobs, next) = fit(vec![job(3, 900_000)], None, |job| job.number.to_string());
        assert_eq!((jobs.len(), next.as_str()), (1, ""));
        let (_, next) = fit(vec![job(3, 1)], Some("7".to_owned()), |job| {
            job.number.to_string()
        });
        assert_eq!(next, "7");
    }
}
