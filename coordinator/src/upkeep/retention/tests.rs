//! What ended long ago goes, from memory and store, and nothing that something needs.

use swarm_engine::{
    command::complete::Reported, id::TaskId, limits::CLOCK_TOLERANCE, noun::task::TaskState,
    rejection::Rejection,
};

use super::*;
use crate::{
    records::{job, output, task::key},
    testing::{
        fixture::Fixture,
        requests::{agent, failure, task},
    },
};

/// Keys of tasks, jobs and outputs in the store.
fn kept_keys(swarm: &Fixture) -> usize {
    [
        key::LIVE,
        key::DONE,
        key::ID,
        key::AGE,
        key::JOB_TASK,
        job::KIND,
        output::KIND,
    ]
    .iter()
    .map(|prefix| swarm.core.store().keys(prefix).unwrap().len())
    .sum()
}

/// Sweeps, with tasks kept for no time at all, until nothing goes any more.
async fn sweep_all(swarm: &Fixture) {
    loop {
        swarm.settle().await;
        let before = swarm.core.decided();
        sweep(&swarm.core, Duration::ZERO).await.unwrap();
        if swarm.core.decided() == before {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_stays_for_a_while_though_finished_tasks_are_kept_for_no_time_at_all() {
    let swarm = Fixture::new();
    swarm.register().await;
    prune_agents(&swarm.core, Duration::ZERO).await;
    assert!(swarm.core.peek(|state| state.agent(&agent()).is_some()));
    assert_eq!(AGENTS_KEPT, Duration::from_secs(600));
    assert_eq!(swarm.core.prune_agents(Duration::ZERO).await, 1);
    swarm.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_task_goes_with_its_outputs_and_its_job() {
    let swarm = Fixture::new();
    swarm.register().await;
    let tasks = (0..300).map(|index| task(&format!("t{index}"), &[])).collect();
    swarm.submit(Some("job"), tasks).await.unwrap();
    swarm.work().await;
    swarm.settle().await;

    sweep(&swarm.core, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(
        swarm.core.peek(|state| state.counts()).total(),
        300,
        "they are young"
    );
    sweep_all(&swarm).await;
    let counts = swarm.core.peek(|state| state.counts());
    assert_eq!((counts.total(), swarm.tasks_in_memory()), (0, 0));
    assert_eq!(swarm.core.peek(|state| state.job_count()), 0);
    assert_eq!(kept_keys(&swarm), 0);
    assert!(swarm.list(None, &[], 100).await.is_empty());
    assert!(swarm.task("t1").await.is_none());
    swarm.check();

    // The id is free again.
    let swarm = swarm.restart();
    let again = swarm.submit(Some("job"), vec![task("t1", &[])]).await.unwrap();
    assert!(!again[0].existed);
    assert_eq!(swarm.task("t1").await.unwrap().state(), TaskState::Queued);
    swarm.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_that_something_needs() {
    let swarm = Fixture::new();
    swarm.register().await;
    let tasks = vec![task("input", &[]), task("bad", &[])];
    swarm.submit(None, tasks).await.unwrap();
    let granted = swarm.claim(2).await;
    swarm.complete(&granted[..1], Reported::Success).await;
    swarm.complete(&granted[1..], failure()).await;
    swarm.settle().await;
    let swarm = swarm.restart();

    // A request that is under way has named it.
    let under_way = swarm.core.request_under_way(TaskId::stored("input"));
    sweep_all(&swarm).await;
    assert!(swarm.task("input").await.is_some());
    assert!(swarm.task("bad").await.is_none());
    let tasks = vec![task("live", &["input"])];
    swarm.submit(None, tasks).await.unwrap();
    drop(under_way);
    sweep_all(&swarm).await;
    assert!(swarm.task("input").await.is_some(), "its output is wanted");
    let gone = swarm.submit(None, vec![task("x", &["bad"])]).await;
    assert!(matches!(gone, Err(Rejection::Invalid(_))), "{gone:?}");

    swarm.work().await;
    sweep_all(&swarm).await;
    assert_eq!(kept_keys(&swarm), 0);
    swarm.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_task_that_the_store_still_has_is_not_found() {
    let swarm = Fixture::new();
    swarm.register().await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    let proofs = swarm.work().await;
    swarm.settle().await;
    let record = swarm.task("a").await.unwrap();
    sweep_all(&swarm).await;

    // As it is between the decision and the store.
    swarm.core.set_leaving(&record);
    let batch_of = |value: Option<Vec<u8>>| {
        let mut batch = crate::store::Batch::default();
        for (key, value) in [
            (
                key::id("a"),
                value.as_ref().map(|_| record.number.0.to_be_bytes().to_vec()),
            ),
            (key::done(record.number.0), value.clone()),
        ] {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.remove(key),
            }
        }
        batch
    };
    let through = swarm.core.store().applied_seq();
    let stale = crate::stored::encode_task(&record);
    swarm.core.store().apply(batch_of(Some(stale)), through).unwrap();
    assert!(swarm.task("a").await.is_none());
    assert!(swarm.list(None, &[], 10).await.is_empty());
    let report = swarm.complete(&proofs, Reported::Success).await.remove(0);
    assert!(matches!(report, Err(Rejection::TaskNotFound(_))), "{report:?}");
    swarm.core.store().apply(batch_of(None), through).unwrap();
    assert!(swarm.task("a").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_again_when_the_next_task_is_due_and_waits_while_the_time_is_ahead_of_the_clock() {
    let swarm = Fixture::new();
    swarm.register().await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    swarm.work().await;
    swarm.settle().await;
    let shutdown = CancellationToken::new();
    let keep = Duration::from_millis(300);

    swarm.core.be_ahead_of_wall(2 * CLOCK_TOLERANCE);
    let waiting = tokio::spawn(run(Arc::clone(&swarm.core), keep, shutdown.clone()));
    let gone = || swarm.core.peek(|state| state.counts()).total() == 0;
    // It would have gone long before.
    let old = || sweep_is_due(&swarm, 2 * keep);
    swarm.until(|| old() || gone()).await;
    assert!(swarm.task("a").await.is_some(), "the clock may be wrong");
    shutdown.cancel();
    waiting.await.unwrap();

    swarm.core.be_ahead_of_wall(Duration::ZERO);
    let shutdown = CancellationToken::new();
    let removing = tokio::spawn(run(Arc::clone(&swarm.core), keep, shutdown.clone()));
    swarm.until(gone).await;
    swarm.submit(None, vec![task("b", &[])]).await.unwrap();
    swarm.work().await;
    swarm.until(gone).await;
    shutdown.cancel();
    removing.await.unwrap();
}

fn sweep_is_due(swarm: &Fixture, keep: Duration) -> bool {
    let now = swarm.core.clock().now();
    let ended_by = Timestamp(now.0 - u64::try_from(keep.as_millis()).unwrap());
    let aging = aging::due(swarm.core.store(), (0, Number(0)), ended_by, 1).unwrap();
    !aging.due.is_empty()
}
