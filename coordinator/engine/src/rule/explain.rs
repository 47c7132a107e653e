//! Explanations of why a task is not running.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    id::{AgentId, GroupName, QueueName, TaskId},
    limits::{MAX_AGENTS_VISITED, MAX_BEFORE, MAX_EXPLAINED, MAX_EXPLAINED_DEPTH, MAX_VISITED},
    noun::{
        agent::Agent,
        attempt::Attempt,
        hold::{Hold, Scope},
        task::{Condition, Task, TaskState},
    },
    rule::{
        avoid::Why,
        fit::{Fit, Liveness},
        retry_order::retry_order,
        unmatched::Unmatched,
    },
    state::State,
    time::Timestamp,
};

/// The obstacles between a task and its start, and what each agent lacks.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The task.
    pub task: Arc<Task>,
    /// The obstacles for all agents, in the order in which they must go away.
    pub obstacles: Vec<Obstacle>,
    /// The fit of each agent, nearest first; empty unless the task waits.
    pub agents: Vec<(Arc<Agent>, Fit)>,
    /// How many tasks come before it for the nearest agent, when it only waits its turn; at most [`MAX_BEFORE`].
    pub before: usize,
    /// The number of registered agents.
    pub agent_count: usize,
    /// The names of the agents in the obstacles.
    pub names: BTreeMap<AgentId, Arc<str>>,
}

/// An obstacle: it keeps the task, or one of its dependencies, from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// 0 for an obstacle of the task itself, 1 for one of its dependencies, and so on.
    pub depth: u32,
    /// The task that it keeps from running.
    pub keeps: Arc<Task>,
    /// Its cause.
    pub cause: Cause,
}

/// The cause of an obstacle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The task waits for another task.
    Dependency {
        /// The other task.
        task: TaskId,
        /// The condition on its end.
        condition: Condition,
        /// Its state; `None` when it was removed.
        state: Option<TaskState>,
    },
    /// The number of further unmet dependencies.
    MoreDependencies(usize),
    /// Its start time has not come.
    Time(Timestamp),
    /// The task is tried again later.
    Backoff {
        /// The time of the next try.
        until: Timestamp,
        /// The failed or lost attempt.
        after: Box<Attempt>,
    },
    /// A hold on everything or on its queue.
    Held(Arc<Hold>),
    /// Its queue is at its limit.
    QueueLimit {
        /// The queue.
        queue: QueueName,
        /// The limit.
        max_running: u32,
    },
    /// Another task of its exclusive group runs.
    Group {
        /// The group.
        group: GroupName,
        /// The running task.
        task: TaskId,
    },
    /// No live agent can run it.
    Unmatched {
        /// The reasons.
        why: Unmatched,
        /// The nearest agent, and what it lacks.
        nearest: Option<(Arc<Agent>, Fit)>,
    },
    /// All agents that could run it are busy, slowed or avoid it for a while.
    Turn {
        /// The nearest agent, when a free slot is not enough.
        unwilling: Option<(Arc<Agent>, Fit)>,
    },
    /// The task runs.
    Running {
        /// The silence of its agent, when that is long.
        silence: Option<Silence>,
    },
    /// The task runs, and will end as cancelled.
    Cancelling {
        /// The silence of its agent, when that is long.
        silence: Option<Silence>,
    },
    /// The task has ended.
    Ended {
        /// The dependency that caused its skip.
        because: Option<TaskId>,
        /// The tasks to retry, in this order, so that it runs again; empty when they are not known.
        retry: Vec<TaskId>,
    },
}

/// The silence of a running task's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// How long it has lasted.
    pub lasted: Duration,
    /// In how long the lease ends, and the task can be given to others.
    pub rest: Duration,
}

/// Ended tasks that were read from the store.
pub type EndedTasks = BTreeMap<TaskId, Arc<Task>>;

