//! Many tasks at once: consequences are settled in bounded steps.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim::{self, Claim},
        complete::{self, Complete, Report, Reported},
        expire,
        register::{self, Register},
        retry::{self, Retry},
        submit::{self, NewTask, Submit},
    },
    draft::{Draft, decide},
    id::{AgentId, LeaseToken, Number, QueueName, ReportHash, Session, TaskId},
    limits::{MAX_CLAIM_TASKS, MAX_DECISION_EVENTS, MAX_HELD_LEASES, MAX_SUBMIT_TASKS, SETTLE_STEP},
    noun::{
        lease::Proof,
        needs::{Bucket, Executor, Needs, Wants},
        outcome::{Blame, Failure},
        rules::Rules,
        task::{Condition, TaskState},
        tries::RetryPolicy,
    },
    rejection::Rejection,
    state::State,
    time::Timestamp,
};

const TTL: Duration = Duration::from_secs(90);

#[test]
fn five_thousand_dependents_are_met_in_steps() {
    let mut world = World::new();
    let dependents: Vec<String> = (0..5_000).map(|index| format!("leaf-{index}")).collect();
    let tasks = [task("root", &[])]
        .into_iter()
        .chain(dependents.iter().map(|id| task(id, &["root"])));
    world.submit(tasks.collect());

    let granted = world.claim(1);
    assert!(world.complete(granted, Reported::Success) <= 1 + SETTLE_STEP);
    assert_eq!(world.count(TaskState::Queued), SETTLE_STEP as u64);
    assert_eq!(world.settle(), 4);
    assert_eq!(world.count(TaskState::Queued), 5_000);
}

#[test]
fn five_thousand_dependents_are_skipped_and_brought_back_in_steps() {
    let mut world = World::new();
    let dependents: Vec<String> = (0..5_000).map(|index| format!("leaf-{index}")).collect();
    let tasks = [task("root", &[])]
        .into_iter()
        .chain(dependents.iter().map(|id| task(id, &["root"])));
    world.submit(tasks.collect());

    let granted = world.claim(1);
    world.complete(granted, failure());
    assert_eq!(world.settle(), 4);
    assert_eq!(world.count(TaskState::Skipped), 5_000);

    // The retried root fails again while half of the dependents are still skipped.
    world.retry("root");
    world.expire();
    let granted = world.claim(1);
    world.complete(granted, failure());
    world.settle();
    assert_eq!(world.count(TaskState::Skipped), 5_000);

    world.retry("root");
    world.settle();
    assert_eq!(world.count(TaskState::Blocked), 5_000);
}

#[test]
fn a_chain_is_skipped_and_brought_back_link_by_link() {
    let mut world = World::new();
    let ids: Vec<String> = (0..MAX_SUBMIT_TASKS)
        .map(|index| format!("link-{index}"))
        .collect();
    let links = ids.windows(2).map(|pair| task(&pair[1], &[&pair[0]]));
    world.submit([task(&ids[0], &[])].into_iter().chain(links).collect());

    let granted = world.claim(1);
    world.complete(granted, failure());
    world.settle();
    assert_eq!(world.count(TaskState::Skipped), MAX_SUBMIT_TASKS as u64 - 1);
    world.retry(&ids[0]);
    world.settle();
    assert_eq!(world.count(TaskState::Blocked), MAX_SUBMIT_TASKS as u64 - 1);
}

#[test]
fn a_task_waits_for_a_thousand_others() {
    let mut world = World::new();
    let ids: Vec<String> = (0..1_000).map(|index| format!("part-{index}")).collect();
    let needs: Vec<&str> = ids.iter().map(String::as_str).collect();
    let parts = ids.iter().map(|id| task(id, &[]));
    world.submit(parts.chain([task("sum", &needs)]).collect());

    for round in 0..10 {
        assert_eq!(
            world.count(TaskState::Blocked),
            1,
            "the sum waits after {round} rounds"
        );
        let granted = world.claim(MAX_CLAIM_TASKS);
        world.complete(granted, Reported::Success);
    }
    world.settle();
    assert_eq!(world.count(TaskState::Blocked), 0);
    assert_eq!(world.claim(1).len(), 1);
}

#[test]
fn an_agent_holds_so_many_leases_that_one_decision_can_end_them_all() {
    let mut world = World::new();
    world.submit(
        (0..MAX_HELD_LEASES + 10)
            .map(|index| task(&format!("task-{index}"), &[]))
            .collect(),
    );
    let mut granted = 0;
    loop {
        match world.claim(MAX_CLAIM_TASKS).len() {
            0 => break,
            more => granted += more,
        }
    }
    assert_eq!(granted, MAX_HELD_LEASES);
    world.register();
    assert_eq!(world.count(TaskState::Queued), MAX_HELD_LEASES as u64 + 10);
}

