//! Bounds on what people may add: classes of tasks, holds and limits. And pages of queues, and the owners of shards.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, also where it is told"
)]

use std::{collections::BTreeMap, time::Duration};

use swarm_engine::{
    command::{
        cancel,
        claim::{self, Claim},
        hold::{self, LiftHold, PlaceHold, Wanted},
        limit::{self, Limit},
        register::{self, Register},
        retry::{self, Retry},
        submit::{self, NewTask, Submit},
    },
    draft::{Draft, decide},
    id::{AgentId, LeaseToken, QueueName, SessionToken, TaskId},
    limits::{MAX_AGENTS_VISITED, MAX_CLASSES, MAX_QUEUE_CLASSES, MAX_RULES, SHARDS_KEPT},
    noun::{
        hold::Scope,
        needs::{Bucket, Executor, Needs, Shard, Wants},
        outcome::{Blame, Failure, NOT_STARTED},
        rules::Rules,
        selector::Selector,
        tries::RetryPolicy,
    },
    rejection::{Full, Rejection},
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};

const TTL: Duration = Duration::from_secs(90);

#[derive(Default)]
struct World {
    state: State,
    now: Timestamp,
}

impl World {
    fn decide<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        decide(&mut self.state, self.now, decision).0
    }

    fn submit(&mut self, tasks: Vec<NewTask>) -> Result<(), Rejection> {
        let request = Submit {
            tasks,
            ..Submit::default()
        };
        self.decide(|draft| submit::decide(draft, request)).map(drop)
    }

    fn pause(&mut self, queue: &str) -> Result<(), Rejection> {
        let request = PlaceHold {
            scope: Scope::Queue(QueueName::stored(queue)),
            kind: Wanted::Pause,
            actor: "ann".into(),
            reason: "".into(),
        };
        self.decide(|draft| hold::place(draft, request)).map(drop)
    }

    fn resume(&mut self, queue: &str) {
        let request = LiftHold {
            scope: Scope::Queue(QueueName::stored(queue)),
            actor: "ann".into(),
        };
        self.decide(|draft| hold::lift(draft, request)).unwrap();
    }

    fn limit(&mut self, queue: &str, max_running: Option<u32>) -> Result<(), Rejection> {
        let request = Limit {
            queue: QueueName::stored(queue),
            max_running,
            actor: "ann".into(),
        };
        self.decide(|draft| limit::decide(draft, request))
    }

    fn register(&mut self, agent: &str) {
        let request = Register {
            agent: AgentId::stored(agent),
            name: agent.into(),
            labels: BTreeMap::new(),
            slots: 1,
            executors: [Executor::Command].into(),
            rules: Rules::Everything,
            version: "1".into(),
            held: Vec::new(),
            lease_ttl: TTL,
            jitter: 0,
            token: SessionToken([7; 16]),
            process: None,
        };
        self.decide(|draft| register::decide(draft, request))
            .unwrap()
            .unwrap();
    }

    /// Claims with any shard of this count, and answers how many shards the agent has now.
    fn shards(&mut self, agent: &str, count: u16) -> usize {
        let request = Claim {
            agent: AgentId::stored(agent),
            session: self.state.agent(&AgentId::stored(agent)).unwrap().session,
            wants: Wants {
                shard: Some(Shard { count, index: None }),
                ..Wants::default()
            },
            request_id: "".into(),
            tokens: vec![LeaseToken([1; 16])],
            lease_ttl: TTL,
        };
        self.decide(|draft| claim::decide(draft, request)).unwrap();
        self.state.shards(&AgentId::stored(agent), count).len()
    }
}

