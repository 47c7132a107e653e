//! Why a task is not running.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    id::{AgentId, GroupName, QueueName, TaskId},
    limits::{MAX_AGENTS_VISITED, MAX_EXPLAINED, MAX_EXPLAINED_DEPTH, MAX_VISITED},
    noun::{
        agent::Agent,
        attempt::Attempt,
        hold::{Hold, Scope},
        task::{Condition, Task, TaskState},
    },
    rule::{
        fit::{Fit, Liveness, Unmatched},
        retry_order::retry_order,
    },
    state::State,
    time::Timestamp,
};

/// Why a task is not running: what has to go away, in that order, and what each agent lacks.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The task.
    pub task: Arc<Task>,
    /// What keeps it from running, whichever agent asks.
    pub obstacles: Vec<Obstacle>,
    /// The first reason why each agent is not given it, those that come nearest first. Empty unless it waits.
    pub agents: Vec<(Arc<Agent>, Fit)>,
    /// How many agents there are.
    pub agent_count: usize,
    /// The names of agents that hold or lost what is told.
    pub names: BTreeMap<AgentId, Arc<str>>,
}

/// What keeps a task from running, and how many dependencies away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// 0 for the task itself, 1 for what keeps its dependency, and so on.
    pub depth: u32,
    /// The task that it keeps.
    pub keeps: Arc<Task>,
    /// What it is.
    pub cause: Cause,
}

/// What keeps a task from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It waits for another task.
    Dependency {
        /// The other task.
        task: TaskId,
        /// How it has to end.
        condition: Condition,
        /// Where it is; `None` when it is no longer kept.
        state: Option<TaskState>,
    },
    /// Further dependencies that are not told.
    MoreDependencies(usize),
    /// Its time has not come.
    Time(Timestamp),
    /// It is tried again later.
    Backoff {
        /// When.
        until: Timestamp,
        /// The attempt that failed or was lost.
        after: Box<Attempt>,
    },
    /// Somebody stopped or paused everything, or paused its queue.
    Held(Arc<Hold>),
    /// As many tasks of its queue run as may.
    QueueLimit {
        /// The queue.
        queue: QueueName,
        /// So many may.
        max_running: u32,
    },
    /// Another task of its exclusive group runs.
    Group {
        /// The group.
        group: GroupName,
        /// The task that runs.
        task: TaskId,
    },
    /// No live agent can run it.
    Unmatched {
        /// Why.
        why: Unmatched,
        /// The agent that comes nearest, and what it lacks.
        nearest: Option<(Arc<Agent>, Fit)>,
    },
    /// The agents that could run it have no free slot, or should not be given it for a while.
    Turn {
        /// The agent that comes nearest, if waiting for a free slot is not enough.
        unwilling: Option<(Arc<Agent>, Fit)>,
    },
    /// It runs.
    Running,
    /// It runs, and ends as cancelled.
    Cancelling,
    /// It has ended.
    Ended {
        /// The dependency because of which it never ran.
        because: Option<TaskId>,
        /// What has to be retried so that it runs again, in this order; empty when that is not known.
        retry: Vec<TaskId>,
    },
}

/// Tasks that have left memory.
pub type EndedTasks = BTreeMap<TaskId, Arc<Task>>;

/// Why a task is not running. What it depends on has to be in memory or among those found, as far as it is kept.
pub fn explain(state: &State, task: &Arc<Task>, found: &EndedTasks, liveness: Liveness) -> Explanation {
    let mut obstacles = Vec::new();
    let mut seen = BTreeSet::new();
    obstruct(state, task, found, liveness, 0, &mut seen, &mut obstacles);
    if matches!(task.state(), TaskState::Blocked | TaskState::Delayed) {
        held_later(state, task, &mut obstacles);
    }
    let is_waiting = matches!(
        task.state(),
        TaskState::Blocked | TaskState::Delayed | TaskState::Queued
    );
    let mut agents = if is_waiting {
        fits(state, task, liveness)
    } else {
        Vec::new()
    };
    agents.truncate(MAX_EXPLAINED);
    Explanation {
        task: task.clone(),
        names: names(state, &obstacles),
        obstacles,
        agents,
        agent_count: state.agents().filter(|agent| !agent.gone).count(),
    }
}

