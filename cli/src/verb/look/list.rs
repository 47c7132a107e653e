//! `swarmctl list`: tasks in the order of submission.

use swarm_program::exit::Exit;

use super::{filter::Filter, listing};
use crate::{
    call::{client::Client, pages::Pages, subject::Purpose},
    output::{Output, task},
    program::globals::Globals,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl list --newest                       the hundred newest tasks
  swarmctl list --state failed --since 1h      what went wrong lately
  swarmctl list nightly -o jsonl               one job's tasks, for a script
  swarmctl list --fields id,state,spec.labels  other columns";

/// Which tasks to list.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only tasks of this job: its id, or its name, which means the newest job of that name
    #[arg(value_name = "JOB", conflicts_with = "job")]
    of: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    sorting: listing::Sorting,
    #[command(flatten)]
    limit: listing::Limit,
    /// All of them: the same as --limit 0
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// Lists tasks.
///
/// # Errors
///
/// When there is no such job or agent, the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let mut filter = args.filter;
    filter.job = filter.job.or(args.of);
    let mut request = filter.request(&client, Purpose::Look).await?;
    request.newest_first = args.sorting.newest;
    let limit = args.limit.or_all(args.all);
    let pages = Pages::new(&client, request);
    listing::print_sorted(pages, &args.sorting, limit, task::listing, &output).await?;
    Ok(Exit::Done)
}
