//! Why a task is not running, in words, and the change that would let it run.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    id::{AgentId, TaskId},
    limits::MAX_BEFORE,
    noun::{
        agent::Agent,
        hold::{HoldKind, Scope},
        needs::Executor,
        outcome::Outcome,
        rules::{Program, Rules},
        selector::Term,
        task::{Condition, End, Task, TaskState},
    },
    rule::{
        avoid::{Avoided, Why},
        explain::{Cause, Explanation, Obstacle, Silence},
        fit::{Fit, Liveness},
        unmatched::Unmatched,
    },
    time::Timestamp,
};
use swarm_proto::v1;

use super::change::{
    change_for, explain_task, lift, or_wait, out_of_reach, raise_limit, refusal, release_lease, retry,
    start_agent,
};
use super::{
    hold::{describe_hold, done_by},
    silence,
    unfit::{as_a_list, unmatched_in_words},
};
use crate::wire::{
    state::state_message,
    task::explain_cancelled,
    text::quoted,
    time::{describe, timestamp},
};

/// The longest time that the pace of the last minute says something about.
const LONGEST_GUESS: Duration = Duration::from_secs(24 * 3600);

/// An obstacle, or an agent's fit: a sentence, the change that would help, and when it goes away by itself.
struct Told {
    kind: &'static str,
    message: String,
    change: Option<v1::Change>,
    until: Option<Timestamp>,
}

impl Told {
    fn new(kind: &'static str, message: impl Into<String>) -> Told {
        Told {
            kind,
            message: message.into(),
            change: None,
            until: None,
        }
    }

    fn change(mut self, change: impl Into<Option<v1::Change>>) -> Told {
        self.change = change.into();
        self
    }

    fn until(mut self, until: Timestamp) -> Told {
        self.until = Some(until);
        self
    }

    /// Adds that a copy of the agent was refused: its machine does nothing, and people ask why.
    fn copied(mut self, agent: &Agent, liveness: Liveness) -> Told {
        if let Some(twin) = &agent.twin
            && twin.is_recent(liveness.now)
        {
            let place = match &*twin.host {
                "" => String::new(),
                host => format!(" on {host}"),
            };
            self.message +=
                &format!("; a copy of it{place} was refused, and needs a state directory of its own");
        }
        self
    }

    /// Adds how many tasks come before the explained one, and about how long they take.
    fn before(mut self, count: usize, pace: f64) -> Told {
        let tasks = match count {
            0 => return self,
            1 => "1 task comes".to_owned(),
            MAX_BEFORE => format!("at least {MAX_BEFORE} tasks come"),
            _ => format!("{count} tasks come"),
        };
        self.message += &format!("; {tasks} before it");
        let seconds = count as f64 / pace;
        if pace > 0.0 && seconds < LONGEST_GUESS.as_secs_f64() {
            let seconds = Duration::from_secs(seconds.ceil() as u64);
            self.message += &format!(", about {}", describe(seconds));
        }
        self
    }

    /// Adds that the agent of a running task is silent, and what helps if its machine is gone.
    fn silent(mut self, task: &Task, silence: Option<Silence>) -> Told {
        let Some(silence) = silence else { return self };
        self.message += &format!(
            "; {}: if its machine is gone, release the lease",
            silence::in_words(silence)
        );
        self.change(release_lease(task))
    }
}

/// The whole explanation.
///
/// `pace` is how many attempts end in a second.
pub(crate) fn explanation_message(
    explanation: &Explanation,
    liveness: Liveness,
    pace: f64,
) -> v1::Explanation {
    let task = &explanation.task;
    let told: Vec<(&Obstacle, Told)> = explanation
        .obstacles
        .iter()
        .map(|obstacle| (obstacle, obstacle_in_words(obstacle, explanation, liveness)))
        .map(|(obstacle, told)| (obstacle, told.before(explanation.before, pace)))
        .collect();
    let summary = told.first().map_or_else(
        || format!("it is {}", task.state()),
        |(_, told)| told.message.clone(),
    );
    let change = told.iter().find_map(|(_, told)| told.change.clone());
    v1::Explanation {
        task_id: task.id.to_string(),
        state: state_message(task.state()).into(),
        summary,
        change,
        obstacles: told
            .into_iter()
            .map(|(obstacle, told)| v1::Obstacle {
                kind: told.kind.to_owned(),
                message: told.message,
                task_id: match &obstacle.cause {
                    Cause::Dependency { task, .. } | Cause::Group { task, .. } => task.to_string(),
                    Cause::Ended {
                        because: Some(task), ..
                    } => task.to_string(),
                    _ => String::new(),
                },
                until: told.until.map(timestamp),
                change: told.change,
                depth: obstacle.depth,
            })
            .collect(),
        agents: explanation
            .agents
            .iter()
            .map(|(agent, fit)| agent_fit(explanation, agent, fit, liveness))
            .collect(),
        agent_count: explanation.agent_count as u64,
        tasks_before: explanation.before as u64,
    }
}

