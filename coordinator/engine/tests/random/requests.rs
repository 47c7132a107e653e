//! The requests of a random world.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use swarm_engine::{
    command::{
        cancel, claim, complete,
        complete::{Report, Reported},
        deregister, prune, register, renew, retry,
        submit::{self, NewJob, NewTask, Submit},
    },
    id::{AgentId, GroupName, JobId, QueueName, ReportHash, Session, TaskId},
    lease::Proof,
    needs::{Bucket, Executor, Needs, Shard, Wants},
    retry::RetryPolicy,
    selector::Selector,
    task::{Blame, Condition, Failure},
    time::Timestamp,
};

use crate::{Random, world::World};

const TASKS: u64 = 12;
const AGENTS: u64 = 4;
pub(crate) const TTL: Duration = Duration::from_secs(90);

impl World {
    pub(crate) fn submit(&mut self) {
        let count = 1 + self.random.below(3);
        let tasks: Vec<_> = (0..count).map(|_| self.new_task()).collect();
        for task in &tasks {
            self.recall([&task.id]);
            self.recall(task.dependencies.iter().map(|(id, _)| id));
        }
        let job = self.random.one_in(3).then(|| {
            let id = JobId::stored(&format!("job-{}", self.random.below(3)));
            NewJob {
                name: id.as_str().into(),
                id,
                labels: BTreeMap::new(),
            }
        });
        self.decide(|draft| {
            submit::decide(
                draft,
                Submit {
                    job,
                    tasks,
                    ..Submit::default()
                },
            )
        });
    }

    /// The same task each time that its name comes up; some depend on ones that are not there yet.
    fn new_task(&mut self) -> NewTask {
        let index = self.random.below(TASKS);
        let mut nature = Random {
            seed: self.random.seed ^ index,
            drawn: 1_000,
        };
        let mut dependencies = BTreeMap::new();
        for _ in 0..if index == 0 { 0 } else { nature.below(4) } {
            let condition = if nature.one_in(3) {
                Condition::Finished
            } else {
                Condition::Succeeded
            };
            dependencies.insert(task_id(nature.below(index)), condition);
        }
        NewTask {
            id: task_id(index),
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
            timeout: Duration::from_secs(100).into(),
            not_before: None,
            delay: nature.one_in(3).then(|| Duration::from_secs(nature.below(200))),
            deadline: nature.one_in(4).then(|| self.now + Duration::from_secs(600)),
        }
    }

    pub(crate) fn register(&mut self) {
        let agent = self.agent();
        let own = self
            .held
            .iter()
            .filter(|(holder, _)| *holder == agent)
            .map(|(_, proof)| proof.clone());
        let own: Vec<Proof> = own.collect();
        let held = own.into_iter().filter(|_| !self.random.one_in(3)).collect();
        let gifted = self.random.one_in(2);
        let request = register::Register {
            name: agent.as_str().into(),
            agent,
            labels: if gifted { gpu() } else { BTreeMap::new() },
            slots: 1,
            executors: if gifted {
                everything()
            } else {
                [Executor::Command].into()
            },
            version: "1.0.0".into(),
            held,
            lease_ttl: TTL,
            jitter: self.random.next(),
        };
        self.decide(|draft| register::decide(draft, request));
    }

    pub(crate) fn claim(&mut self) {
        let agent = self.agent();
        let tokens = (0..1 + self.random.below(3))
            .map(|_| self.random.token())
            .collect();
        let request_id = format!("request-{}", self.random.below(20));
        let wants = if self.random.one_in(5) {
            Wants {
                queues: [QueueName::stored("other")].into(),
                ..Wants::default()
            }
        } else if self.random.one_in(3) {
            let index = self.random.one_in(2).then(|| self.random.below(3) as u16);
            Wants {
                shard: Some(Shard { count: 3, index }),
                scan_limit: self.random.below(4) as u32,
                ..Wants::default()
            }
        } else {
            Wants::default()
        };
        let session = self.session(&agent);
        self.take(claim::Claim {
            agent,
            session,
            wants,
            request_id: request_id.into(),
            tokens,
            lease_ttl: TTL,
        });
    }

    /// Claims, notes what was given, and says how much it was.
    pub(crate) fn take(&mut self, request: claim::Claim) -> usize {
        let holder = request.agent.clone();
        let granted = self
            .decide(|draft| claim::decide(draft, request))
            .unwrap_or_default();
        for task in &granted {
            let lease = task.lease().expect("a granted task is leased");
            let proof = Proof {
                task: task.id.clone(),
                attempt: lease.attempt,
                token: Some(lease.token),
            };
            self.held.push((holder.clone(), proof));
        }
        granted.len()
    }

    pub(crate) fn renew(&mut self) {
        let agent = self.agent();
        let session = self.session(&agent);
        let own = self
            .held
            .iter()
            .filter(|(holder, _)| *holder == agent)
            .map(|(_, proof)| proof.clone());
        let leases = own.collect();
        let request = renew::Renew {
            agent,
            session,
            leases,
            lease_ttl: TTL,
            draining: false,
        };
        self.decide(|draft| renew::decide(draft, &request));
    }