/// The first reason why each agent is not given a task, those that come nearest first.
fn fits(state: &State, task: &Task, liveness: Liveness) -> Vec<(Arc<Agent>, Fit)> {
    let mut fits: Vec<(Arc<Agent>, Fit)> = state
        .agents()
        .filter(|agent| !agent.gone)
        .take(MAX_AGENTS_VISITED)
        .map(|agent| (agent.clone(), state.fit(task, agent, liveness)))
        .collect();
    fits.sort_by_key(|(agent, fit)| (nearness(fit), agent.id.clone()));
    fits
}

/// The agent that comes nearest. It is not looked for longer than until there is one that could run the task as soon
/// as it has a free slot: an explanation names many tasks.
fn nearest(state: &State, task: &Task, liveness: Liveness) -> Option<(Arc<Agent>, Fit)> {
    let mut nearest: Option<(Arc<Agent>, Fit)> = None;
    let agents = state.agents().filter(|agent| !agent.gone);
    for agent in agents.take(MAX_AGENTS_VISITED) {
        let fit = state.fit(task, agent, liveness);
        if matches!(fit, Fit::Fits | Fit::Busy) {
            return Some((agent.clone(), fit));
        }
        if nearest
            .as_ref()
            .is_none_or(|(_, before)| nearness(&fit) < nearness(before))
        {
            nearest = Some((agent.clone(), fit));
        }
    }
    nearest
}

fn names(state: &State, obstacles: &[Obstacle]) -> BTreeMap<AgentId, Arc<str>> {
    let told = obstacles.iter().filter_map(|obstacle| match &obstacle.cause {
        Cause::Backoff { after, .. } => Some(&after.agent),
        Cause::Running => obstacle.keeps.lease().map(|lease| &lease.agent),
        _ => None,
    });
    told.filter_map(|id| Some((id.clone(), state.agent(id)?.name.clone())))
        .collect()
}

/// Adds what keeps one task from running, and what keeps those it waits for.
fn obstruct(
    state: &State,
    task: &Arc<Task>,
    found: &EndedTasks,
    liveness: Liveness,
    depth: u32,
    seen: &mut BTreeSet<TaskId>,
    obstacles: &mut Vec<Obstacle>,
) {
    let mut add = |cause| {
        obstacles.push(Obstacle {
            depth,
            keeps: task.clone(),
            cause,
        });
    };
    match task.state() {
        TaskState::Blocked => {}
        TaskState::Delayed => match task.due() {
            Some(until) => add(delay(task, until)),
            None => add(Cause::Turn { unwilling: None }),
        },
        TaskState::Queued => {
            for cause in queued(state, task, liveness) {
                add(cause);
            }
        }
        TaskState::Running => {
            let is_cancelled = task.lease().is_some_and(|lease| lease.cancel_asked);
            add(if is_cancelled {
                Cause::Cancelling
            } else {
                Cause::Running
            });
        }
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Skipped => {
            let because = match task.end() {
                Some(crate::noun::task::End::Skipped { because }) => Some(because.clone()),
                _ => None,
            };
            let retry = retry_order(task, |id| look_up(state, found, id));
            add(Cause::Ended { because, retry });
        }
    }
    if task.state() != TaskState::Blocked {
        return;
    }
    let mut told = 0;
    for dependency in task.unmet_dependencies().take(MAX_VISITED) {
        if obstacles.len() >= MAX_EXPLAINED {
            break;
        }
        told += 1;
        let other = state.task(&dependency.task).cloned();
        obstacles.push(Obstacle {
            depth,
            keeps: task.clone(),
            cause: Cause::Dependency {
                task: dependency.task.clone(),
                condition: dependency.condition,
                state: other.as_ref().map(|other| other.state()),
            },
        });
        // What was told before is not told again, and a chain of ten thousand is not walked to its end.
        if let Some(other) = other
            && depth < MAX_EXPLAINED_DEPTH
            && seen.insert(dependency.task.clone())
        {
            obstruct(state, &other, found, liveness, depth + 1, seen, obstacles);
        }
    }
    let more = task.unmet as usize - told;
    if more > 0 {
        obstacles.push(Obstacle {
            depth,
            keeps: task.clone(),
            cause: Cause::MoreDependencies(more),
        });
    }
}