fn obstacle_in_words(obstacle: &Obstacle, explanation: &Explanation, liveness: Liveness) -> Told {
    let task = &obstacle.keeps;
    let is_other = obstacle.depth > 0;
    let called = |id: &AgentId| match explanation.names.get(id) {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => id.to_string(),
    };
    match &obstacle.cause {
        Cause::Dependency {
            task: other,
            condition,
            state,
        } => dependency(other.as_str(), *condition, *state),
        Cause::MoreDependencies(more) => {
            Told::new("dependency", format!("it waits for {more} further tasks"))
        }
        Cause::Time(until) => {
            let wait = describe(*until - liveness.now);
            Told::new("time", format!("it is not started before its time, in {wait}")).until(*until)
        }
        Cause::Backoff { until, after } => {
            let wait = describe(*until - liveness.now);
            let number = after.number.0;
            let what = match &after.outcome {
                Outcome::Failed(failure) => format!("failed ({})", failure.reason),
                Outcome::Lost(_) => format!("was lost with agent {}", called(&after.agent)),
                _ => "ended".to_owned(),
            };
            Told::new(
                "backoff",
                format!("attempt {number} {what}; it is tried again in {wait}"),
            )
            .until(*until)
        }
        Cause::Held(hold) => {
            let kind = match (&hold.scope, hold.kind) {
                (Scope::Queue(_), _) => "queue_paused",
                (_, HoldKind::Stop) => "stopped",
                _ => "paused",
            };
            Told::new(kind, describe_hold(hold)).change(lift(hold))
        }
        Cause::QueueLimit { queue, max_running } => Told::new(
            "queue_limit",
            match max_running {
                1 => format!("1 task of queue {queue} runs, and no more may run at a time"),
                _ => format!("{max_running} tasks of queue {queue} run, and no more may run at a time"),
            },
        )
        .change(raise_limit(queue, *max_running)),
        Cause::Group { group, task: holder } => Told::new(
            "exclusive_group",
            format!("task {holder} of the exclusive group {group} runs, and only one may run at a time"),
        ),
        Cause::Unmatched { why, nearest } => unmatched(task, why, nearest.as_ref()),
        Cause::Turn { unwilling } if is_other => turn(task, unwilling.as_ref()),
        Cause::Turn { .. } => turn(task, explanation.agents.first()),
        Cause::Running { silence } => {
            let agent = task.lease().map(|lease| called(&lease.agent));
            let (attempt, agent) = (task.attempt_count.0, agent.unwrap_or_default());
            Told::new("running", format!("attempt {attempt} runs on agent {agent}")).silent(task, *silence)
        }
        Cause::Cancelling { silence } => Told::new(
            "cancelling",
            "somebody cancelled it; it runs until its agent has ended it",
        )
        .silent(task, *silence),
        Cause::Ended { because, retry } => ended(task, because.as_ref(), retry),
    }
}

fn dependency(id: &str, condition: Condition, state: Option<TaskState>) -> Told {
    let end = match condition {
        Condition::Succeeded => "has to succeed first",
        Condition::Finished => "has to end first",
    };
    match state {
        None => Told::new("dependency", format!("task {id} {end}, and is no longer kept")),
        Some(state) => Told::new("dependency", format!("task {id} {end}; it is {state}")),
    }
}

fn ended(task: &Task, because: Option<&TaskId>, to_retry: &[TaskId]) -> Told {
    let message = match (task.end(), because) {
        (_, Some(dependency)) => format!("it was skipped because task {dependency} did not succeed"),
        (Some(End::Failed { reason }), _) => format!("it failed: {reason}"),
        (Some(End::Cancelled), _) => match task.cancelled_work().map(explain_cancelled) {
            None => "somebody cancelled it".to_owned(),
            Some(work) => format!("somebody cancelled it: {work}"),
        },
        _ => "it has succeeded".to_owned(),
    };
    let change = match (to_retry, because) {
        ([], None) => None,
        // The tasks to retry are very far away.
        ([], Some(dependency)) => Some(explain_task(dependency)),
        (ids, _) => Some(retry(ids)),
    };
    Told::new("ended", message).change(change)
}

/// It can be claimed: who could, and what they do instead.
fn turn(task: &Task, nearest: Option<&(Arc<Agent>, Fit)>) -> Told {
    let Some((agent, fit)) = nearest else {
        return Told::new("turn", "it waits for its turn");
    };
    let name = name_of(agent);
    match fit {
        Fit::Busy => {
            let slots = match agent.slots {
                1 => "1 slot".to_owned(),
                slots => format!("{slots} slots"),
            };
            Told::new(
                "turn",
                format!("every agent that could run it is busy; agent {name} has {slots}"),
            )
            .change(start_agent(task).map(or_wait))
        }
        Fit::Avoided(avoided) => {
            let message = format!("agent {name} {}", avoided_in_words(task, agent, *avoided));
            Told::new("turn", message)
                .until(avoided.until)
                .change(change_for(task, fit))
        }
        Fit::Slowed(until) => Told::new(
            "turn",
            format!("agent {name} is given nothing for a while: its machine failed what it was given last"),
        )
        .until(*until),
        _ => Told::new("turn", format!("agent {name} is given it with its next claim")),
    }
}

