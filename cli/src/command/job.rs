//! `swarmctl job`: jobs.

use clap::Subcommand;
use swarm_proto::{
    reason::Reason,
    v1::{GetJobRequest, GetTaskRequest, Job, ListJobsRequest},
};

use super::describe;
use crate::{
    args::{Format, Globals},
    client::Client,
    exit::Exit,
    output::{Output, json, note},
    trouble::Trouble,
};

/// The largest page that a coordinator gives.
const PAGE_SIZE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl job list                            every job, the oldest first
  swarmctl job inspect nightly                 how far it is
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
    #[command(before_help = EXAMPLES)]
    List {
        /// At most this many; 0 is all
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Show one job with the states of its tasks
    #[command(before_help = EXAMPLES)]
    Inspect {
        /// The job
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
        JobVerb::List { limit } => {
            list(&client, if limit == 0 { usize::MAX } else { limit }, &output).await?
        }
        JobVerb::Inspect { id } => {
            let job = find(&client, &id, globals).await?;
            show(&job, &output, globals)?;
        }
    }
    Ok(Exit::Done)
}

/// Shows a job, and for people what to type to see its tasks.
pub(super) fn show(job: &Job, output: &Output, globals: &Globals) -> anyhow::Result<()> {
    output.one(&json::of("Job", job), &job.job_id, &describe::job_page(job))?;
    if output.format == Format::Table {
        note(format!(
            "its tasks: {}",
            globals.next(&format!("list --job {}", job.job_id))
        ));
    }
    Ok(())
}

async fn list(client: &Client, limit: usize, output: &Output) -> anyhow::Result<()> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut page_token = String::new();
    loop {
        // One more than asked for tells whether there are more.
        let page_size = PAGE_SIZE.min(limit.saturating_add(1) - jobs.len()) as u32;
        let request = ListJobsRequest {
            page_size,
            page_token,
        };
        let page = client
            .list_jobs(request)
            .await
            .map_err(client.trouble("cannot list the jobs"))?;
        jobs.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() || jobs.len() > limit {
            break;
        }
    }
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    output.list(&describe::jobs(&jobs))?;
    if jobs.is_empty() {
        note("no jobs");
    } else if more {
        note(format!(
            "there are more: --limit {} shows them, --limit 0 all",
            limit.saturating_mul(10)
        ));
    }
    Ok(())
}

async fn find(client: &Client, id: &str, globals: &Globals) -> anyhow::Result<Job> {
    let failure = match client
        .get_job(GetJobRequest {
            job_id: id.to_owned(),
        })
        .await
    {
        Ok(answer) => return Ok(answer.job.unwrap_or_default()),
        Err(failure) => failure,
    };
    if failure.reason() == Some(Reason::JobNotFound)
        && client
            .get_task(GetTaskRequest {
                task_id: id.to_owned(),
            })
            .await
            .is_ok()
    {
        let trouble = Trouble::new(Exit::NotFound, format!("{id} is a task, not a job"));
        return Err(trouble.help(globals.next(&format!("inspect {id}"))).into());
    }
    Err(client.trouble(format!("cannot inspect job {id}"))(failure))
}
