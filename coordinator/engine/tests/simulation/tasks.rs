//! The tasks of a world: few names, so that requests meet, and a nature for each name.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use swarm_engine::{
    command::submit::{NewJob, NewTask, Submit},
    id::{AgentId, GroupName, JobId, QueueName, TaskId},
    noun::{
        lease::Proof,
        needs::{Bucket, Executor, Needs},
        rules::Program,
        selector::Selector,
        task::{Condition, Task},
        tries::RetryPolicy,
    },
    time::Timestamp,
};

use super::random::Random;

/// The most tasks at a time.
const TASKS: u64 = 12;

/// The most jobs at a time.
const JOBS: u64 = 8;

/// The length of a lease.
pub(crate) const TTL: Duration = Duration::from_secs(90);

/// Whole milliseconds.
pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// The names in a world, made once.
pub(crate) struct Names {
    seed: u64,
    tasks: Vec<TaskId>,
    agents: Vec<AgentId>,
}

impl Names {
    pub(crate) fn new(seed: u64, agents: u64) -> Names {
        let name = |index| AgentId::stored(&format!("agent-{index}"));
        Names {
            seed,
            tasks: (0..TASKS)
                .map(|index| TaskId::stored(&format!("task-{index}")))
                .collect(),
            agents: (0..agents).map(name).collect(),
        }
    }

    pub(crate) fn task(&self, random: &mut Random) -> TaskId {
        self.tasks[random.index(self.tasks.len())].clone()
    }

    pub(crate) fn agents(&self) -> &[AgentId] {
        &self.agents
    }

    pub(crate) fn agent(&self, random: &mut Random) -> AgentId {
        self.agents[random.index(self.agents.len())].clone()
    }

    /// Some tasks to submit, perhaps as a job.
    pub(crate) fn submit(&self, random: &mut Random, now: Timestamp) -> Submit {
        let job = random.one_in(3).then(|| {
            let id = JobId::stored(&format!("job-{}", random.below(JOBS)));
            NewJob {
                name: id.as_str().into(),
                id,
                labels: BTreeMap::new(),
            }
        });
        let mut wanted: BTreeSet<u64> = (0..1 + random.below(3)).map(|_| random.below(TASKS)).collect();
        let mut tasks: Vec<NewTask> = Vec::new();
        // Mostly together with their dependencies: a submit without them is refused unless they exist.
        let is_whole = !random.one_in(5);
        while let Some(index) = wanted.pop_last() {
            let task = self.new_task(index, now);
            if is_whole {
                let needed = task.dependencies.iter().map(|(id, _)| id);
                wanted.extend(
                    needed
                        .filter_map(|id| self.tasks.iter().position(|each| each == id))
                        .map(|index| index as u64),
                );
            }
            tasks.push(task);
        }
        Submit {
            job,
            tasks,
            ..Submit::default()
        }
    }

    /// The task of a name, the same each time. Some tasks depend on tasks that do not exist yet.
    fn new_task(&self, index: u64, now: Timestamp) -> NewTask {
        let mut nature = Random::new(self.seed, 1_000 + index);
        let mut dependencies = BTreeMap::new();
        for _ in 0..if index == 0 { 0 } else { nature.below(4) } {
            let condition = if nature.one_in(3) {
                Condition::Finished
            } else {
                Condition::Succeeded
            };
            dependencies.insert(self.tasks[nature.index(index as usize)].clone(), condition);
        }
        NewTask {
            id: self.tasks[index as usize].clone(),
            spec: [index as u8].into(),
            needs: needs(&mut nature),
            bucket: Bucket(nature.below(256) as u8),
            priority: nature.below(3) as i16,
            dependencies: dependencies.into_iter().collect(),
            retry: RetryPolicy {
                max_retries: nature.below(3) as u32,
                initial_backoff: Duration::from_secs(5).into(),
                max_backoff: Duration::from_secs(60).into(),
            },
            timeout: Duration::from_secs(100 + nature.below(3) * 300).into(),
            not_before: None,
            delay: nature.one_in(3).then(|| Duration::from_secs(nature.below(200))),
            deadline: nature.one_in(4).then(|| now + Duration::from_secs(600)),
        }
    }
}

fn needs(nature: &mut Random) -> Needs {
    let mut needs = Needs::command(queue(nature.one_in(4)));
    if nature.one_in(4) {
        let group = if nature.one_in(2) { "red" } else { "blue" };
        needs.group = Some(GroupName::stored(group));
    }
    if nature.one_in(5) {
        needs.class.selector = Selector::parse(&["gpu"]).expect("a good term");
    }
    if nature.one_in(8) {
        needs.class.executor = Executor::Prompt;
    }
    needs.program = Program::named(if nature.one_in(3) { "git" } else { "sh" });
    needs
}

/// One of the two queues.
pub(crate) fn queue(is_other: bool) -> QueueName {
    QueueName::stored(if is_other { "other" } else { "default" })
}

/// The labels of an agent that may be given any task.
pub(crate) fn gpu() -> BTreeMap<String, String> {
    [("gpu".to_owned(), "a100".to_owned())].into()
}

/// Every executor.
pub(crate) fn everything() -> BTreeSet<Executor> {
    [Executor::Command, Executor::Prompt].into()
}

/// The proof of a granted task's lease.
pub(crate) fn proof_of(task: &Task) -> Proof {
    let lease = task.lease().expect("a granted task is leased");
    Proof {
        task: task.id.clone(),
        attempt: lease.attempt,
        token: Some(lease.token),
    }
}
