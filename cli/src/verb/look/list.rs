//! `swarmctl list`: tasks, for people those first that have not ended.

use swarm_program::exit::Exit;
use swarm_proto::v1::{ListTasksRequest, TaskState};

use super::{filter::Filter, listing};
use crate::{
    call::{client::Client, clocks, names, pages::Pages, subject::Purpose},
    output::{Output, task},
    program::globals::Globals,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl list                                what runs and waits, then what ended last
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
    extent: listing::Extent,
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
    let (sorting, limit) = (&args.extent.sorting, args.extent.limit());
    request.newest_first = sorting.newest;
    let pages = match sorting.is_living_first(&output) {
        true => Pages::of_lists(&client, living_first(&request)),
        false => Pages::new(&client, request),
    };
    let names = names::for_people(&client, &output).await;
    let describe = |tasks: &[_]| task::listing(tasks, &names);
    listing::print_sorted(pages, sorting, limit, &describe, &output).await?;
    clocks::compare(&client, &output).await;
    Ok(Exit::Done)
}

/// The same list in parts: what runs, what waits, and what has ended, the newest of these first.
fn living_first(request: &ListTasksRequest) -> Vec<ListTasksRequest> {
    const PARTS: [(&[TaskState], bool); 3] = [
        (&[TaskState::Running, TaskState::Waiting], false),
        (
            &[TaskState::Queued, TaskState::Delayed, TaskState::Blocked],
            false,
        ),
        (
            &[
                TaskState::Succeeded,
                TaskState::Failed,
                TaskState::Cancelled,
                TaskState::Skipped,
            ],
            true,
        ),
    ];
    let is_wanted = |state: &i32| request.states.is_empty() || request.states.contains(state);
    let part = |(states, newest_first): &(&[TaskState], bool)| {
        let states = states.iter().map(|state| i32::from(*state));
        ListTasksRequest {
            states: states.filter(is_wanted).collect(),
            newest_first: *newest_first,
            ..request.clone()
        }
    };
    let parts = PARTS.iter().map(part);
    parts.filter(|part| !part.states.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_by_state_leaves_parts_out() {
        let failed = ListTasksRequest {
            states: vec![TaskState::Failed.into(), TaskState::Running.into()],
            queue: "slow".into(),
            ..ListTasksRequest::default()
        };
        let parts = living_first(&failed);
        let told: Vec<(Vec<i32>, bool, &str)> = parts
            .iter()
            .map(|part| (part.states.clone(), part.newest_first, part.queue.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (vec![TaskState::Running.into()], false, "slow"),
                (vec![TaskState::Failed.into()], true, "slow"),
            ]
        );
        assert_eq!(living_first(&ListTasksRequest::default()).len(), 3);
    }
}