/// A task of this queue for agents with this label.
fn task(id: usize, queue: &str, label: usize) -> NewTask {
    let mut needs = Needs::command(QueueName::stored(queue));
    needs.class.selector = Selector::parse(&[format!("host=h{label}")]).unwrap();
    NewTask {
        id: TaskId::stored(&format!("{queue}-{id}")),
        spec: vec![b'x'; 10].into(),
        needs,
        bucket: Bucket(0),
        priority: 0,
        dependencies: Vec::new(),
        retry: RetryPolicy {
            max_retries: 0,
            initial_backoff: Duration::from_secs(1).into(),
            max_backoff: Duration::from_secs(1).into(),
        },
        timeout: Duration::from_secs(60).into(),
        not_before: None,
        delay: None,
        deadline: None,
    }
}

fn is_full(result: Result<(), Rejection>, expected: &Full) -> bool {
    matches!(result, Err(Rejection::Full(full)) if full == *expected)
}

#[test]
fn a_queue_has_so_many_classes_and_takes_more_tasks_of_those() {
    let mut world = World::default();
    let full = Full::Classes(QueueName::stored("day"));
    let all = (0..MAX_QUEUE_CLASSES).map(|index| task(index, "day", index));
    world.submit(all.collect()).unwrap();
    let more = vec![task(MAX_QUEUE_CLASSES, "day", MAX_QUEUE_CLASSES)];
    assert!(is_full(world.submit(more.clone()), &full));
    // A repeat, a known class, and another queue are as good as ever.
    world.submit(vec![task(7, "day", 7)]).unwrap();
    world.submit(vec![task(MAX_QUEUE_CLASSES + 1, "day", 7)]).unwrap();
    world.submit(vec![task(0, "night", 7)]).unwrap();
    // What waits for a time counts as well.
    let mut later = more[0].clone();
    later.delay = Some(Duration::from_secs(60));
    assert!(is_full(world.submit(vec![later]), &full));
    let too_many = (0..=MAX_QUEUE_CLASSES).map(|index| task(index, "new", index));
    let full = Full::Classes(QueueName::stored("new"));
    assert!(is_full(world.submit(too_many.collect()), &full));
    world.state.check().unwrap();
}

#[test]
fn what_is_retried_needs_room_for_its_class() {
    let mut world = World::default();
    world
        .submit(vec![task(0, "day", MAX_QUEUE_CLASSES), task(1, "day", 0)])
        .unwrap();
    let ended = [0, 1].map(|index| task(index, "day", 0).id);
    world.decide(|draft| Ok(cancel::decide(draft, &ended))).unwrap();
    let all = (0..MAX_QUEUE_CLASSES).map(|index| task(index + 2, "day", index));
    world.submit(all.collect()).unwrap();
    let tasks = ended.map(|task| Retry { task, revision: None });
    let retried = world.decide(|draft| Ok(retry::decide(draft, &tasks))).unwrap();
    let full = Full::Classes(QueueName::stored("day"));
    assert!(matches!(&retried[0], Err(Rejection::Full(why)) if *why == full));
    assert!(retried[1].is_ok(), "its class is there: {:?}", retried[1]);
    world.state.check().unwrap();
}

#[test]
fn lost_agents_hide_no_live_one() {
    let mut world = World::default();
    for index in 0..=MAX_AGENTS_VISITED {
        world.register(&format!("lost-{index}"));
    }
    world.now = world.now + 2 * TTL;
    world
        .submit(vec![NewTask {
            needs: Needs::command(QueueName::stored("day")),
            ..task(0, "day", 0)
        }])
        .unwrap();
    let failure = Failure {
        reason: NOT_STARTED.into(),
        blame: Blame::Machine,
        message: "".into(),
        exit_code: None,
        signal: None,
    };
    let fault = |world: &World| {
        let task = world.state.task(&TaskId::stored("day-0")).unwrap();
        let liveness = Liveness {
            now: world.now,
            ttl: TTL,
            started: Timestamp(0),
        };
        world
            .state
            .fault(task, &AgentId::stored("sick"), &failure, liveness)
            .addition()
    };
    world.register("sick");
    assert!(fault(&world).is_some_and(|said| said.contains("no other agent")));
    world.register("well");
    assert_eq!(fault(&world), None);
}