    /// A new report sets out, and some report arrives: perhaps another one, perhaps again.
    pub(crate) fn report(&mut self) {
        if !self.held.is_empty() {
            let index = self.random.below(self.held.len() as u64) as usize;
            let (agent, mut proof) = self.held[index].clone();
            if self.random.one_in(20) {
                proof.token = Some(self.random.token());
            }
            let report = self.outcome(proof);
            self.reports.push((agent, report));
        }
        if self.reports.is_empty() {
            return;
        }
        let index = self.random.below(self.reports.len() as u64) as usize;
        let (agent, report) = self.reports[index].clone();
        if !self.random.one_in(4) {
            self.reports.swap_remove(index);
        }
        let agent = if self.random.one_in(20) {
            self.agent()
        } else {
            agent
        };
        self.complete(agent, report);
    }

    fn outcome(&mut self, proof: Proof) -> Report {
        let kind = self.random.below(8);
        let result = match kind {
            0..=3 => Reported::Success,
            4..=5 => {
                let blame = [Blame::Task, Blame::Machine, Blame::Provider][self.random.below(3) as usize];
                let (reason, message) = ("exit".into(), "".into());
                let failure = Failure {
                    reason,
                    blame,
                    message,
                    exit_code: Some(1),
                    signal: None,
                };
                Reported::Failure {
                    failure,
                    retry_after: None,
                }
            }
            6 => Reported::Cancelled,
            _ => Reported::Released {
                reason: "busy".into(),
                refused: self.random.one_in(2),
            },
        };
        Report {
            proof,
            result,
            output: Arc::default(),
            hash: ReportHash(self.random.token().0),
        }
    }

    pub(crate) fn complete(&mut self, agent: AgentId, report: Report) {
        let proof = report.proof.clone();
        self.recall([&proof.task]);
        let request = complete::Complete {
            agent,
            reports: vec![report],
            jitter: self.random.next(),
        };
        let results = self
            .decide(|draft| Ok(complete::decide(draft, request)))
            .expect("never refused whole");
        for result in results {
            match result {
                Ok(accepted) if !accepted.already_completed => self.history.accept(&proof),
                Ok(_) => {}
                Err(_) => self.refused += 1,
            }
        }
    }

    pub(crate) fn cancel(&mut self) {
        let tasks = [task_id(self.random.below(TASKS))];
        self.recall(&tasks);
        self.decide(|draft| Ok(cancel::decide(draft, &tasks)));
    }

    pub(crate) fn retry(&mut self) {
        let task = task_id(self.random.below(TASKS));
        self.recall([&task]);
        if let Some(record) = self.state.task(&task).cloned() {
            self.recall(record.unmet_dependencies().map(|dependency| &dependency.task));
        }
        self.decide(|draft| Ok(retry::decide(draft, &[retry::Retry { task, revision: None }])));
    }

    /// Some of the kept tasks, whether they may go or not.
    pub(crate) fn prune(&mut self) {
        let all = self.all();
        let chosen = all.values().filter(|_| !self.random.one_in(3));
        let chosen: Vec<_> = chosen.cloned().collect();
        self.recall(chosen.iter().map(|task| &task.id));
        let request = prune::Prune {
            tasks: chosen.iter().map(|task| task.number).collect(),
            ended_by: Timestamp(self.now.0.saturating_sub(60_000)),
        };
        self.decide(|draft| Ok(prune::decide(draft, &request)));
    }

    pub(crate) fn deregister(&mut self) {
        let agent = self.agent();
        let session = self.session(&agent);
        let request = deregister::Deregister {
            agent,
            session,
            jitter: self.random.next(),
        };
        self.decide(|draft| deregister::decide(draft, request));
    }

    pub(crate) fn agent(&mut self) -> AgentId {
        AgentId::stored(&format!("agent-{}", self.random.below(AGENTS)))
    }

    /// The newest session; sometimes the one before.
    fn session(&mut self, agent: &AgentId) -> Session {
        let newest = self.state.agent(agent).map_or(0, |known| known.session.0);
        Session(if self.random.one_in(10) {
            newest.saturating_sub(1)
        } else {
            newest
        })
    }
}

fn task_id(index: u64) -> TaskId {
    TaskId::stored(&format!("task-{index}"))
}

fn needs(nature: &mut Random) -> Needs {
    let queue = QueueName::stored(if nature.one_in(4) { "other" } else { "default" });
    let mut needs = Needs::command(queue);
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
    needs
}

/// The labels of an agent that may be given any task.
pub(crate) fn gpu() -> BTreeMap<String, String> {
    [("gpu".to_owned(), "a100".to_owned())].into()
}

/// Every way to carry out a task.
pub(crate) fn everything() -> BTreeSet<Executor> {
    [Executor::Command, Executor::Prompt].into()
}