fn delay(task: &Task, until: Timestamp) -> Cause {
    match task.attempts.last().filter(|last| last.round == task.round) {
        Some(last) => Cause::Backoff {
            until,
            after: Box::new(last.clone()),
        },
        None => Cause::Time(until),
    }
}

/// What keeps a queued task from being granted, in the order in which a claim looks.
fn queued(state: &State, task: &Task, liveness: Liveness) -> Vec<Cause> {
    let mut causes = held(state, task);
    let queue = task.queue();
    if let Some(limit) = state.queue_limit(queue).filter(|_| state.is_at_limit(queue)) {
        causes.push(Cause::QueueLimit {
            queue: queue.clone(),
            max_running: limit.max_running,
        });
    }
    if let Some(group) = &task.needs.group
        && let Some(holder) = state.ready().holder(group)
        && let Some(holder) = state.task_numbered(holder)
    {
        causes.push(Cause::Group {
            group: group.clone(),
            task: holder.id.clone(),
        });
    }
    match state.unmatched(&task.needs.class, Some(task.bucket), liveness) {
        // Said above, by the hold itself.
        Some(unmatched) if unmatched.hold.is_some() => {}
        Some(why) => causes.push(Cause::Unmatched {
            why,
            nearest: nearest(state, task, liveness),
        }),
        None if causes.is_empty() => causes.push(Cause::Turn {
            unwilling: nearest(state, task, liveness)
                .filter(|(_, fit)| !matches!(fit, Fit::Fits | Fit::Busy)),
        }),
        None => {}
    }
    causes
}

/// Adds the holds that a task will meet when it is queued, save those that are told already.
fn held_later(state: &State, task: &Arc<Task>, obstacles: &mut Vec<Obstacle>) {
    for cause in held(state, task) {
        if !obstacles.iter().any(|told| told.cause == cause) {
            obstacles.push(Obstacle {
                depth: 0,
                keeps: task.clone(),
                cause,
            });
        }
    }
}

/// The holds on everything and on the queue of a task.
fn held(state: &State, task: &Task) -> Vec<Cause> {
    let scopes = [Scope::Everything, Scope::Queue(task.queue().clone())];
    let holds = scopes.iter().filter_map(|scope| state.hold(scope));
    holds.map(|hold| Cause::Held(hold.clone())).collect()
}

/// The newest record of a task: what memory has is newer than what was found a moment ago.
fn look_up(state: &State, found: &EndedTasks, id: &TaskId) -> Option<Arc<Task>> {
    state.task(id).or_else(|| found.get(id)).cloned()
}

/// Which agents are told of first: those that need the least to be given the task.
fn nearness(fit: &Fit) -> u8 {
    match fit {
        Fit::Fits => 0,
        Fit::Busy => 1,
        Fit::Avoided(avoided) if !avoided.refused => 2,
        Fit::Slowed(_) => 3,
        // It would refuse again.
        Fit::Avoided(_) => 4,
        Fit::Leaving => 5,
        Fit::Held(_) => 6,
        Fit::Shard(..) => 7,
        Fit::Queue(_) => 8,
        Fit::Label(_) => 9,
        Fit::Executor(_) => 10,
        Fit::Lost(_) => 11,
    }
}
