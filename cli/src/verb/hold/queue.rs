//! `swarmctl queue`: queues with their limits and holds.

use clap::Subcommand;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{LimitQueueRequest, ListQueuesRequest, Queue, StateCounts},
};

use super::{flags::Reason, known_queue, pause, resume};
use crate::{
    call::{client::Client, pages::Pages},
    output::{Output, hold::Scope, queue, text},
    program::{actor::Actor, globals::Globals, terminal::note, unflagged::or_list},
    verb::look::listing,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl queue list                          every queue with tasks, a limit or a hold
  swarmctl queue limit slow 2                  at most two run at a time; none takes it away
  swarmctl queue pause slow                    nothing of it is given to agents";

/// What to do with queues.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to do; without it they are listed
    #[command(subcommand)]
    verb: Option<QueueVerb>,
}

/// How many queues to list.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    limit: listing::Limit,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    /// List queues
    #[command(before_help = EXAMPLES, alias = "ls")]
    List(ListArgs),
    /// Show one queue
    #[command(before_help = EXAMPLES)]
    Show {
        /// The queue
        queue: String,
    },
    /// Limit how many tasks of a queue run at a time
    #[command(before_help = EXAMPLES)]
    Limit {
        /// The queue; it may have no tasks yet
        queue: String,
        /// At most this many, or none for no limit
        #[arg(value_name = "N|none", value_parser = max_running)]
        at_most: MaxRunning,
        #[command(flatten)]
        actor: Actor,
    },
    /// Give nothing more of a queue to agents
    #[command(before_help = EXAMPLES)]
    Pause {
        /// The queue
        queue: String,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        actor: Actor,
    },
    /// Give tasks of a queue to agents again
    #[command(before_help = EXAMPLES)]
    Resume {
        /// The queue
        queue: String,
        #[command(flatten)]
        actor: Actor,
    },
}

/// A queue's limit of running tasks; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MaxRunning(Option<u32>);

/// Lists, shows, limits, pauses or resumes queues.
///
/// # Errors
///
/// When there is no such queue, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    match or_list(args.verb, QueueVerb::List)? {
        QueueVerb::List(ListArgs { limit }) => {
            let pages = Pages::new(&client, ListQueuesRequest::default());
            listing::print(pages, limit, &queue::listing, &output).await?;
        }
        QueueVerb::Show { queue } => {
            let found = find(&client, &queue).await?;
            output.one(&found, &found.name, queue::page(&found))?;
        }
        QueueVerb::Limit {
            queue,
            at_most,
            actor,
        } => {
            let request = LimitQueueRequest {
                queue: queue.clone(),
                max_running: at_most.0,
                actor: actor.name(),
            };
            let answer = client.call(request).await;
            let answer = answer.map_err(client.failure(format!("cannot limit queue {queue}")))?;
            let limited = answer.queue.unwrap_or_default();
            output.one(&limited, &limited.name, queue::page(&limited))?;
            tell_excess(&limited);
            if limited.max_running.is_some() {
                known_queue::tell_unknown(&client, &limited.name).await;
            }
        }
        QueueVerb::Pause { queue, reason, actor } => {
            return pause::pause(&client, Scope::Queue(queue), reason, &actor, globals).await;
        }
        QueueVerb::Resume { queue, actor } => {
            return resume::resume(&client, Scope::Queue(queue), &actor, globals).await;
        }
    }
    Ok(Exit::Done)
}

/// Tells that a limit ends no task, when more tasks run than it allows.
fn tell_excess(queue: &Queue) {
    let running = queue.counts.map_or(0, |counts| counts.running);
    if queue.max_running.is_some_and(|most| running > most.into()) {
        let are = if running == 1 { "is" } else { "are" };
        note(format!(
            "{} of it {are} running now, and not ended for the limit",
            text::counted(running, "task")
        ));
    }
}

/// Finds a queue in the list of queues. There is no other request for it, because a queue exists as soon as it is
/// named.
async fn find(client: &Client, name: &str) -> anyhow::Result<Queue> {
    let mut pages = Pages::new(client, ListQueuesRequest::default());
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        if let Some(queue) = page.into_iter().find(|queue| queue.name == name) {
            return Ok(queue);
        }
    }
    if known_queue::had_tasks(client, name).await? {
        return Ok(Queue {
            name: name.to_owned(),
            counts: Some(StateCounts::default()),
            ..Queue::default()
        });
    }
    let sentence = format!("no task is or was in queue {name}, and it has no limit and no hold");
    let failure = Failure::new(Exit::NotFound, sentence);
    Err(failure
        .help(format!(
            "{} shows the queues there are",
            client.next("queue list")
        ))
        .into())
}

fn max_running(text: &str) -> Result<MaxRunning, String> {
    match text {
        "none" => Ok(MaxRunning(None)),
        _ => match text.parse() {
            Ok(0) => Err("0 would let nothing run: pause the queue instead".to_owned()),
            Ok(most) => Ok(MaxRunning(Some(most))),
            Err(_) => Err(format!("'{text}' is neither a number of tasks nor none")),
        },
    }
}