/// No live agent can run it: why, and the change that would let the nearest agent, or another one, run it.
fn unmatched(task: &Task, why: &Unmatched, nearest: Option<&(Arc<Agent>, Fit)>) -> Told {
    let kind = if why.agents == 0 { "no_agent" } else { "no_match" };
    let change = nearest.map_or_else(|| start_agent(task), |(_, fit)| change_for(task, fit));
    let mut message = unmatched_in_words(why);
    if let Some(reason) = out_of_reach(task).filter(|_| change.is_none()) {
        message += &format!("; {reason}");
    }
    Told::new(kind, message).change(change)
}

/// How people call an agent.
fn name_of(agent: &Agent) -> &str {
    match &*agent.name {
        "" => agent.id.as_str(),
        name => name,
    }
}

fn agent_fit(explanation: &Explanation, agent: &Agent, fit: &Fit, liveness: Liveness) -> v1::AgentFit {
    let task = &explanation.task;
    let only_waits_its_turn = explanation
        .obstacles
        .iter()
        .all(|each| matches!(each.cause, Cause::Turn { .. }));
    let told = match fit {
        Fit::Fits if only_waits_its_turn => Told::new("fits", "it can run the task now"),
        Fit::Fits => Told::new("fits", "it could run the task"),
        Fit::Busy if agent.slots == 1 => Told::new("busy", "its one slot is taken"),
        Fit::Busy => Told::new("busy", format!("all of its {} slots are taken", agent.slots)),
        Fit::Avoided(avoided) => {
            let message = format!("it {}", avoided_in_words(task, agent, *avoided));
            Told::new("avoided", message).until(avoided.until)
        }
        Fit::Slowed(until) => Told::new("slowed", "its machine failed what it was given last").until(*until),
        Fit::Lost(Some(seen)) => {
            let silence = Duration::from_secs((liveness.now - *seen).as_secs());
            let message = match agent.has_died() {
                true if silence.is_zero() => "it died just now".to_owned(),
                true => format!("it died {} ago", describe(silence)),
                false => format!("nothing was heard of it for {}", describe(silence)),
            };
            Told::new("lost", message)
        }
        Fit::Lost(None) => Told::new("lost", "nothing was heard of it since the coordinator started"),
        Fit::Leaving => Told::new("draining", "it finishes what it holds and ends"),
        Fit::Held(hold) => {
            let kind = match hold.kind {
                HoldKind::Drain { .. } => "draining",
                HoldKind::Pause | HoldKind::Stop => "paused",
            };
            Told::new(kind, format!("it {}", done_by(hold)))
        }
        Fit::Executor(executor) => Told::new("executor", cannot(*executor)),
        Fit::Label(term) => Told::new("label", label_in_words(term, agent)),
        Fit::Rules(program) => Told::new("command", forbidden(program, agent)),
        Fit::Queue(queue) => Told::new("queue", format!("it does not take tasks of queue {queue}")),
        Fit::Shard(shard, index) => {
            let count = shard.count;
            Told::new(
                "shard",
                format!("the task is of shard {index} of {count}, which it does not take"),
            )
        }
    };
    let told = told.copied(agent, liveness).change(change_for(task, fit));
    v1::AgentFit {
        agent_id: agent.id.to_string(),
        name: agent.name.to_string(),
        kind: told.kind.to_owned(),
        message: told.message,
        until: told.until.map(timestamp),
        change: told.change,
    }
}

/// `refused the task: no commands here; it is not given it again for a while`.
fn avoided_in_words(task: &Task, agent: &Agent, avoided: Avoided) -> String {
    let refusal = refusal(task, agent).filter(|_| avoided.why == Why::Refused);
    let what = match (refusal, avoided.why) {
        (Some(reason), _) => {
            return format!("refused the task: {reason}; it is not given it again for a while");
        }
        (None, Why::NotStarted) => "could not start the task's command",
        (None, Why::GivenUp) => "was given up when it ran the task",
        (None, Why::Failed | Why::Refused) => "failed the task before",
    };
    format!("{what} and is not given it again for a while")
}

fn cannot(executor: Executor) -> String {
    match executor {
        Executor::Prompt => "it runs commands only; no agent of this version runs prompts".to_owned(),
        Executor::Command => "it does not run commands".to_owned(),
    }
}

fn forbidden(program: &Program, agent: &Agent) -> String {
    match (&agent.rules, program) {
        (Rules::NoCommands, _) => "its owner allows no commands (--no-command)".to_owned(),
        (_, Program::Named(name)) => format!(
            "its owner does not allow the command {} (--allow-command){}",
            quoted(name),
            as_a_list(name)
        ),
        (_, Program::Unnamed) => {
            "its owner allows commands by name (--allow-command), and with a PATH of the \
             task's own the name may be any program's"
                .to_owned()
        }
    }
}

fn label_in_words(term: &Term, agent: &Agent) -> String {
    let (text, key) = (term.to_string(), term.key());
    match agent.labels.get(key) {
        None => format!("it lacks label {text}"),
        Some(value) => format!("its label {key}={value} does not meet {text}"),
    }
}
