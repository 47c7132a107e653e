//! Changes that would let a task run, as values: each client writes them in its own words.

use swarm_engine::{
    id::{QueueName, TaskId},
    noun::{
        agent::Agent,
        hold::{Hold, HoldKind, Scope},
        needs::Executor,
        outcome::Outcome,
        task::Task,
    },
    rule::{avoid::Why, fit::Fit},
};
use swarm_proto::{
    limits::MAX_REASON_BYTES,
    v1::{self, change::What},
};

use crate::wire::text::plain;

/// Labels that an agent has of its machine: nobody gives them, the machine is chosen.
const OF_THE_MACHINE: [&str; 5] = ["os", "arch", "host", "cpus", "memory"];
/// The label that is an agent's name.
const NAME: &str = "name";

/// The change that would let this agent run the task, or another one in its place; `None` when waiting is enough or
/// nothing would.
pub(crate) fn change_for(task: &Task, fit: &Fit) -> Option<v1::Change> {
    match fit {
        Fit::Held(hold) => Some(lift(hold)),
        Fit::Queue(queue) => Some(start(v1::StartAgent {
            queues: vec![queue.to_string()],
            ..agent_for(task)?
        })),
        Fit::Shard(shard, index) => Some(start(v1::StartAgent {
            shard: Some(v1::Shard {
                count: shard.count.into(),
                index: Some((*index).into()),
            }),
            ..agent_for(task)?
        })),
        Fit::Label(_) | Fit::Rules(_) | Fit::Executor(_) | Fit::Lost(_) | Fit::Leaving => start_agent(task),
        // It would refuse again.
        Fit::Avoided(avoided) if avoided.why == Why::Refused => start_agent(task),
        Fit::Avoided(_) | Fit::Fits | Fit::Busy | Fit::Slowed(_) => None,
    }
}

/// Starts an agent that could run the task; `None` when none could.
pub(crate) fn start_agent(task: &Task) -> Option<v1::Change> {
    agent_for(task).map(start)
}

/// Says that waiting is enough, and the change only makes it sooner.
pub(crate) fn or_wait(change: v1::Change) -> v1::Change {
    v1::Change {
        or_wait: true,
        ..change
    }
}

/// Lifts a hold.
pub(crate) fn lift(hold: &Hold) -> v1::Change {
    let resume = |scope| {
        What::Resume(v1::ResumeRequest {
            scope,
            actor: String::new(),
        })
    };
    change(match (&hold.scope, hold.kind) {
        (Scope::Everything, _) => resume(None),
        (Scope::Queue(queue), _) => resume(Some(v1::resume_request::Scope::Queue(queue.to_string()))),
        (Scope::Agent(agent), HoldKind::Drain { .. }) => What::UndrainAgent(v1::UndrainAgentRequest {
            agent_id: agent.to_string(),
            actor: String::new(),
        }),
        (Scope::Agent(agent), _) => resume(Some(v1::resume_request::Scope::AgentId(agent.to_string()))),
    })
}

/// Lets one task more of a queue run.
pub(crate) fn raise_limit(queue: &QueueName, max_running: u32) -> v1::Change {
    change(What::LimitQueue(v1::LimitQueueRequest {
        queue: queue.to_string(),
        max_running: Some(max_running.saturating_add(1)),
        actor: String::new(),
    }))
}

/// Retries tasks in this order.
pub(crate) fn retry(tasks: &[TaskId]) -> v1::Change {
    let tasks = tasks.iter().map(|id| v1::RetryTask {
        task_id: id.to_string(),
        revision: None,
    });
    change(What::RetryTasks(v1::RetryTasksRequest {
        tasks: tasks.collect(),
    }))
}

/// Releases the lease of a task.
pub(crate) fn release_lease(task: &Task) -> v1::Change {
    change(What::ReleaseLease(v1::ReleaseLeaseRequest {
        task_id: task.id.to_string(),
        attempt: task.attempt_count.0,
    }))
}

/// Asks about another task.
pub(crate) fn explain_task(id: &TaskId) -> v1::Change {
    change(What::ExplainTask(v1::ExplainTaskRequest {
        task_id: id.to_string(),
    }))
}

fn change(what: What) -> v1::Change {
    v1::Change {
        what: Some(what),
        or_wait: false,
    }
}

fn start(agent: v1::StartAgent) -> v1::Change {
    change(What::StartAgent(agent))
}

/// An agent that could run the task; `None` when none could.
fn agent_for(task: &Task) -> Option<v1::StartAgent> {
    let selector = &task.needs.class.selector;
    let mut labels = selector.example().filter(|_| out_of_reach(task).is_none())?;
    labels.retain(|key, _| !is_of_the_machine(key));
    let machine = selector
        .terms()
        .iter()
        .filter(|term| is_of_the_machine(term.key()));
    Some(v1::StartAgent {
        labels,
        machine: machine.map(ToString::to_string).collect(),
        ..v1::StartAgent::default()
    })
}

/// Why no agent that could be started would run the task; `None` when one would.
pub(crate) fn out_of_reach(task: &Task) -> Option<String> {
    let class = &task.needs.class;
    if class.executor == Executor::Prompt {
        return Some("no agent of this version runs prompts".to_owned());
    }
    if class.selector.example().is_none() {
        let terms: Vec<String> = class.selector.terms().iter().map(ToString::to_string).collect();
        return Some(format!("no labels meet all of {}", terms.join(", ")));
    }
    let forbidden = class.selector.terms().iter().filter_map(|term| term.forbidden());
    let of_all = forbidden
        .into_iter()
        .find(|label| is_of_the_machine(label) || label == NAME)?;
    Some(format!("every agent has a label {of_all}"))
}

fn is_of_the_machine(key: &str) -> bool {
    OF_THE_MACHINE.contains(&key)
}

/// Why an agent refused the task last, in its words.
pub(crate) fn refusal(task: &Task, agent: &Agent) -> Option<String> {
    let by_agent = task
        .attempts
        .iter()
        .rev()
        .filter(|attempt| attempt.agent == agent.id);
    by_agent
        .filter_map(|attempt| match &attempt.outcome {
            Outcome::Released {
                reason,
                refused: true,
            } => Some(plain(reason, MAX_REASON_BYTES)),
            _ => None,
        })
        .next()
}
