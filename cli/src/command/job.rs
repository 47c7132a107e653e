//! `swarmctl job`: jobs.

use clap::Subcommand;
use swarm_proto::v1::{GetTaskRequest, Job, ListJobsRequest};

use super::{describe, listing};
use crate::{
    args::{Format, Globals},
    client::Client,
    exit::Exit,
    output::{Output, json, note},
    pages::Pages,
    subject,
    trouble::Trouble,
};

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
        #[command(flatten)]
        limit: listing::Limit,
    },
    /// Show one job with the states of its tasks
    #[command(before_help = EXAMPLES)]
    Inspect {
        /// The job: its id, or its name if no other has it
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
            let pages = Pages::new(&client, ListJobsRequest::default());
            listing::print(pages, limit, describe::jobs, &output).await?;
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

async fn find(client: &Client, id: &str, globals: &Globals) -> anyhow::Result<Job> {
    let doing = format!("cannot inspect job {id}");
    if let Some((job, _)) = subject::find_job(client, id, &doing).await? {
        return Ok(job);
    }
    let request = GetTaskRequest {
        task_id: id.to_owned(),
    };
    if client.get_task(request).await.is_ok() {
        let trouble = Trouble::new(Exit::NotFound, format!("{id} is a task, not a job"));
        return Err(trouble.help(globals.next(&format!("inspect {id}"))).into());
    }
    Err(subject::no_job(client, id).into())
}