/// Explains why a task is not running. Its dependencies must be in memory or in `found`, unless they were removed.
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
    let waits_its_turn = matches!(
        obstacles.as_slice(),
        [Obstacle {
            cause: Cause::Turn { .. },
            ..
        }]
    );
    let before = agents.first().filter(|_| waits_its_turn);
    Explanation {
        before: before.map_or(0, |(agent, _)| before_it(state, task, agent)),
        task: task.clone(),
        names: names(state, &obstacles),
        obstacles,
        agents,
        agent_count: state.agents().filter(|agent| agent.is_expected()).count(),
    }
}

/// How many queued tasks an agent would be given before this one.
fn before_it(state: &State, task: &Task, agent: &Agent) -> usize {
    if task.state() != TaskState::Queued {
        return 0;
    }
    let wants = state.presence(&agent.id).and_then(|presence| presence.wants);
    let offer = state.offer(agent, &wants.unwrap_or_default());
    let is_open = |queue: &QueueName| state.is_open(queue);
    state.ready().count_before(task, &offer, is_open, MAX_BEFORE)
}

/// The fit of each agent for a task, nearest first.
fn fits(state: &State, task: &Task, liveness: Liveness) -> Vec<(Arc<Agent>, Fit)> {
    let mut fits: Vec<(Arc<Agent>, Fit)> = state
        .agents()
        .filter(|agent| agent.is_expected())
        .take(MAX_AGENTS_VISITED)
        .map(|agent| (agent.clone(), state.fit(task, agent, liveness)))
        .collect();
    fits.sort_by_key(|(agent, fit)| (nearness(fit), agent.id.clone()));
    fits
}

/// The nearest agent. The search ends at the first agent that lacks no more than a free slot, because an explanation
/// covers many tasks.
fn nearest(state: &State, task: &Task, liveness: Liveness) -> Option<(Arc<Agent>, Fit)> {
    let mut nearest: Option<(Arc<Agent>, Fit)> = None;
    let agents = state.agents().filter(|agent| agent.is_expected());
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
        Cause::Running { .. } | Cause::Cancelling { .. } => obstacle.keeps.lease().map(|lease| &lease.agent),
        _ => None,
    });
    told.filter_map(|id| Some((id.clone(), state.agent(id)?.name.clone())))
        .collect()
}

/// Adds the obstacles of a task, and those of its dependencies.
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
            let silence = state.silence_around(task, liveness);
            add(if is_cancelled {
                Cause::Cancelling { silence }
            } else {
                Cause::Running { silence }
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
        // Each dependency is explained once, and a chain of ten thousand is not followed to its end.
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

impl State {
    /// The silence of a running task's agent, when that is long.
    pub fn silence_around(&self, task: &Task, liveness: Liveness) -> Option<Silence> {
        let lasted = self.silence(&task.lease()?.agent, liveness)?;
        let end = self.expiry(task.number)?;
        Some(Silence {
            lasted,
            rest: end - liveness.now,
        })
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

/// The obstacles of a queued task, in the order in which a claim checks them.
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
    match state.unmatched(&task.needs, Some(task.bucket), liveness) {
        // The hold itself is among the causes already.
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

/// Adds the holds that a task will meet once it is queued, each once.
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

/// The newest record of a task: a record in memory is newer than one from the store.
fn look_up(state: &State, found: &EndedTasks, id: &TaskId) -> Option<Arc<Task>> {
    state.task(id).or_else(|| found.get(id)).cloned()
}

/// The rank of an agent in an explanation: the nearest needs the least to be given the task.
fn nearness(fit: &Fit) -> u8 {
    match fit {
        Fit::Fits => 0,
        Fit::Busy => 1,
        Fit::Avoided(avoided) if avoided.why != Why::Refused => 2,
        Fit::Slowed(_) => 3,
        // An agent that refused would refuse again.
        Fit::Avoided(_) => 4,
        Fit::Leaving => 5,
        Fit::Held(_) => 6,
        Fit::Shard(..) => 7,
        Fit::Queue(_) => 8,
        Fit::Rules(_) => 9,
        Fit::Label(_) => 10,
        Fit::Executor(_) => 11,
        Fit::Lost(_) => 12,
    }
}
