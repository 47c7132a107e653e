//! The time of decisions, with few tasks and with many. Only the decision is timed, not the way back to the state
//! before it. Figures are compared with a saved baseline: see CONTRIBUTING.md.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the engine reads no clock, and what measures it does"
)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use swarm_engine::{
    command::{
        cancel,
        claim::{self, Claim},
        complete::{self, Complete, Report, Reported},
        expire,
        register::{self, Register},
        renew::{self, Renew},
        submit::{self, NewTask, Submit},
    },
    draft::{Draft, decide},
    id::{AgentId, LeaseToken, QueueName, ReportHash, Seq, Session, SessionToken, TaskId},
    limits::MAX_SUBMIT_TASKS,
    noun::{
        lease::{Held, Proof},
        needs::{Bucket, Executor, Needs, Wants},
        rules::Rules,
        selector::Selector,
        tries::RetryPolicy,
    },
    rejection::Rejection,
    state::State,
    time::Timestamp,
};

const TTL: Duration = Duration::from_secs(90);

/// Leases that one agent renews at once.
const HELD: usize = 8;

/// A queue of some length, in some classes, and an agent.
struct World {
    state: State,
    now: Timestamp,
    session: Session,
    /// Tasks have different needs by turns.
    classes: usize,
    /// Tasks are in different queues by turns.
    queues: usize,
    /// What the agent claims.
    wants: Wants,
    submitted: usize,
    tokens: u128,
}

impl World {
    fn new(queued: usize, classes: usize) -> World {
        World::with_queues(queued, classes, 1)
    }

    fn with_queues(queued: usize, classes: usize, queues: usize) -> World {
        let mut world = World {
            state: State::default(),
            now: Timestamp(0),
            session: Session(0),
            classes,
            queues,
            wants: Wants {
                scan_limit: 100,
                ..Wants::default()
            },
            submitted: 0,
            tokens: 0,
        };
        let request = Register {
            agent: agent(),
            name: "laptop".into(),
            labels: BTreeMap::new(),
            slots: 1_000,
            executors: [Executor::Command].into(),
            rules: Rules::Everything,
            version: "1.0.0".into(),
            held: Vec::new(),
            lease_ttl: TTL,
            jitter: 0,
            token: SessionToken([7; 16]),
            process: None,
        };
        world.session = world
            .decide(|draft| register::decide(draft, request))
            .0
            .expect("an agent may register")
            .session;
        let mut left = queued;
        while left > 0 {
            let count = left.min(MAX_SUBMIT_TASKS);
            let request = world.submit_request(count);
            world.decide(|draft| submit::decide(draft, request));
            left -= count;
        }
        world
    }

    /// Runs a decision that must not be refused, and returns its time.
    fn decide<T>(&mut self, decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>) -> (T, Duration) {
        self.now = self.now + Duration::from_millis(1);
        let start = Instant::now();
        let (result, changes) = black_box(decide(&mut self.state, self.now, decision));
        let took = start.elapsed();
        drop(changes);
        (result.expect("nothing here is refused"), took)
    }

    fn submit_request(&mut self, count: usize) -> Submit {
        let tasks = (self.submitted..self.submitted + count).map(|number| {
            let mut needs = Needs::command(queue(number % self.queues));
            if self.classes > 1 {
                let term = format!("class!={}", number % self.classes);
                needs.class.selector = Selector::parse(&[term]).expect("it is a term");
            }
            NewTask {
                id: TaskId::stored(&format!("task-{number}")),
                spec: vec![b'x'; 300].into(),
                needs,
                bucket: Bucket(number as u8),
                priority: 0,
                dependencies: Vec::new(),
                retry: RetryPolicy {
                    max_retries: 3,
                    initial_backoff: Duration::from_secs(1).into(),
                    max_backoff: Duration::from_secs(60).into(),
                },
                timeout: Duration::from_secs(3600).into(),
                not_before: None,
                delay: None,
                deadline: None,
            }
        });
        let tasks = tasks.collect();
        self.submitted += count;
        Submit {
            tasks,
            ..Submit::default()
        }
    }

    fn claim(&mut self, count: usize) -> (Vec<Proof>, Duration) {
        let tokens = (0..count as u128).map(|index| LeaseToken((self.tokens + index).to_be_bytes()));
        let request = Claim {
            agent: agent(),
            session: self.session,
            wants: self.wants.clone(),
            request_id: "".into(),
            tokens: tokens.collect(),
            lease_ttl: TTL,
        };
        self.tokens += count as u128;
        let (granted, took) = self.decide(|draft| claim::decide(draft, request));
        assert_eq!(granted.len(), count, "enough is queued");
        let proofs = granted.iter().map(|task| Proof {
            task: task.id.clone(),
            attempt: task.attempt_count,
            token: task.lease().map(|lease| lease.token),
        });
        (proofs.collect(), took)
    }

    fn complete(&mut self, proofs: Vec<Proof>) -> Duration {
        let report = |proof| Report {
            proof,
            result: Reported::Success,
            output: Arc::default(),
            hash: ReportHash([1; 16]),
        };
        let request = Complete {
            agent: agent(),
            reports: proofs.into_iter().map(report).collect(),
            jitter: 0,
            lease_ttl: Duration::from_secs(90),
            started: Timestamp(0),
        };
        self.decide(|draft| Ok(complete::decide(draft, request))).1
    }

