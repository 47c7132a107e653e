//! Rounds: an agent that may be given none of the first tasks looks at the others, some with each decision.

use swarm_engine::{
    command::{claim, register::Register},
    id::{AgentId, QueueName},
    limits::{
        MAX_CLAIM_TASKS, MAX_HELD_LEASES, MAX_LINES_VISITED, MAX_SCAN, MAX_SCAN_IN_ORDER, MAX_SUBMIT_TASKS,
        SCAN_PAUSE_PER_STEP, SHARDS_KEPT,
    },
    noun::{
        needs::{Bucket, Executor, Shard, Wants},
        rules::{Program, Rules},
    },
    rule::fit::Liveness,
};

use crate::world::{TTL, World, agent, refusal, registration, task};

/// More tasks than one decision looks at.
const MANY: usize = (MAX_SCAN + MAX_SCAN_IN_ORDER + 100) as usize;

impl World {
    fn goes_on(&self) -> bool {
        claim::goes_on(&self.state, &agent(), &Wants::default())
    }

    /// Lets the agent refuse all tasks, which it avoids for a while.
    fn refuse_all(&mut self) {
        let mut held = Vec::new();
        loop {
            let granted = self.claim(MAX_CLAIM_TASKS);
            if granted.is_empty() {
                break;
            }
            held.extend(granted);
        }
        self.complete(held, refusal());
    }
}

#[test]
fn a_round_goes_on_at_once_only_while_the_agent_can_be_given_more() {
    let mut world = World::new();
    let avoided = (0..MANY).map(|index| task(&format!("avoided-{index}"), &[]));
    world.submit(avoided.collect());
    world.refuse_all();
    assert!(world.claim(1).is_empty() && world.goes_on());

    world.pause();
    assert!(world.claim(1).is_empty() && !world.goes_on());
    world.resume();
    assert!(world.goes_on());

    let mut others: Vec<_> = (0..MAX_HELD_LEASES)
        .map(|index| task(&format!("other-{index}"), &[]))
        .collect();
    for other in &mut others {
        other.priority = 1;
    }
    world.submit(others);
    while !world.claim(MAX_CLAIM_TASKS).is_empty() {}
    assert!(!world.goes_on(), "no lease is left for what a round would find");
}

#[test]
fn a_round_begins_anew_for_an_agent_that_may_run_other_tasks() {
    let wants = Wants {
        scan_limit: 2,
        ..Wants::default()
    };
    let mut world = World::new();
    let tasks = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")];
    let tasks = tasks.map(|(id, program)| {
        let mut task = task(id, &[]);
        task.needs.program = Program::named(program);
        task
    });
    world.submit(tasks.into());
    world.register_with(Rules::programs(&["x"]));
    world.refuse_all();
    // Three tasks are seen, and the one that is not allowed is passed over.
    for _ in 0..4 {
        assert!(world.claim_for(wants.clone(), 1).is_empty());
    }
    world.register_with(Rules::programs(&["x", "y"]));
    assert!(world.claim_for(wants.clone(), 1).is_empty());
    let is_scanning = world.state.is_scanning(&agent());
    assert!(is_scanning, "what came before was looked at by other rules");
    let granted: Vec<_> = (0..3).flat_map(|_| world.claim_for(wants.clone(), 1)).collect();
    assert_eq!(granted.len(), 1);
}

#[test]
fn a_round_begins_anew_for_a_claim_with_other_wishes() {
    let of_queue = |queue: &[&str]| Wants {
        queues: queue.iter().map(|name| QueueName::stored(name)).collect(),
        scan_limit: 2,
        ..Wants::default()
    };
    let mut world = World::new();
    let tasks = [("a", "day"), ("b", "day"), ("c", "night"), ("d", "night")];
    let tasks = tasks.map(|(id, queue)| {
        let mut task = task(id, &[]);
        task.needs.class.queue = QueueName::stored(queue);
        task
    });
    world.submit(tasks.into());
    world.refuse_all();
    for _ in 0..2 {
        assert!(world.claim_for(of_queue(&["night"]), 1).is_empty());
    }
    assert!(world.claim_for(of_queue(&[]), 1).is_empty());
    assert!(
        world.state.is_scanning(&agent()),
        "the first queue was not looked at"
    );
}

