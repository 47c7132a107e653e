//! Event streams: each reader is a cursor over the journal, up to the last durable event.
//!
//! Nothing is dropped and there is no seam between old and new events. A slow
//! reader stops at its own full queue and costs nobody anything.

use std::{collections::BTreeSet, sync::Arc};

use swarm_engine::{
    event::{Event, Fact},
    id::{AgentId, JobId, Seq, TaskId},
    rejection::{Faults, Rejection},
};
use swarm_proto::{limits::MAX_FILTER_IDS, reason::Reason, refusal::Details, v1};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{Context, Refusal};
use crate::{
    core::Core,
    journal::ReadError,
    program::{
        failure::chain,
        limits::{PAGE_BYTES, PAGE_EVENTS, POSITION_INTERVAL, STREAM_PATIENCE, STREAM_QUEUE},
    },
    stored,
    wire::field::Fields,
    words::event::event_message,
};

/// Starts to read for a caller.
///
/// # Errors
///
/// When the position belongs to another history, is no longer kept or has not been reached, the filter is
/// faulty, or there are too many streams.
pub(crate) async fn stream(
    cx: &Context,
    request: v1::StreamEventsRequest,
) -> Result<ReceiverStream<Result<v1::Event, Refusal>>, Refusal> {
    let turn = cx
        .core
        .stream_turn()
        .ok_or_else(|| Refusal::busy("too many event streams are open; try again in a second"))?;
    let durable = cx.core.durable();
    let last = *durable.borrow();
    let next = first_seq(cx, &request, last)?;
    let filter = Filter::of(&request)?;
    let limit = (request.limit > 0).then_some(request.limit);
    let through = (!request.follow).then_some(last);
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
    let reader = Reader {
        core: Arc::clone(&cx.core),
        next,
        filter,
        limit,
        through,
        durable,
        shutdown: cx.shutdown.clone(),
        sender,
        _turn: turn,
    };
    tokio::spawn(reader.run());
    Ok(ReceiverStream::new(receiver))
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
    filter: Filter,
    /// Events left to send.
    limit: Option<u64>,
    /// The last event to send; `None` to go on with new ones.
    through: Option<Seq>,
    durable: watch::Receiver<Seq>,
    shutdown: CancellationToken,
    sender: mpsc::Sender<Result<v1::Event, Refusal>>,
    _turn: OwnedSemaphorePermit,
}

/// The caller has gone or has everything, or there was a failure to tell it about.
struct Ended(Option<Refusal>);

impl Reader {
    async fn run(mut self) {
        let Ended(failure) = match self.read().await {
            Ok(()) => Ended(None),
            Err(ended) => ended,
        };
        if let Some(refusal) = failure {
            // Whoever takes nothing is not told why it ends.
            let _ = self.sender.try_send(Err(refusal));
        }
    }

    async fn read(&mut self) -> Result<(), Ended> {
        let mut silence = tokio::time::interval(POSITION_INTERVAL);
        // An interval begins with a tick at once.
        silence.reset();
        loop {
            let last = self.through.unwrap_or_else(|| *self.durable.borrow_and_update());
            while self.next <= last {
                if self.sender.is_closed() {
                    return Ok(());
                }
                if self.shutdown.is_cancelled() {
                    return Err(Ended(Some(Refusal::stopping())));
                }
                for event in self.page(last).await? {
                    self.next = event.seq.next();
                    if self.filter.accepts(&event) {
                        self.send(event_message(&event, self.core.history())).await?;
                        silence.reset();
                        if self.limit == Some(0) {
                            return Ok(());
                        }
                    }
                }
            }
            if self.through.is_some() {
                return Ok(());
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(Ended(Some(Refusal::stopping()))),
                () = self.sender.closed() => return Ok(()),
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        return Err(Ended(Some(Refusal::stopping())));
                    }
                }
                _ = silence.tick(), if !self.filter.takes_everything() => {
                    let seq = self.next.0 - 1;
                    let as_of = Some(v1::AsOf { history: self.core.history().to_owned(), seq });
                    self.push(v1::Event { seq, as_of, ..v1::Event::default() }).await?;
                }
            }
        }
    }

    async fn send(&mut self, event: v1::Event) -> Result<(), Ended> {
        self.push(event).await?;
        if let Some(limit) = &mut self.limit {
            *limit -= 1;
        }
        Ok(())
    }

    async fn push(&self, event: v1::Event) -> Result<(), Ended> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Ended(Some(Refusal::stopping()))),
            sent = self.sender.send_timeout(Ok(event), STREAM_PATIENCE) => sent.map_err(|_| Ended(None)),
        }
    }

    /// The next events: the newest from memory, older ones from the journal's files.
    async fn page(&self, through: Seq) -> Result<Vec<Arc<Event>>, Ended> {
        if let Some(events) = self.core.recent(self.next, through, PAGE_EVENTS) {
            return Ok(events);
        }
        let journal = self.core.journal().clone();
        let from = self.next.0;
        let read = tokio::task::spawn_blocking(move || {
            let page = journal
                .read(from, through.0, PAGE_BYTES)
                .map_err(|error| match error {
                    ReadError::Trimmed { oldest, .. } => trimmed(Seq(oldest)),
                    error => Refusal::data_loss(format!("cannot read the journal: {}", chain(&error))),
                })?;
            page.into_iter()
                .map(|(seq, bytes)| stored::decode(Seq(seq), bytes).map(Arc::new))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Refusal::data_loss(format!("cannot read the journal: {}", chain(&error))))
        });
        match read.await {
            Ok(page) => page.map_err(|refusal| Ended(Some(refusal))),
            Err(_) => Err(Ended(Some(Refusal::internal(
                "reading the journal ended because of a bug",
            )))),
        }
    }
}
