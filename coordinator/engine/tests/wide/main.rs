//! Many tasks at once: consequences are settled in bounded steps.

mod rounds;
mod world;

use swarm_engine::{
    command::complete::Reported,
    id::{GroupName, Number},
    limits::{MAX_CLAIM_TASKS, MAX_HELD_LEASES, MAX_LINES_VISITED, MAX_SUBMIT_TASKS, SETTLE_STEP},
    noun::{
        needs::{Bucket, Wants},
        rules::{Program, Rules},
        task::TaskState,
    },
    rule::fit::Passed,
};

use crate::world::{World, agent, failure, task};

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
fn tasks_that_a_claim_passed_over_are_all_counted_though_not_all_are_looked_at() {
    const PROGRAMS: usize = MAX_LINES_VISITED + 2_000;
    let mut world = World::new();
    world.register_with(Rules::programs(&["git"]));
    let tasks = (0..PROGRAMS).map(|index| {
        let mut task = task(&format!("task-{index}"), &[]);
        // The oldest is in the last line.
        task.needs.program = Program::named(&format!("./{:06}", PROGRAMS - index));
        task
    });
    let tasks: Vec<_> = tasks.collect();
    for some in tasks.chunks(MAX_SUBMIT_TASKS) {
        world.submit(some.to_vec());
    }
    let laptop = world.state.agent(&agent()).unwrap();
    let passed = world.state.passed(laptop, &Wants::default());
    assert_eq!(passed, [(Passed::Rules, PROGRAMS as u64)]);
    assert_eq!(world.state.oldest_queued().unwrap().id, tasks[0].id);
}

#[test]
fn tasks_come_in_order_whatever_their_programs_groups_and_buckets() {
    let mut world = World::new();
    let tasks = (0..600_usize).map(|index| {
        // A different order in each of them.
        let pick = |from: usize, of: usize| index * from % 601 % of;
        let mut task = task(&format!("task-{index}"), &[]);
        task.priority = pick(7, 3) as i16;
        task.bucket = Bucket(pick(11, 4) as u8);
        task.needs.program = Program::named(&format!("./{}", pick(13, 50)));
        let group = pick(17, 4);
        task.needs.group = (group > 0).then(|| GroupName::stored(&format!("group-{group}")));
        task
    });
    world.submit(tasks.collect());
    for _ in 0..4 {
        let offer = world
            .state
            .offer(world.state.agent(&agent()).unwrap(), &Wants::default());
        let is_free = |group: &GroupName| world.state.ready().holder(group).is_none();
        let queued = world.state.tasks_after(Number(0));
        let queued = queued.filter(|task| {
            task.state() == TaskState::Queued && task.needs.group.as_ref().is_none_or(is_free)
        });
        let mut expected: Vec<_> = queued.map(|task| (-task.priority, task.number)).collect();
        expected.sort_unstable();
        let expected: Vec<Number> = expected.into_iter().map(|(_, number)| number).collect();
        let in_order = world.state.ready().in_order(&offer, |_| true).unwrap();
        assert_eq!(in_order.collect::<Vec<_>>(), expected);
        // A group has a running task, or none again.
        let granted = world.claim(5);
        world.complete(granted[..2].to_vec(), Reported::Success);
    }
}

#[test]
fn the_largest_number_is_after_everything() {
    let mut world = World::new();
    world.submit(vec![task("a", &[])]);
    assert_eq!(world.state.tasks_after(Number(u64::MAX)).count(), 0);
    assert_eq!(world.state.jobs_after(Number(u64::MAX)).count(), 0);
}
