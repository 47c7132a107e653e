//! Event streams: each reader is a cursor over the journal, up to the last durable event.
//!
//! Nothing is dropped and there is no seam between old and new events. The next page is read when somebody wants it: a
//! slow reader holds one page and costs nobody anything.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{self, Poll},
};

use swarm_engine::{
    event::{Event, Fact},
    id::{AgentId, JobId, Seq, TaskId},
    rejection::{Faults, Rejection},
};
use swarm_proto::{limits::MAX_FILTER_IDS, reason::Reason, refusal::Details, v1};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;

use super::{Context, Refusal, names::names_of};
use crate::{
    core::Core,
    journal::ReadError,
    program::{
        failure::chain,
        limits::{PAGE_BYTES, PAGE_EVENTS, POSITION_INTERVAL},
    },
    stored,
    wire::field::Fields,
    words::{event::event_message, names::Names},
};

/// Begins to read for a caller. Nothing is read before the stream is asked for it.
///
/// # Errors
///
/// When the position belongs to another history, is no longer kept or has not been reached, the filter is
/// faulty, or there are too many streams.
pub(crate) async fn stream(cx: &Context, request: v1::StreamEventsRequest) -> Result<Events, Refusal> {
    let turn = cx
        .core
        .stream_turn()
        .ok_or_else(|| Refusal::busy("too many event streams are open; try again in a second"))?;
    let durable = cx.core.durable();
    let last = *durable.borrow();
    let next = first_seq(cx, &request, last)?;
    let filter = Arc::new(Filter::of(&request)?);
    let limit = (request.limit > 0).then_some(request.limit);
    let through = (!request.follow).then_some(last);
    Ok(Events::of(Reader {
        core: Arc::clone(&cx.core),
        next,
        filter,
        limit,
        names: request.names,
        through,
        durable,
        shutdown: cx.shutdown.clone(),
        _turn: turn,
    }))
}

/// Events as they are asked for; the last one may be a refusal.
pub(crate) struct Events {
    page: VecDeque<Arc<Event>>,
    names: Names,
    history: Arc<str>,
    state: Reading,
}

enum Reading {
    Idle(Box<Reader>),
    Busy(Pin<Box<dyn Future<Output = (Box<Reader>, Read)> + Send>>),
    Over,
}

/// What a look at the events gave.
enum Read {
    Events(Vec<Arc<Event>>, Names),
    /// None that the caller wants, for a while: it is told how far it is.
    Position(Seq),
    End,
    Refused(Refusal),
}

impl Events {
    fn of(reader: Reader) -> Events {
        Events {
            page: VecDeque::new(),
            names: Names::default(),
            history: reader.core.history().into(),
            state: Reading::Idle(Box::new(reader)),
        }
    }
}

impl Stream for Events {
    type Item = Result<v1::Event, Refusal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.page.pop_front() {
                return Poll::Ready(Some(Ok(event_message(&event, &this.history, &this.names))));
            }
            let mut read = match mem::replace(&mut this.state, Reading::Over) {
                Reading::Over => return Poll::Ready(None),
                Reading::Busy(read) => read,
                Reading::Idle(mut reader) => Box::pin(async move {
                    let read = reader.read().await;
                    (reader, read)
                }),
            };
            let Poll::Ready((reader, read)) = read.as_mut().poll(cx) else {
                this.state = Reading::Busy(read);
                return Poll::Pending;
            };
            match read {
                Read::Events(events, names) => {
                    this.page = events.into();
                    this.names = names;
                    this.state = Reading::Idle(reader);
                }
                Read::Position(seq) => {
                    this.state = Reading::Idle(reader);
                    let as_of = Some(v1::AsOf {
                        history: this.history.to_string(),
                        seq: seq.0,
                    });
                    return Poll::Ready(Some(Ok(v1::Event {
                        seq: seq.0,
                        as_of,
                        ..v1::Event::default()
                    })));
                }
                Read::End => return Poll::Ready(None),
                Read::Refused(refusal) => return Poll::Ready(Some(Err(refusal))),
            }
        }
    }
}