    /// Evicts ended tasks, as the coordinator does once the store has them.
    fn forget_ended(&mut self) {
        let ended: Vec<_> = self
            .state
            .finished(Seq(u64::MAX))
            .map(|task| task.number)
            .collect();
        for number in ended {
            self.state.forget(number);
        }
    }

    /// Submits as many tasks as before the decision.
    fn refill(&mut self, count: usize) {
        let request = self.submit_request(count);
        self.decide(|draft| submit::decide(draft, request));
    }
}

fn queue(number: usize) -> QueueName {
    QueueName::stored(&format!("queue-{number:05}"))
}

fn agent() -> AgentId {
    AgentId::stored("agent")
}

/// The sum of the times that the rounds return.
fn timed(bencher: &mut Bencher<'_>, mut round: impl FnMut() -> Duration) {
    bencher.iter_custom(|rounds| (0..rounds).map(|_| round()).sum());
}

fn submit_and_cancel(criterion: &mut Criterion) {
    for count in [1, 100] {
        let mut world = World::new(1_000, 1);
        criterion.bench_function(&format!("submit/{count} tasks"), |bencher| {
            timed(bencher, || {
                let request = world.submit_request(count);
                let ids: Vec<TaskId> = request.tasks.iter().map(|task| task.id.clone()).collect();
                let took = world.decide(|draft| submit::decide(draft, request)).1;
                world.decide(|draft| Ok(cancel::decide(draft, &ids)));
                world.forget_ended();
                took
            });
        });
    }
}

fn claim_and_complete(criterion: &mut Criterion) {
    for (queued, classes) in [(1_000, 1), (100_000, 1), (1_000, 100), (100_000, 1_000)] {
        let size = format!("{queued} queued in {classes} classes");
        let mut world = World::new(queued, classes);
        let mut round = |is_claim: bool| {
            let (granted, claimed) = world.claim(1);
            let completed = world.complete(granted);
            world.forget_ended();
            world.refill(1);
            if is_claim { claimed } else { completed }
        };
        criterion.bench_function(&format!("claim/{size}"), |bencher| {
            timed(bencher, || round(true));
        });
        criterion.bench_function(&format!("complete/{size}"), |bencher| {
            timed(bencher, || round(false));
        });
    }
}

/// Many queues: a claim for one of them, a claim for all, and a page of their names.
fn many_queues(criterion: &mut Criterion) {
    const QUEUES: usize = 5_000;
    for named in [true, false] {
        let mut world = World::with_queues(2 * QUEUES, 1, QUEUES);
        let which = if named { "one" } else { "all" };
        if named {
            world.wants.queues = [queue(0)].into();
        }
        criterion.bench_function(&format!("claim/{which} of {QUEUES} queues"), |bencher| {
            timed(bencher, || {
                let (granted, took) = world.claim(1);
                world.complete(granted);
                world.forget_ended();
                // The next task of the first queue.
                world.submitted = world.submitted.next_multiple_of(QUEUES);
                world.refill(1);
                took
            });
        });
    }
    let world = World::with_queues(QUEUES, 1, QUEUES);
    criterion.bench_function(&format!("page/100 of {QUEUES} queues"), |bencher| {
        bencher.iter(|| black_box(world.state.queues_after("queue-02500").take(100).count()));
    });
}

fn heartbeat(criterion: &mut Criterion) {
    for leased in [HELD, 1_000] {
        let mut world = World::new(leased, 1);
        let mut leases: Vec<Held> = Vec::new();
        while leases.len() < leased {
            let proofs = world.claim(HELD.min(leased - leases.len())).0;
            leases.extend(proofs.into_iter().map(|proof| Held { proof, ran: None }));
        }
        leases.truncate(HELD);
        criterion.bench_function(&format!("heartbeat/{HELD} of {leased} leases"), |bencher| {
            timed(bencher, || {
                let request = Renew {
                    agent: agent(),
                    session: world.session,
                    leases: leases.clone(),
                    lease_ttl: TTL,
                    draining: false,
                };
                world.decide(|draft| renew::decide(draft, &request)).1
            });
        });
    }
}

fn time_passes(criterion: &mut Criterion) {
    let mut world = World::new(100_000, 1);
    world.claim(100);
    criterion.bench_function("expire/nothing is due", |bencher| {
        timed(bencher, || world.decide(|draft| expire::decide(draft, 0)).1);
    });

    let mut world = World::new(1_000, 1);
    criterion.bench_function("expire/a lease ends", |bencher| {
        timed(bencher, || {
            let ids: Vec<TaskId> = world.claim(1).0.into_iter().map(|proof| proof.task).collect();
            world.now = world.now + TTL;
            let took = world.decide(|draft| expire::decide(draft, 0)).1;
            world.decide(|draft| Ok(cancel::decide(draft, &ids)));
            world.forget_ended();
            world.refill(1);
            took
        });
    });
}

criterion_group!(
    decisions,
    submit_and_cancel,
    claim_and_complete,
    many_queues,
    heartbeat,
    time_passes
);
criterion_main!(decisions);