#[test]
fn all_queues_have_so_many_classes_together() {
    let mut world = World::default();
    let queues = MAX_CLASSES / MAX_QUEUE_CLASSES;
    for queue in 0..queues {
        let all = (0..MAX_QUEUE_CLASSES).map(|index| task(index, &format!("q{queue}"), index));
        world.submit(all.collect()).unwrap();
    }
    assert!(is_full(
        world.submit(vec![task(0, "another", 0)]),
        &Full::AllClasses
    ));
}

#[test]
fn queues_without_tasks_have_so_many_holds_and_limits_together() {
    let mut world = World::default();
    for index in 0..MAX_RULES / 2 {
        world.pause(&format!("q{index}")).unwrap();
        world.limit(&format!("q{index}"), Some(3)).unwrap();
    }
    let full = Full::Rules(QueueName::stored("more"));
    assert!(is_full(world.pause("more"), &full));
    assert!(is_full(world.limit("more", Some(3)), &full));
    // Those that are there can be changed and lifted, and a queue with tasks has its own.
    world.pause("q0").unwrap();
    world.limit("q0", Some(4)).unwrap();
    world.submit(vec![task(0, "more", 0)]).unwrap();
    world.pause("more").unwrap();
    world.resume("more");
    world.resume("q0");
    world.limit("q0", None).unwrap();
    world.pause("other").unwrap();
    world.state.check().unwrap();
}

#[test]
fn queues_are_listed_in_order_whatever_is_known_of_them() {
    let mut world = World::default();
    world.submit(vec![task(0, "c", 0), task(0, "e", 0)]).unwrap();
    for held in ["a", "c", "d"] {
        world.pause(held).unwrap();
    }
    for limited in ["b", "c", "f"] {
        world.limit(limited, Some(1)).unwrap();
    }
    world.register("laptop");
    let after = |name: &str| -> Vec<String> {
        let names = world.state.queues_after(name);
        names.map(|name| name.to_string()).collect()
    };
    assert_eq!(after(""), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(after("c"), ["d", "e", "f"]);
    assert!(after("f").is_empty());
}

#[test]
fn shards_are_given_out_at_most_once_in_a_while_whatever_is_asked() {
    let mut world = World::default();
    for agent in ["ada", "bob"] {
        world.register(agent);
    }
    assert_eq!(world.shards("ada", 4), 4);
    // Neither an agent that comes nor another count changes anything before the time is over.
    assert_eq!((world.shards("bob", 4), world.shards("ada", 8)), (0, 0));
    assert_eq!(world.shards("ada", 4), 4);
    world.now = world.now + SHARDS_KEPT;
    assert_eq!((world.shards("bob", 4), world.shards("ada", 4)), (2, 2));
    // An agent that asks for another count leaves its shards to the others.
    assert_eq!(world.shards("ada", 8), 0);
    world.now = world.now + SHARDS_KEPT;
    assert_eq!((world.shards("ada", 8), world.shards("bob", 4)), (8, 4));
}

#[test]
fn the_weight_of_all_records_is_what_they_are_loaded_with() {
    let mut world = World::default();
    assert_eq!(world.state.bytes(), 0);
    world.register("laptop");
    let of_agent = world.state.bytes();
    world.register("laptop");
    assert_eq!(world.state.bytes(), of_agent, "a record is replaced");
    world
        .submit((0..100).map(|index| task(index, "day", 0)).collect())
        .unwrap();
    let with_tasks = world.state.bytes();
    assert!(with_tasks > of_agent + 100 * 500, "{with_tasks}");
    world.pause("day").unwrap();
    world.limit("day", Some(1)).unwrap();
    assert_eq!(State::load(world.state.records()).bytes(), world.state.bytes());
    world.resume("day");
    world.limit("day", None).unwrap();
    assert_eq!(world.state.bytes(), with_tasks);
}
