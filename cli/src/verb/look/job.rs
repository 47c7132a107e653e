//! `swarmctl job`: lists and shows jobs.

use std::time::Duration;

use clap::Subcommand;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{GetStatusRequest, GetTaskRequest, Job, ListJobsRequest, ListTasksRequest, TaskState};

use super::listing;
use crate::{
    call::{
        client::Client,
        pages::Pages,
        subject::{self, Finder},
    },
    output::{Output, counts, job, rate, text},
    program::{globals::Globals, terminal::note},
};

/// The oldest tasks of a job, among which the first start is looked for.
const LOOKED_AT: usize = 100;

/// Width of the bar in characters.
const BAR_WIDTH: u64 = 20;

const EXAMPLES: &str = "\
Examples:
  swarmctl job list --newest                   every job, the newest first
  swarmctl job show nightly                    how far it is, and how long it will take
  swarmctl job list -q | tail -1 | swarmctl wait -";

/// What to do with jobs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: JobVerb,
}

#[derive(Debug, Subcommand)]
enum JobVerb {
    /// List jobs
    #[command(before_help = EXAMPLES, alias = "ls")]
    List {
        #[command(flatten)]
        sorting: listing::Sorting,
        #[command(flatten)]
        limit: listing::Limit,
        /// All of them: the same as --limit 0
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
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
    match args.verb {
        JobVerb::List { sorting, limit, all } => {
            let request = ListJobsRequest {
                newest_first: sorting.newest,
                ..ListJobsRequest::default()
            };
            let pages = Pages::new(&client, request);
            listing::print_sorted(pages, &sorting, limit.or_all(all), job::listing, &output).await?;
        }
        JobVerb::Show { id } => {
            let job = find(&client, &id).await?;
            show(&client, &job, &output).await?;
        }
    }
    Ok(Exit::Done)
}

/// Shows a job; for people with its progress, and the command that lists its tasks.
///
/// # Errors
///
/// When the coordinator cannot be asked, or stdout is closed.
pub(crate) async fn show(client: &Client, job: &Job, output: &Output) -> anyhow::Result<()> {
    let page = if output.wants_page() {
        let mut page = job::page(job);
        page.push_str(&progress(client, job, output).await?);
        page
    } else {
        String::new()
    };
    output.one(job, &job.job_id, &page)?;
    if output.wants_page() {
        note(format!(
            "its tasks: {}",
            client.next(&format!("list {}", job.job_id))
        ));
    }
    Ok(())
}

/// `████████░░░░░░░░░░░░ 40 of 100 ended; about 3m left`; empty before the first end and after the last.
async fn progress(client: &Client, job: &Job, output: &Output) -> anyhow::Result<String> {
    let (total, ended) = (
        u64::from(job.task_count),
        counts::ended(&job.counts.unwrap_or_default()),
    );
    if ended == 0 || ended >= total {
        return Ok(String::new());
    }
    let mut line = String::new();
    if output.width().is_some() {
        let full = ended * BAR_WIDTH / total;
        let bar = (0..BAR_WIDTH).map(|place| if place < full { '█' } else { '░' });
        line.extend(bar);
        line.push(' ');
    }
    line.push_str(&format!("{ended} of {total} ended"));
    if let Some(worked) = worked_for(client, job).await?
        && let Some(left) = rate::left(worked, ended, total - ended)
    {
        line.push_str(&format!("; {}", rate::in_words(left)));
    }
    Ok(format!("\n{line}\n"))
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