fn first_seq(cx: &Context, request: &v1::StreamEventsRequest, last: Seq) -> Result<Seq, Refusal> {
    let history = cx.core.history();
    let beyond = request.from_seq.is_some_and(|from| from > last.next().0);
    if beyond || (!request.history.is_empty() && request.history != history) {
        let details = Details {
            metadata: [("history", history.to_owned()), ("last_seq", last.0.to_string())].into(),
            ..Details::default()
        };
        let why = format!(
            "the coordinator's history is {history} and its last event {}",
            last.0
        );
        return Err(Refusal::new(
            Reason::HistoryChanged,
            format!("{why}: read again from seq 0"),
            details,
        ));
    }
    let oldest = Seq(cx.core.journal().oldest_seq().max(1));
    match request.from_seq.map(Seq) {
        None => Ok(last.next()),
        Some(Seq(0)) => Ok(oldest),
        Some(from) if from < oldest => Err(trimmed(oldest)),
        Some(from) => Ok(from),
    }
}

fn trimmed(oldest: Seq) -> Refusal {
    let details = Details {
        metadata: [("oldest_seq", oldest.0.to_string())].into(),
        ..Details::default()
    };
    Refusal::new(
        Reason::EventsTrimmed,
        format!("the oldest event that is kept is {}", oldest.0),
        details,
    )
}

/// Which events a caller wants. Tasks, jobs and agents add up; kinds narrow down.
struct Filter {
    tasks: BTreeSet<TaskId>,
    jobs: BTreeSet<JobId>,
    agents: BTreeSet<AgentId>,
    kinds: BTreeSet<String>,
}

impl Filter {
    fn of(request: &v1::StreamEventsRequest) -> Result<Filter, Refusal> {
        let mut faults = Faults::default();
        let mut fields = Fields::of_request(&mut faults);
        fields.count("task_ids", request.task_ids.len(), MAX_FILTER_IDS);
        fields.count("job_ids", request.job_ids.len(), MAX_FILTER_IDS);
        fields.count("agent_ids", request.agent_ids.len(), MAX_FILTER_IDS);
        fields.count("kinds", request.kinds.len(), Fact::KINDS.len());
        for kind in request
            .kinds
            .iter()
            .filter(|kind| !Fact::KINDS.contains(&kind.as_str()))
        {
            fields.refuse(
                "kinds",
                format!(
                    "{kind:?} is no kind of event; there are {}",
                    Fact::KINDS.join(", ")
                ),
            );
        }
        if !faults.is_empty() {
            return Err(Rejection::Invalid(faults).into());
        }
        let bad = |field: &'static str| move |fault: String| Refusal::invalid(field, fault);
        let tasks = request
            .task_ids
            .iter()
            .map(|id| TaskId::parse(id))
            .collect::<Result<_, _>>();
        let jobs = request
            .job_ids
            .iter()
            .map(|id| JobId::parse(id))
            .collect::<Result<_, _>>();
        let agents = request
            .agent_ids
            .iter()
            .map(|id| AgentId::parse(id))
            .collect::<Result<_, _>>();
        Ok(Filter {
            tasks: tasks.map_err(bad("task_ids"))?,
            jobs: jobs.map_err(bad("job_ids"))?,
            agents: agents.map_err(bad("agent_ids"))?,
            kinds: request.kinds.iter().cloned().collect(),
        })
    }

    fn takes_everything(&self) -> bool {
        !self.has_subjects() && self.kinds.is_empty()
    }

    fn has_subjects(&self) -> bool {
        !(self.tasks.is_empty() && self.jobs.is_empty() && self.agents.is_empty())
    }

    /// Whether a stored event is of a kind that is not wanted, as far as can be seen without reading it.
    fn refuses_kind(&self, stored: &[u8]) -> bool {
        !self.kinds.is_empty() && stored::kind(stored).is_some_and(|kind| !self.kinds.contains(kind))
    }

