//! Waits until tasks and jobs have ended: asks once, then follows events, and asks again to be sure.

use std::time::Duration;

use swarm_proto::{
    call::CallFailure,
    limits::MAX_FILTER_IDS,
    reason::Reason,
    v1::{
        Event, GetJobRequest, GetTaskRequest, Job, StateCounts, StreamEventsRequest, SubmitTasksResponse,
        Task, TaskState,
    },
};

use super::{
    client::Client,
    follow::Follower,
    subject::{self, Finder, Subject},
};
use crate::output::{counts, event, inputs, progress::Progress, state, task};

/// The kinds of events that end a task, or bring an ended task back.
const ENDINGS: &[&str] = &[
    "task_succeeded",
    "task_failed",
    "task_cancelled",
    "task_skipped",
    "task_retried",
];

/// The pause before a refused stream is opened again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// At most this many tasks and jobs are asked for on each refresh.
const MAX_REFRESHED: usize = 20;

/// A task or job to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Its id.
    pub id: String,
    /// Whether the id is a job's.
    pub is_job: bool,
    /// The number of tasks: 1, or the job's.
    pub total: u64,
    /// Ended tasks.
    pub ended: u64,
    /// Tasks that ended without success.
    pub unsuccessful: u64,
    /// What is to be told of a task's cut inputs.
    pub cut_inputs: Option<String>,
    /// What is to be told of files that went with a task's directory.
    pub removed_files: Option<String>,
    /// The journal position of the counts; `None` before the first answer.
    seq: Option<u64>,
    /// Whether an answer or event has shown all of them ended.
    done: bool,
    /// The states of the tasks at the last answer.
    counts: StateCounts,
}

impl Awaited {
    /// A task that is known to exist.
    pub fn task(id: impl Into<String>) -> Awaited {
        Awaited {
            id: id.into(),
            is_job: false,
            total: 1,
            ended: 0,
            unsuccessful: 0,
            cut_inputs: None,
            removed_files: None,
            seq: None,
            done: false,
            counts: StateCounts::default(),
        }
    }

    /// A job that is known to exist.
    pub fn job(id: impl Into<String>) -> Awaited {
        Awaited {
            is_job: true,
            ..Awaited::task(id)
        }
    }

    /// The same as it was just submitted: what happens from the submit on is heard, however soon it ends.
    #[must_use]
    pub fn submitted(mut self, answer: &SubmitTasksResponse) -> Awaited {
        // What was there before may have ended long ago: its state has to be asked for.
        if answer.tasks.iter().any(|task| task.existed) {
            return self;
        }
        self.total = answer.tasks.len() as u64;
        self.counts.queued = self.total;
        // The events of the submit itself come before its answer: one for the job and one for each task.
        let own = self.total + 1;
        self.seq = answer.as_of.as_ref().map(|as_of| as_of.seq.saturating_sub(own));
        self
    }

    /// The task or job that an id, a name or `last` means.
    ///
    /// # Errors
    ///
    /// When the text means nothing, or the coordinator cannot be asked.
    pub async fn find(client: &Client, id: &str) -> anyhow::Result<Awaited> {
        let doing = format!("cannot wait for {id}");
        match Finder::to_wait(client).find(id, &doing).await? {
            Some((Subject::Task(task), seq)) => {
                let mut awaited = Awaited::task(&task.task_id);
                awaited.see_task(&task, seq);
                Ok(awaited)
            }
            Some((Subject::Job(job), seq)) => {
                let mut awaited = Awaited::job(&job.job_id);
                awaited.see_job(&job, seq);
                Ok(awaited)
            }
            Some((Subject::Agent(_), _)) | None => Err(subject::nothing_named(client, id).into()),
        }
    }

    async fn refresh(&mut self, client: &Client) -> Result<(), Box<CallFailure>> {
        if self.is_job {
            let answer = client
                .call(GetJobRequest {
                    job_id: self.id.clone(),
                })
                .await?;
            self.see_job(
                &answer.job.unwrap_or_default(),
                answer.as_of.map_or(0, |as_of| as_of.seq),
            );
        } else {
            let answer = client
                .call(GetTaskRequest {
                    task_id: self.id.clone(),
                })
                .await?;
            self.see_task(
                &answer.task.unwrap_or_default(),
                answer.as_of.map_or(0, |as_of| as_of.seq),
            );
        }
        Ok(())
    }

    fn see_task(&mut self, task: &Task, seq: u64) {
        let state = task.state();
        self.seq = Some(seq);
        self.ended = state::is_final(state).into();
        self.unsuccessful = (state::is_final(state) && state != TaskState::Succeeded).into();
        self.done = state::is_final(state);
        self.counts = counts::of(state);
        self.cut_inputs = inputs::line(task);
        self.removed_files = task::removed_line(task);
    }

    fn see_job(&mut self, job: &Job, seq: u64) {
        let counts = job.counts.unwrap_or_default();
        self.seq = Some(seq);
        self.total = job.task_count.into();
        self.unsuccessful = counts.failed + counts.cancelled + counts.skipped;
        self.ended = counts.succeeded + self.unsuccessful;
        self.done = self.ended >= self.total;
        self.counts = counts;
    }

    fn is_about(&self, event: &Event) -> bool {
        if self.is_job {
            event.job_id == self.id
        } else {
            event.task_id == self.id
        }
    }

