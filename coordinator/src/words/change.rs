//! What to type so that a task runs.

use swarm_engine::{
    noun::{agent::Agent, needs::Executor, outcome::Outcome, task::Task},
    rule::fit::Fit,
};
use swarm_proto::limits::MAX_REASON_BYTES;

use super::hold::lifting_command;
use crate::wire::text::plain;

/// Labels that an agent has of its machine: they are not given, the machine is chosen.
const OF_THE_MACHINE: [&str; 2] = ["os", "arch"];

/// What would let this agent run the task, or another one in its place; empty when waiting is enough or nothing would.
pub(crate) fn change_for(task: &Task, fit: &Fit) -> String {
    match fit {
        Fit::Held(hold) => lifting_command(hold),
        Fit::Queue(queue) => start_with(task, &format!(" --queues {queue}")),
        Fit::Shard(shard, index) => {
            let count = shard.count;
            start_with(task, &format!(" --shard-count {count} --shard-id {index}"))
        }
        Fit::Label(_) | Fit::Executor(_) | Fit::Lost(_) | Fit::Leaving => start(task),
        // It would refuse again.
        Fit::Avoided(avoided) if avoided.refused => start(task),
        Fit::Avoided(_) | Fit::Fits | Fit::Busy | Fit::Slowed(_) => String::new(),
    }
}

/// How an agent is started that could run the task; empty when none could.
pub(crate) fn start(task: &Task) -> String {
    start_with(task, "")
}

/// How an agent is started that has one slot more than this busy one.
pub(crate) fn start_with_more_slots(task: &Task, busy: &Agent) -> String {
    start_with(task, &format!(" --slots {}", busy.slots.saturating_add(1)))
}

fn start_with(task: &Task, flags: &str) -> String {
    let selector = &task.needs.class.selector;
    let Some(labels) = selector.example().filter(|_| out_of_reach(task).is_none()) else {
        return String::new();
    };
    let mut command = "agent --coordinator HOST:PORT".to_owned();
    for (key, value) in &labels {
        if !is_of_the_machine(key) {
            command += &format!(" --label {key}={value}");
        }
    }
    command += flags;
    let machine: Vec<String> = selector
        .terms()
        .iter()
        .filter(|term| is_of_the_machine(term.key()))
        .map(ToString::to_string)
        .collect();
    if !machine.is_empty() {
        command += &format!("  # on a machine with {}", machine.join(", "));
    }
    command
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
    let of_all = forbidden.into_iter().find(|label| is_of_the_machine(label))?;
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