#[test]
fn the_largest_number_is_after_everything() {
    let mut world = World::new();
    world.submit(vec![task("a", &[])]);
    assert_eq!(world.state.tasks_after(Number(u64::MAX)).count(), 0);
    assert_eq!(world.state.jobs_after(Number(u64::MAX)).count(), 0);
}

struct World {
    state: State,
    now: Timestamp,
    tokens: u128,
    session: Session,
}

impl World {
    fn new() -> World {
        let mut world = World {
            state: State::default(),
            now: Timestamp(0),
            tokens: 0,
            session: Session(0),
        };
        world.register();
        world
    }

    /// Runs a decision that must not be refused, and answers with its number of events.
    fn decide<T>(&mut self, decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>) -> (T, usize) {
        let (result, changes) = decide(&mut self.state, self.now, decision);
        assert!(changes.len() <= MAX_DECISION_EVENTS);
        self.state.check().expect("the state holds together");
        (result.expect("nothing here is refused"), changes.len())
    }

    fn submit(&mut self, tasks: Vec<NewTask>) {
        self.decide(|draft| {
            submit::decide(
                draft,
                Submit {
                    tasks,
                    ..Submit::default()
                },
            )
        });
    }

    fn register(&mut self) {
        let request = Register {
            agent: agent(),
            name: "laptop".into(),
            labels: BTreeMap::new(),
            slots: 8,
            executors: [Executor::Command].into(),
            rules: Rules::Everything,
            version: "1.0.0".into(),
            held: Vec::new(),
            lease_ttl: TTL,
            jitter: 0,
            process: None,
        };
        self.session = self
            .decide(|draft| register::decide(draft, request))
            .0
            .expect("an agent may register again")
            .session;
    }

    fn claim(&mut self, count: usize) -> Vec<Proof> {
        let tokens = (0..count as u128)
            .map(|index| LeaseToken((self.tokens + index).to_be_bytes()))
            .collect();
        self.tokens += count as u128;
        let request = Claim {
            agent: agent(),
            session: self.session,
            wants: Wants::default(),
            request_id: "".into(),
            tokens,
            lease_ttl: TTL,
        };
        let (granted, _) = self.decide(|draft| claim::decide(draft, request));
        let proof = |task: &Arc<swarm_engine::noun::task::Task>| {
            let token = task.lease().map(|lease| lease.token);
            Proof {
                task: task.id.clone(),
                attempt: task.attempt_count,
                token,
            }
        };
        granted.iter().map(proof).collect()
    }

    /// Reports the same for all tasks, and answers with the number of events.
    fn complete(&mut self, granted: Vec<Proof>, result: Reported) -> usize {
        let report = |proof| Report {
            proof,
            result: result.clone(),
            output: Arc::default(),
            hash: ReportHash([1; 16]),
        };
        let request = Complete {
            agent: agent(),
            reports: granted.into_iter().map(report).collect(),
            jitter: 0,
            lease_ttl: Duration::from_secs(90),
            started: Timestamp(0),
        };
        let (results, events) = self.decide(|draft| Ok(complete::decide(draft, request)));
        assert!(results.iter().all(Result::is_ok));
        events
    }

    fn retry(&mut self, id: &str) {
        let request = Retry {
            task: TaskId::stored(id),
            revision: None,
        };
        let (results, _) = self.decide(|draft| Ok(retry::decide(draft, &[request])));
        assert!(results.iter().all(Result::is_ok));
    }

    fn expire(&mut self) {
        let (_, events) = self.decide(|draft| expire::decide(draft, 0));
        assert!(events <= SETTLE_STEP);
    }

    /// Lets the engine settle everything, and answers with the number of steps.
    fn settle(&mut self) -> usize {
        let mut steps = 0;
        while self.state.next_deadline().is_some_and(|next| next <= self.now) {
            self.expire();
            steps += 1;
        }
        steps
    }

    fn count(&self, state: TaskState) -> u64 {
        self.state.counts().of(state)
    }
}

fn agent() -> AgentId {
    AgentId::stored("laptop")
}

fn task(id: &str, needs: &[&str]) -> NewTask {
    NewTask {
        id: TaskId::stored(id),
        spec: id.as_bytes().into(),
        needs: Needs::command(QueueName::stored("default")),
        bucket: Bucket(0),
        priority: 0,
        dependencies: needs
            .iter()
            .map(|id| (TaskId::stored(id), Condition::Succeeded))
            .collect(),
        retry: RetryPolicy {
            max_retries: 0,
            initial_backoff: TTL.into(),
            max_backoff: TTL.into(),
        },
        timeout: TTL.into(),
        not_before: None,
        delay: None,
        deadline: None,
    }
}

fn failure() -> Reported {
    let (reason, message) = ("exit".into(), "".into());
    let failure = Failure {
        reason,
        blame: Blame::Task,
        message,
        exit_code: Some(1),
        signal: None,
    };
    Reported::Failure {
        failure,
        retry_after: None,
    }
}