#[test]
fn what_the_owner_of_a_shard_cannot_run_is_found_behind_many_tasks_that_he_can() {
    let shared = Wants {
        shard: Some(Shard {
            count: 2,
            index: None,
        }),
        ..Wants::default()
    };
    let mut world = World::new();
    let bob = AgentId::stored("bob");
    let of_bob = world.introduce(registration(bob.clone()));
    world.session = world.introduce(Register {
        executors: [Executor::Command, Executor::Prompt].into(),
        ..registration(agent())
    });
    let shards = loop {
        let claim = world.claim_of(bob.clone(), of_bob, shared.clone(), 1);
        world.decide(|draft| claim::decide(draft, claim));
        world.claim_for(shared.clone(), 1);
        let shards = world.state.shards(&bob, 2);
        if shards.len() == 1 {
            break shards;
        }
        world.now = world.now + SHARDS_KEPT;
    };
    let mut tasks: Vec<_> = (0..=MANY)
        .map(|index| task(&format!("task-{index}"), &[]))
        .collect();
    for task in &mut tasks {
        task.bucket = Bucket(shards[0] as u8);
    }
    tasks[MANY].needs.class.executor = Executor::Prompt;
    world.submit(tasks);
    assert!(world.claim_for(shared.clone(), 1).is_empty());
    assert!(claim::goes_on(&world.state, &agent(), &shared));
    let found = world.claim_for(shared, 1);
    assert_eq!(found[0].task.as_str(), format!("task-{MANY}"));
}

/// An agent that may run only the last of so many programs, and that many tasks of it.
fn behind_programs(programs: usize, tasks: usize) -> World {
    let mut world = World::new();
    world.register_with(Rules::programs(&["./z"]));
    let program = |index| match index < programs {
        true => format!("./{index:06}"),
        false => "./z".to_owned(),
    };
    let tasks: Vec<_> = (0..programs + tasks)
        .map(|index| {
            let mut task = task(&format!("task-{index}"), &[]);
            task.needs.program = Program::named(&program(index));
            task
        })
        .collect();
    for some in tasks.chunks(MAX_SUBMIT_TASKS) {
        world.submit(some.to_vec());
    }
    world
}

#[test]
fn a_decision_that_looked_at_much_grants_no_more() {
    let mut world = behind_programs(MAX_LINES_VISITED - 1_000, MAX_CLAIM_TASKS);
    // Each look for a task puts nine thousand lines in order.
    assert_eq!(world.claim(MAX_CLAIM_TASKS).len(), 2);
    assert_eq!(world.claim(MAX_CLAIM_TASKS).len(), 2);
    world.register_with(Rules::Everything);
    assert_eq!(world.claim(MAX_CLAIM_TASKS).len(), MAX_CLAIM_TASKS);
}

#[test]
fn the_longer_a_round_was_the_longer_is_the_pause_before_another_one() {
    let mut world = behind_programs(2 * MAX_LINES_VISITED, 0);
    let again = |world: &World| {
        let liveness = Liveness {
            now: world.now,
            ttl: TTL,
            started: world.now,
        };
        claim::look_again(&world.state, &agent(), &Wants::default(), liveness)
    };
    assert!(world.claim(1).is_empty());
    // What comes meanwhile may be in a part that the round has seen.
    let mut other = task("other", &[]);
    other.needs.program = Program::named("./0");
    world.submit(vec![other]);
    while world.goes_on() {
        assert_eq!(again(&world), Some(world.now));
        assert!(world.claim(1).is_empty());
    }
    let steps = (2 * MAX_LINES_VISITED).div_ceil(MAX_SCAN as usize) as u32;
    let pause = SCAN_PAUSE_PER_STEP * (steps + 1);
    assert_eq!(again(&world), Some(world.now + pause));
}
