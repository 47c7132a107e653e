//! `swarmctl job`: lists and shows jobs.

use std::time::Duration;

use clap::Subcommand;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{GetStatusRequest, GetTaskRequest, Job, ListJobsRequest, ListTasksRequest, TaskState};

use super::listing;
use crate::{
    call::{
        client::Client,
        clocks, names,
        pages::Pages,
        subject::{self, Finder},
    },
    output::{
        Output, counts, job, rate,
        sheet::{Ink, Sheet},
        task, text,
    },
    program::{globals::Globals, terminal::hint, unflagged::or_list},
};

/// The oldest tasks of a job, among which the first start is looked for.
const LOOKED_AT: usize = 100;

/// Width of the bar in characters.
const BAR_WIDTH: usize = 20;

/// At most this many of a job's tasks are shown, those that failed first.
const SHOWN_TASKS: usize = 20;

const EXAMPLES: &str = "\
Examples:
  swarmctl job list                            those that have not ended, then the newest
  swarmctl job show nightly                    how far it is, and how long it will take
  swarmctl job list -q | tail -1 | swarmctl wait -";

/// What to do with jobs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to do; without it they are listed
    #[command(subcommand)]
    verb: Option<JobVerb>,
}

#[derive(Debug, Subcommand)]
enum JobVerb {
    /// List jobs
    #[command(before_help = EXAMPLES, alias = "ls")]
    List(listing::Extent),
    /// Show one job with the states of its tasks
    #[command(before_help = EXAMPLES, visible_alias = "inspect")]
    Show {
        /// The job: its id or the beginning of it, its name, which means the newest job of that name, or last
        id: String,
    },
}

/// Lists jobs, or shows one.
///
/// # Errors
///
/// When there is no such job, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    match or_list(args.verb, JobVerb::List)? {
        JobVerb::List(extent) => {
            let (sorting, limit) = (&extent.sorting, extent.limit());
            let living_first = sorting.is_living_first(&output);
            let request = ListJobsRequest {
                newest_first: sorting.newest || living_first,
                ..ListJobsRequest::default()
            };
            let pages = Pages::new(&client, request);
            if living_first {
                listing::print_ordered(pages, unended_first, limit, &job::listing, &output).await?;
            } else {
                listing::print_sorted(pages, sorting, limit, &job::listing, &output).await?;
            }
            clocks::compare(&client, &output).await;
        }
        JobVerb::Show { id } => {
            let job = find(&client, &id).await?;
            show(&client, &job, &output).await?;
            clocks::compare(&client, &output).await;
        }
    }
    Ok(Exit::Done)
}

fn unended_first(jobs: &mut [Job]) {
    jobs.sort_by_key(|job| counts::ended(&job.counts.unwrap_or_default()) >= job.task_count.into());
}

/// Shows a job; for people with its progress, what failed, and its tasks.
///
/// # Errors
///
/// When the coordinator cannot be asked, or stdout is closed.
pub(crate) async fn show(client: &Client, job: &Job, output: &Output) -> anyhow::Result<()> {
    if !output.wants_page() {
        return output.one(job, &job.job_id, "");
    }
    let mut page = job::page(job, output.width());
    page.blank().append(progress(client, job, output.width()).await?);
    let names = names::of_agents(client).await;
    let request = ListTasksRequest {
        job_id: job.job_id.clone(),
        ..ListTasksRequest::default()
    };
    let parts = [
        &[TaskState::Failed][..],
        &[TaskState::Running, TaskState::Waiting],
        &[TaskState::Queued, TaskState::Delayed, TaskState::Blocked],
        &[TaskState::Cancelled, TaskState::Skipped, TaskState::Succeeded],
    ];
    let parts = parts.map(|states| ListTasksRequest {
        states: states.iter().map(|state| (*state).into()).collect(),
        ..request.clone()
    });
    let mut pages = Pages::of_lists(client, parts);
    let mut tasks = Vec::new();
    while tasks.len() < SHOWN_TASKS
        && let Some(more) = pages.next(SHOWN_TASKS - tasks.len()).await?
    {
        tasks.extend(more);
    }
    let table = task::listing(&tasks, &names).table.without(&["JOB"]);
    page.blank().table(&table, &table.layout(output.width()));
    output.one(job, &job.job_id, page)?;
    let more = u64::from(job.task_count).saturating_sub(tasks.len() as u64);
    if more > 0 {
        hint(format!(
            "{more} more: {}",
            client.next(&format!("list {}", job.job_id))
        ));
    }
    Ok(())
}

/// `████████░░░░░░░░░░░░ 40 of 100 ended: 38 succeeded, 2 failed; 60 queued; about 3m left`.
async fn progress(client: &Client, job: &Job, width: Option<usize>) -> anyhow::Result<Sheet> {
    let in_states = job.counts.unwrap_or_default();
    let (total, ended) = (u64::from(job.task_count), counts::ended(&in_states));
    let mut line = counts::bar(&in_states, BAR_WIDTH);
    if ended > 0
        && ended < total
        && let Some(worked) = worked_for(client, job).await?
        && let Some(left) = rate::left(worked, ended, total - ended)
    {
        line.push((Ink::Plain, format!("; {}", rate::in_words(left))));
    }
    let mut sheet = Sheet::default();
    sheet.broken(line, width);
    Ok(sheet)
}

/// How long ago the first task of a job started, by the coordinator's clock.
async fn worked_for(client: &Client, job: &Job) -> anyhow::Result<Option<Duration>> {
    let states = [TaskState::Running, TaskState::Succeeded, TaskState::Failed];
    let filter = ListTasksRequest {
        job_id: job.job_id.clone(),
        states: states.map(Into::into).to_vec(),
        ..ListTasksRequest::default()
    };
    let Some(started) = Pages::new(client, filter).next(LOOKED_AT).await? else {
        return Ok(None);
    };
    let status = client.call(GetStatusRequest {}).await;
    let status = status.map_err(client.failure("cannot ask for the status"))?;
    let moment = |time: Option<&prost_types::Timestamp>| time.and_then(text::moment);
    let first = started
        .iter()
        .filter_map(|task| moment(task.start_time.as_ref()))
        .min();
    let Some((now, first)) = moment(status.server_time.as_ref()).zip(first) else {
        return Ok(None);
    };
    Ok(Duration::try_from(now.duration_since(first)).ok())
}

async fn find(client: &Client, id: &str) -> anyhow::Result<Job> {
    let doing = format!("cannot show job {id}");
    if let Some((job, _)) = Finder::to_look(client).find_job(id, &doing).await? {
        return Ok(job);
    }
    let request = GetTaskRequest {
        task_id: id.to_owned(),
    };
    if client.call(request).await.is_ok() {
        let failure = Failure::new(Exit::NotFound, format!("{id} is a task, not a job"));
        return Err(failure.help(client.next(&format!("inspect {id}"))).into());
    }
    Err(subject::no_job(client, id).into())
}
