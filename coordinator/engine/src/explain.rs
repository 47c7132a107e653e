//! Why a task is not running.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    agent::Agent,
    fit::{Fit, Look, Unmatched},
    hold::{Hold, Scope},
    id::{GroupName, JobId, QueueName, TaskId},
    limits::{MAX_AGENTS_VISITED, MAX_EXPLAINED, MAX_EXPLAINED_DEPTH, MAX_VISITED},
    state::State,
    task::{Attempt, Condition, Task, TaskState},
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
    Unmatched(Unmatched),
    /// The agents that could run it have no free slot, or should not be given it for a while.
    Turn,
    /// It runs.
    Running,
    /// It runs, and ends as cancelled.
    Cancelling,
    /// It has ended.
    Ended {
        /// The job that it belongs to.
        job: Option<JobId>,
        /// The dependency because of which it never ran.
        because: Option<TaskId>,
    },
}

/// Why a task is not running. Its dependencies have to be in memory as far as they are kept.
pub fn explain(state: &State, task: &Arc<Task>, look: Look) -> Explanation {
    let mut obstacles = Vec::new();
    let mut seen = BTreeSet::new();
    obstruct(state, task, look, 0, &mut seen, &mut obstacles);
    let mut agents = Vec::new();
    let is_waiting = matches!(
        task.state(),
        TaskState::Blocked | TaskState::Delayed | TaskState::Queued
    );
    if is_waiting {
        agents = state
            .agents()
            .filter(|agent| !agent.gone)
            .take(MAX_AGENTS_VISITED)
            .map(|agent| (agent.clone(), state.fit(task, agent, look)))
            .collect();
        agents.sort_by_key(|(agent, fit)| (nearness(fit), agent.id.clone()));
        agents.truncate(MAX_EXPLAINED);
    }
    Explanation {
        task: task.clone(),
        obstacles,
        agents,
        agent_count: state.agents().filter(|agent| !agent.gone).count(),
    }
}

/// Adds what keeps one task from running, and what keeps those it waits for.
fn obstruct(
    state: &State,
    task: &Arc<Task>,
    look: Look,
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
            None => add(Cause::Turn),
        },
        TaskState::Queued => {
            for cause in queued(state, task, look) {
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
                Some(crate::task::End::Skipped { because }) => Some(because.clone()),
                _ => None,
            };
            add(Cause::Ended {
                job: task.job.clone(),
                because,
            });
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
            obstruct(state, &other, look, depth + 1, seen, obstacles);
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
fn queued(state: &State, task: &Task, look: Look) -> Vec<Cause> {
    let mut causes = Vec::new();
    let queue = task.queue();
    for scope in [Scope::Everything, Scope::Queue(queue.clone())] {
        if let Some(hold) = state.hold(&scope) {
            causes.push(Cause::Held(hold.clone()));
        }
    }
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
    match state.unmatched(&task.needs.class, Some(task.bucket), look) {
        // Said above, by the hold itself.
        Some(unmatched) if unmatched.hold.is_some() => {}
        Some(unmatched) => causes.push(Cause::Unmatched(unmatched)),
        None if causes.is_empty() => causes.push(Cause::Turn),
        None => {}
    }
    causes
}

/// Which agents are told of first: those that need the least to be given the task.
fn nearness(fit: &Fit) -> u8 {
    match fit {
        Fit::Fits => 0,
        Fit::Busy => 1,
        Fit::Avoided(_) => 2,
        Fit::Slowed(_) => 3,
        Fit::Leaving => 4,
        Fit::Held(_) => 5,
        Fit::Shard(..) => 6,
        Fit::Queue(_) => 7,
        Fit::Label(_) => 8,
        Fit::Executor(_) => 9,
        Fit::Lost(_) => 10,
    }
}
