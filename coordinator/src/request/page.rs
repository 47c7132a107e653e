//! Pages of lists: how they are asked for, and where they end.

use prost::Message;
use swarm_engine::{id::Number, state::direction::Direction};
use swarm_proto::limits::MAX_PAGE_ITEMS;
use xxhash_rust::xxh3::xxh3_64;

use super::Refusal;
use crate::program::limits::MAX_PAGE_BYTES;

/// Items on a page unless asked otherwise.
const DEFAULT_ITEMS: usize = 100;

/// The page tokens of one list: each is the number of the last item on the page before, and belongs to the
/// list's filter and order.
pub(crate) struct Tokens {
    list: u32,
    direction: Direction,
}

impl Tokens {
    /// Those of the list that a request asks for, its page left out.
    pub(crate) fn of(list: &impl Message, direction: Direction) -> Tokens {
        let hash = xxh3_64(&list.encode_to_vec());
        Tokens {
            // A mistake is to be noticed, no forgery.
            list: hash as u32,
            direction,
        }
    }

    /// Where the page begins: behind this number.
    pub(crate) fn read(&self, token: &str) -> Result<Number, Refusal> {
        if token.is_empty() {
            return Ok(self.direction.start());
        }
        let parts = token.split_once('-');
        let number = parts.and_then(|(number, _)| number.parse().ok()).map(Number);
        match number {
            Some(number) if self.write(number) == token => Ok(number),
            _ => Err(Refusal::invalid(
                "page_token",
                "is not a next_page_token of this list, with this filter and order",
            )),
        }
    }

    /// The token of the page behind this number.
    pub(crate) fn write(&self, number: Number) -> String {
        format!("{}-{:08x}", number.0, self.list)
    }
}

/// The direction that a list asks for.
pub(crate) fn direction(newest_first: bool) -> Direction {
    if newest_first {
        Direction::NewestFirst
    } else {
        Direction::OldestFirst
    }
}

/// How many items a page has at most.
pub(crate) fn size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => DEFAULT_ITEMS,
        size => size.min(MAX_PAGE_ITEMS),
    }
}

/// Makes items until the page would grow too large for a message. `next` asks for what comes behind all of the items,
/// `token` for what comes behind one of them.
pub(crate) fn fit<M: Message>(
    items: impl IntoIterator<Item = M>,
    next: Option<String>,
    token: impl Fn(&M) -> String,
) -> (Vec<M>, String) {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += item.encoded_len();
        // One item alone is far smaller than a message.
        if let Some(last) = kept.last().filter(|_| bytes > MAX_PAGE_BYTES) {
            let next = token(last);
            return (kept, next);
        }
        kept.push(item);
    }
    (kept, next.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{Job, ListTasksRequest};

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
        let endless = (1..).map(|number| job(number, 900_000));
        let (jobs, next) = fit(endless, None, |job| job.number.to_string());
        assert_eq!((jobs.len(), next.as_str()), (2, "2"));
        let (jobs, next) = fit(vec![job(3, 900_000)], None, |job| job.number.to_string());
        assert_eq!((jobs.len(), next.as_str()), (1, ""));
        let (_, next) = fit(vec![job(3, 1)], Some("7".to_owned()), |job| {
            job.number.to_string()
        });
        assert_eq!(next, "7");
    }

    #[test]
    fn a_token_belongs_to_its_list() {
        let of_queue = |queue: &str, direction| {
            let request = ListTasksRequest {
                queue: queue.to_owned(),
                ..ListTasksRequest::default()
            };
            Tokens::of(&request, direction)
        };
        let list = of_queue("nightly", Direction::OldestFirst);
        let token = list.write(Number(42));
        assert_eq!(list.read(&token).unwrap(), Number(42));
        assert_eq!(list.read("").unwrap(), Number(0));
        let other = of_queue("daily", Direction::NewestFirst);
        assert_eq!(other.read("").unwrap(), Number(u64::MAX));
        for wrong in [token.as_str(), "42", "-", "x-1", "42-", "042-00000000"] {
            let refusal = other.read(wrong).unwrap_err();
            assert!(refusal.message.contains("page_token"), "{wrong}: {refusal:?}");
        }
    }
}