    /// Counts an event, so that a job is not asked for after each of its tasks.
    fn count(&mut self, kind: &str) {
        match kind {
            "task_succeeded" => self.ended += 1,
            "task_failed" | "task_cancelled" | "task_skipped" => {
                self.ended += 1;
                self.unsuccessful += 1;
            }
            "task_retried" => {
                self.ended = self.ended.saturating_sub(1);
                self.unsuccessful = self.unsuccessful.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// Waits until each has ended; with `show_events`, events go to stderr meanwhile.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub async fn until_ended(client: &Client, awaited: &mut [Awaited], show_events: bool) -> anyhow::Result<()> {
    until_ended_showing(client, awaited, show_events, Progress::new()).await
}

/// As `until_ended`, with a progress that may show details.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub async fn until_ended_showing(
    client: &Client,
    awaited: &mut [Awaited],
    show_events: bool,
    mut progress: Progress,
) -> anyhow::Result<()> {
    let result = wait(client, awaited, show_events, &mut progress).await;
    progress.finish();
    result.map_err(client.failure("cannot wait"))
}

async fn wait(
    client: &Client,
    awaited: &mut [Awaited],
    show_events: bool,
    progress: &mut Progress,
) -> Result<(), Box<CallFailure>> {
    loop {
        for one in awaited.iter_mut().filter(|one| one.seq.is_none()) {
            one.refresh(client).await?;
        }
        show(awaited, progress);
        if awaited.iter().all(|one| one.done) {
            return Ok(());
        }
        match listen(client, awaited, show_events, progress).await {
            Ok(()) => return Ok(()),
            // The journal was restored or trimmed past our position; the tasks may still be there.
            Err(failure)
                if matches!(
                    failure.reason(),
                    Some(Reason::EventsTrimmed | Reason::HistoryChanged)
                ) =>
            {
                tokio::time::sleep(REFUSED_PAUSE).await;
                awaited
                    .iter_mut()
                    .filter(|one| !one.done)
                    .for_each(|one| one.seq = None);
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn listen(
    client: &Client,
    awaited: &mut [Awaited],
    show_events: bool,
    progress: &mut Progress,
) -> Result<(), Box<CallFailure>> {
    let mut follower = Follower::open(client, request(awaited, show_events)).await?;
    let mut tick = tokio::time::interval(progress.interval());
    loop {
        // One future across all ticks, so that a tick does not abandon a stream that is being opened.
        let next = follower.next();
        tokio::pin!(next);
        let event = loop {
            tokio::select! {
                event = &mut next => break event?,
                _ = tick.tick() => {
                    if progress.is_detailed() {
                        refresh_unended(client, awaited).await?;
                        show(awaited, progress);
                    }
                    progress.tick();
                }
            }
        };
        let Some(event) = event else { return Ok(()) };
        // A quiet stream sends a bare position every 30 s: a good time to check the counts.
        let quiet = event.kind.is_empty();
        let mut shown = quiet || !show_events;
        for one in awaited.iter_mut().filter(|one| !one.done) {
            if !quiet && (!one.is_about(&event) || one.seq.is_some_and(|seq| event.seq <= seq)) {
                continue;
            }
            if !std::mem::replace(&mut shown, true) {
                progress.note(event::text(&event));
            }
            one.count(&event.kind);
            if quiet || one.ended >= one.total {
                one.refresh(client).await?;
            }
        }
        if progress.is_detailed() && progress.would_tell(sum(awaited, |one| one.ended)) {
            refresh_unended(client, awaited).await?;
        }
        show(awaited, progress);
        if awaited.iter().all(|one| one.done) {
            return Ok(());
        }
    }
}

/// A request for the events that may end the wait, from the oldest answer on.
fn request(awaited: &[Awaited], show_events: bool) -> StreamEventsRequest {
    let open = || awaited.iter().filter(|one| !one.done);
    let mut request = StreamEventsRequest {
        from_seq: open().filter_map(|one| one.seq).min().map(|seq| seq + 1),
        follow: true,
        names: show_events,
        ..StreamEventsRequest::default()
    };
    if !show_events {
        request.kinds = ENDINGS.iter().map(|kind| (*kind).to_owned()).collect();
    }
    // Filters add up: an event of any of these tasks or jobs is sent.
    let ids = |is_job| -> Vec<String> {
        let named = open().filter(|one| one.is_job == is_job);
        named.map(|one| one.id.clone()).collect()
    };
    let (task_ids, job_ids) = (ids(false), ids(true));
    if task_ids.len() <= MAX_FILTER_IDS && job_ids.len() <= MAX_FILTER_IDS {
        (request.task_ids, request.job_ids) = (task_ids, job_ids);
    }
    request
}

/// Asks for the states of unended tasks: the stream has only their ends.
async fn refresh_unended(client: &Client, awaited: &mut [Awaited]) -> Result<(), Box<CallFailure>> {
    let open = awaited.iter_mut().filter(|one| !one.done);
    for one in open.take(MAX_REFRESHED) {
        one.refresh(client).await?;
    }
    Ok(())
}

fn show(awaited: &[Awaited], progress: &mut Progress) {
    progress.set_unended(counts::unended(awaited.iter().map(|one| &one.counts)));
    progress.set(
        sum(awaited, |one| one.total),
        sum(awaited, |one| one.ended),
        sum(awaited, |one| one.unsuccessful),
    );
}

fn sum(awaited: &[Awaited], count: fn(&Awaited) -> u64) -> u64 {
    awaited.iter().map(count).sum()
}