    fn accepts(&self, event: &Event) -> bool {
        let fact = &event.fact;
        let subject = || {
            let touched = fact.touches();
            touched.task.is_some_and(|task| self.tasks.contains(task.id))
                || touched.job_id().is_some_and(|job| self.jobs.contains(job))
                || touched
                    .agent_id()
                    .is_some_and(|agent| self.agents.contains(agent))
        };
        (self.kinds.is_empty() || self.kinds.contains(fact.kind())) && (!self.has_subjects() || subject())
    }
}

/// One caller's cursor.
struct Reader {
    core: Arc<Core>,
    next: Seq,
    filter: Arc<Filter>,
    /// Events left to send.
    limit: Option<u64>,
    /// Whether the caller wants names in the events' sentences.
    names: bool,
    /// The last event to send; `None` to go on with new ones.
    through: Option<Seq>,
    durable: watch::Receiver<Seq>,
    shutdown: CancellationToken,
    _turn: OwnedSemaphorePermit,
}

impl Reader {
    /// The next events that the caller wants, once there are any.
    async fn read(&mut self) -> Read {
        if self.limit == Some(0) {
            return Read::End;
        }
        let mut silence = pin!(sleep(POSITION_INTERVAL));
        loop {
            let last = self.through.unwrap_or_else(|| *self.durable.borrow_and_update());
            while self.next <= last {
                if self.shutdown.is_cancelled() {
                    return Read::Refused(Refusal::stopping());
                }
                match self.page(last).await {
                    Ok(events) if events.is_empty() => {}
                    Ok(events) => {
                        let names = match self.names {
                            true => names_of(&self.core, &events).await,
                            false => Names::default(),
                        };
                        return Read::Events(events, names);
                    }
                    Err(refusal) => return Read::Refused(refusal),
                }
            }
            if self.through.is_some() {
                return Read::End;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Read::Refused(Refusal::stopping()),
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        return Read::Refused(Refusal::stopping());
                    }
                }
                () = &mut silence, if !self.filter.takes_everything() => {
                    return Read::Position(Seq(self.next.0 - 1));
                }
            }
        }
    }

    /// Those of the next events that the caller wants: the newest from memory, older ones from the journal's files.
    async fn page(&mut self, through: Seq) -> Result<Vec<Arc<Event>>, Refusal> {
        let (mut events, next) = match self.core.recent(self.next, through, PAGE_EVENTS) {
            Some(mut events) => {
                let next = events.last().map_or(self.next, |last| last.seq.next());
                events.retain(|event| self.filter.accepts(event));
                (events, next)
            }
            None => self.old_page(through).await?,
        };
        self.next = next;
        if let Some(limit) = &mut self.limit {
            events.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            *limit -= events.len() as u64;
        }
        Ok(events)
    }

    /// The same from the journal's files, and what comes behind.
    async fn old_page(&self, through: Seq) -> Result<(Vec<Arc<Event>>, Seq), Refusal> {
        let turn = self.core.event_reader_turn().await;
        let journal = self.core.journal().clone();
        let (from, filter) = (self.next, Arc::clone(&self.filter));
        let unreadable = |error: &dyn std::error::Error| {
            Refusal::data_loss(format!("cannot read the journal: {}", chain(error)))
        };
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let page = journal
                .read(from.0, through.0, PAGE_BYTES)
                .map_err(|error| match error {
                    ReadError::Trimmed { oldest, .. } => trimmed(Seq(oldest)),
                    error => unreadable(&error),
                })?;
            let next = page.last().map_or(from, |(seq, _)| Seq(seq + 1));
            let mut events = Vec::new();
            for (seq, bytes) in page {
                if filter.refuses_kind(&bytes) {
                    continue;
                }
                let event = stored::decode(Seq(seq), bytes).map_err(|error| unreadable(&error))?;
                if filter.accepts(&event) {
                    events.push(Arc::new(event));
                }
            }
            Ok((events, next))
        });
        read.await
            .unwrap_or_else(|_| Err(Refusal::internal("reading the journal ended because of a bug")))
    }
}
