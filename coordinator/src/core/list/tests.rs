//! Lists in both orders, with filters that memory, store and specs have to answer together.

use std::sync::Arc;

use swarm_engine::{
    id::{Number, TaskId},
    noun::task::{Task, TaskState},
    state::direction::Direction,
    time::Timestamp,
};

use super::Listing;
use crate::testing::{
    fixture::{Fixture, everything},
    requests::{agent, task},
};

/// Four batches of ten tasks, each submitted at a time of its own; all but the last and some of the third have
/// ended and left memory. Gives the times of the batches.
async fn four_batches() -> (Fixture, Vec<Timestamp>) {
    let swarm = Fixture::new();
    swarm.register().await;
    let mut times = Vec::new();
    for batch in 0..4 {
        let before = swarm.core.clock.now();
        swarm.until(|| swarm.core.clock.now() > before).await;
        let tasks = (0..10).map(|index| task(&format!("t{batch}{index}"), &[]));
        let job = (batch % 2 == 0).then(|| format!("job-{batch}"));
        swarm.submit(job.as_deref(), tasks.collect()).await.unwrap();
        times.push(swarm.task(&format!("t{batch}0")).await.unwrap().created);
        let granted = swarm.claim(if batch == 2 { 5 } else { 10 - batch * 3 }).await;
        for result in swarm
            .complete(&granted, swarm_engine::command::complete::Reported::Success)
            .await
        {
            result.unwrap();
        }
    }
    swarm.settle().await;
    (swarm, times)
}

fn newest_first(mut wanted: Listing) -> Listing {
    wanted.direction = Direction::NewestFirst;
    wanted.cursor = Direction::NewestFirst.start();
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_first_is_the_oldest_first_turned_around() {
    let (swarm, times) = four_batches().await;
    let spec: super::SpecFilter = Arc::new(|task: &Task| task.id.as_str().ends_with(['1', '4', '9']));
    let filters: [&dyn Fn(&mut Listing); 8] = [
        &|_| {},
        &|wanted| wanted.job = Some(swarm_engine::id::JobId::stored("job-2")),
        &|wanted| wanted.states = vec![TaskState::Succeeded],
        &|wanted| wanted.states = vec![TaskState::Queued],
        &|wanted| wanted.agent = Some(agent()),
        &|wanted| wanted.from = Some(times[1]),
        &|wanted| (wanted.from, wanted.before) = (Some(times[1]), Some(times[3])),
        &|wanted| wanted.spec = Some(Arc::clone(&spec)),
    ];
    let mut sizes = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let with = |size| {
            let mut wanted = everything(size);
            filter(&mut wanted);
            wanted
        };
        let all = swarm.list_all(with(1_000)).await;
        assert!(all.is_sorted(), "filter {index}");
        let turned: Vec<u64> = all.iter().rev().copied().collect();
        for size in [1, 3, 10, 1_000] {
            assert_eq!(
                swarm.list_all(with(size)).await,
                all,
                "filter {index}, pages of {size}"
            );
            let back = swarm.list_all(newest_first(with(size))).await;
            assert_eq!(back, turned, "filter {index}, pages of {size}");
        }
        sizes.push(all.len());
    }
    let ended = 10 + 7 + 5 + 1;
    assert_eq!(sizes, [40, 10, ended, 40 - ended, ended, 30, 20, 12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_no_task_can_be_in_lists_nothing() {
    let (swarm, _) = four_batches().await;
    let mut wanted = everything(10);
    wanted.states.clear();
    assert!(swarm.list_all(wanted).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_submitted_outside_the_wanted_time_is_passed_over_at_once() {
    let (swarm, times) = four_batches().await;
    let number = |task: Option<Arc<Task>>| task.map(|task| task.number);
    let first = async |wanted: Listing| swarm.core.list(&wanted).await.unwrap().value;
    let mut late = everything(1);
    late.from = Some(times[3]);
    let page = first(late).await;
    assert_eq!(
        number(page.tasks.first().cloned()),
        number(swarm.task("t30").await)
    );

    let mut early = newest_first(everything(1));
    early.before = Some(times[1]);
    let page = first(early).await;
    assert_eq!(
        number(page.tasks.first().cloned()),
        number(swarm.task("t09").await)
    );

    let mut never = everything(1_000);
    never.before = Some(times[0]);
    assert_eq!(first(never).await.next, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_come_meanwhile_are_listed_behind_and_not_in_front_of_what_was_seen() {
    let (swarm, _) = four_batches().await;
    let mut wanted = newest_first(everything(7));
    let mut seen: Vec<TaskId> = Vec::new();
    for round in 0.. {
        let page = swarm.core.list(&wanted).await.unwrap().value;
        seen.extend(page.tasks.iter().map(|task| task.id.clone()));
        let new = task(&format!("new-{round}"), &[]);
        swarm.submit(None, vec![new]).await.unwrap();
        swarm.work().await;
        match page.next {
            Some(Number(next)) => wanted.cursor = Number(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 40);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
}
