//! Lists of the coordinator, read page by page.

use std::collections::VecDeque;

use swarm_proto::{
    call::CallFailure,
    limits::MAX_PAGE_ITEMS,
    v1::{Agent, Job, ListAgentsRequest, ListJobsRequest, ListQueuesRequest, ListTasksRequest, Queue, Task},
};

use super::client::Client;

/// A request for a page of a list.
pub(crate) trait Paged: Clone {
    /// The type of the list's items.
    type Item;

    /// The items' noun in the plural, for people.
    const ITEMS: &'static str;

    /// Asks for the page that begins at the token. The result has the next page's token, empty at the end.
    async fn page(
        self,
        client: &Client,
        size: u32,
        token: String,
    ) -> Result<(Vec<Self::Item>, String), Box<CallFailure>>;
}

macro_rules! paged {
    ($($request:ident, $field:ident -> $item:ident;)*) => {
        $(impl Paged for $request {
            type Item = $item;
            const ITEMS: &'static str = stringify!($field);

            async fn page(
                self,
                client: &Client,
                size: u32,
                token: String,
            ) -> Result<(Vec<$item>, String), Box<CallFailure>> {
                let mut request = self;
                (request.page_size, request.page_token) = (size, token);
                let page = client.call(request).await?;
                Ok((page.$field, page.next_page_token))
            }
        })*
    };
}

paged! {
    ListTasksRequest, tasks -> Task;
    ListJobsRequest, jobs -> Job;
    ListAgentsRequest, agents -> Agent;
    ListQueuesRequest, queues -> Queue;
}

/// The pages of one list or several, one after another.
pub(crate) struct Pages<'client, Q: Paged> {
    client: &'client Client,
    /// The lists that are left, the present one first.
    lists: VecDeque<Q>,
    /// The next page's token in the present list.
    token: String,
    /// What the coordinator's filter cannot say.
    is_meant: Option<Predicate<Q>>,
}

type Predicate<Q> = Box<dyn Fn(&<Q as Paged>::Item) -> bool>;

impl<'client, Q: Paged> Pages<'client, Q> {
    /// The pages of the list that a request filters.
    pub(crate) fn new(client: &'client Client, request: Q) -> Pages<'client, Q> {
        Pages::of_lists(client, [request])
    }

    /// The pages of several lists, one list behind the other.
    pub(crate) fn of_lists(client: &'client Client, lists: impl IntoIterator<Item = Q>) -> Pages<'client, Q> {
        Pages {
            client,
            lists: lists.into_iter().collect(),
            token: String::new(),
            is_meant: None,
        }
    }

    /// The same pages, with only those items of which this is true.
    pub(crate) fn only(mut self, is_meant: impl Fn(&Q::Item) -> bool + 'static) -> Pages<'client, Q> {
        self.is_meant = Some(Box::new(is_meant));
        self
    }

    /// The next page with at most `at_most` items, or `None` at the end. A page may be empty.
    ///
    /// # Errors
    ///
    /// When the coordinator refuses or cannot be reached.
    pub(crate) async fn next(&mut self, at_most: usize) -> anyhow::Result<Option<Vec<Q::Item>>> {
        let Some(list) = self.lists.front() else {
            return Ok(None);
        };
        let size = at_most.clamp(1, MAX_PAGE_ITEMS) as u32;
        let page = list.clone().page(self.client, size, self.token.clone()).await;
        let doing = format!("cannot list the {}", Q::ITEMS);
        let (mut items, next) = page.map_err(self.client.failure(doing))?;
        if next.is_empty() {
            self.lists.pop_front();
        }
        self.token = next;
        if let Some(is_meant) = &self.is_meant {
            items.retain(is_meant);
        }
        Ok(Some(items))
    }
}
