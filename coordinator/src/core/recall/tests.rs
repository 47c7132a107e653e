//! Forgotten tasks are as good as those in memory, on real files.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use swarm_engine::{
    draft::replay,
    id::{Number, Seq},
    noun::task::TaskState,
    rejection::Rejection,
    rule::retry::mix,
    state::State,
};

use crate::{
    core::view::View,
    machine::data_dir::DataDir,
    records::{Entry, LAYOUT, task::key},
    start::{self, Opened},
    store::Store,
    stored,
    testing::{
        fixture::Fixture,
        requests::{failure, id, task},
    },
    upkeep::retention::sweep,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_under_the_id_of_a_removed_one_stays_in_memory_until_the_removal_is_noted() {
    let swarm = Fixture::new();
    swarm.register().await;
    let under_way = swarm.core.request_under_way(id("a"));
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    swarm.work().await;
    swarm.settle().await;
    let record = swarm.task("a").await.unwrap();
    // As it is between the writing of a batch that has a removal of this id and the note of it.
    swarm.core.set_leaving(&record);
    drop(under_way);
    assert!(swarm.task("a").await.is_some(), "it was forgotten too early");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_task_leaves_memory_and_is_still_found() {
    let swarm = Fixture::new();
    swarm.register().await;
    let tasks = (0..30).map(|index| task(&format!("t{index}"), &[])).collect();
    swarm.submit(Some("job"), tasks).await.unwrap();
    swarm.work().await;
    swarm.settle().await;

    assert_eq!(swarm.tasks_in_memory(), 0);
    let found = swarm.task("t7").await.unwrap();
    assert_eq!(found.state(), TaskState::Succeeded);
    let output = swarm.core.outputs.get(found.number, found.attempt_count).unwrap();
    assert_eq!(output.unwrap().stdout, b"output of t7");
    assert!(swarm.task("t30").await.is_none());
    let counts = swarm.core.lock().state.counts();
    assert_eq!((counts.of(TaskState::Succeeded), counts.total()), (30, 30));
    swarm.check();

    let swarm = swarm.restart();
    assert_eq!(swarm.tasks_in_memory(), 0);
    let counts = swarm.core.lock().state.counts();
    assert_eq!((counts.of(TaskState::Succeeded), counts.total()), (30, 30));
    assert_eq!(swarm.task("t7").await.unwrap(), found);
    swarm.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_may_depend_on_one_that_finished_long_ago() {
    let swarm = Fixture::new();
    swarm.register().await;
    swarm
        .submit(None, vec![task("old", &[]), task("bad", &[])])
        .await
        .unwrap();
    let granted = swarm.claim(2).await;
    swarm
        .complete(&granted[..1], swarm_engine::command::complete::Reported::Success)
        .await;
    swarm.complete(&granted[1..], failure()).await;
    swarm.settle().await;
    let swarm = swarm.restart();
    assert!(!swarm.is_in_memory("old"));

    let new = vec![task("good", &["old"]), task("skipped", &["bad"])];
    let states: Vec<TaskState> = swarm
        .submit(None, new)
        .await
        .unwrap()
        .iter()
        .map(|task| task.state)
        .collect();
    assert_eq!(states, [TaskState::Queued, TaskState::Skipped]);
    assert!(matches!(
        swarm.submit(None, vec![task("x", &["never"])]).await,
        Err(Rejection::Invalid(_))
    ));

    // What something is skipped because of stays in memory, also after a start, and brings it back.
    let swarm = swarm.restart();
    assert!(swarm.is_in_memory("bad") && swarm.is_in_memory("skipped"));
    swarm.check();
    assert_eq!(swarm.retry("bad").await, Ok(TaskState::Queued));
    assert_eq!(swarm.task("skipped").await.unwrap().state(), TaskState::Blocked);
    swarm.work().await;
    swarm.settle().await;
    assert_eq!(swarm.tasks_in_memory(), 0);
    assert_eq!(
        swarm.core.lock().state.counts().of(TaskState::Succeeded),
        4,
        "all have succeeded in the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_name_forgotten_tasks_are_answered_as_ever() {
    let swarm = Fixture::new();
    swarm.register().await;
    let tasks = || vec![task("a", &[]), task("b", &["a"])];
    swarm.submit(Some("job"), tasks()).await.unwrap();
    let proofs = swarm.work().await;
    swarm.settle().await;
    let swarm = swarm.restart();
    let seq = swarm.core.lock().state.seq();

    for accepted in swarm
        .complete(&proofs, swarm_engine::command::complete::Reported::Success)
        .await
    {
        assert!(accepted.unwrap().already_completed);
    }
    let other = swarm.complete(&proofs[..1], failure()).await.remove(0);
    assert!(other.is_ok(), "a report is known by its hash: {other:?}");
    let mut stranger = proofs[0].clone();
    stranger.attempt.0 += 1;
    let lost = swarm.complete(&[stranger], failure()).await.remove(0);
    assert!(matches!(lost, Err(Rejection::LeaseLost { .. })), "{lost:?}");

    let again = swarm.submit(Some("job"), tasks()).await.unwrap();
    assert!(again.iter().all(|task| task.existed));
    let mut changed = tasks();
    changed[0].spec = b"another".as_slice().into();
    assert!(matches!(
        swarm.submit(None, changed).await,
        Err(Rejection::Invalid(_))
    ));
    assert_eq!(swarm.core.lock().state.seq(), seq, "nothing was changed");
    assert_eq!(swarm.tasks_in_memory(), 0, "what was named is forgotten again");

    assert_eq!(swarm.retry("a").await, Ok(TaskState::Queued));
    assert!(!swarm.is_in_memory("b"));
    let round = swarm.work().await;
    assert_eq!(round[0].attempt.0, 2, "attempts go on");
    swarm.settle().await;
    swarm.check();
    let job = swarm_engine::id::JobId::stored("job");
    let counts = swarm.core.lock().state.job_counts(&job);
    assert_eq!((counts.of(TaskState::Succeeded), counts.total()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_id_is_not_looked_up_once_those_in_the_store_are_known() {
    let swarm = Fixture::new();
    swarm.register().await;
    swarm.submit(None, vec![task("before", &[])]).await.unwrap();
    swarm.work().await;
    swarm.settle().await;
    swarm.core.fill_stored_ids().unwrap();
    swarm.submit(None, vec![task("after", &[])]).await.unwrap();
    swarm.work().await;
    swarm.settle().await;
    assert_eq!(swarm.tasks_in_memory(), 0);

    // Nobody else may read the store meanwhile.
    let turns = u32::try_from(swarm.core.budget.recall.readers).unwrap();
    let all_turns = swarm.core.store_readers.acquire_many(turns).await.unwrap();
    let submitted = swarm.submit(None, vec![task("new", &[])]).await.unwrap();
    assert!(!submitted[0].existed);
    drop(all_turns);
    for known in ["before", "after", "new"] {
        let again = swarm.submit(None, vec![task(known, &[])]).await.unwrap();
        assert!(again[0].existed, "{known}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_each_task_once_in_order_wherever_it_is() {
    let swarm = Fixture::new();
    swarm.register().await;
    for round in 0..4 {
        let tasks = (0..30).map(|index| task(&format!("t{round}-{index}"), &[]));
        let job = format!("job-{}", round % 2);
        let job = (round < 2).then_some(job.as_str());
        swarm.submit(job, tasks.collect()).await.unwrap();
        // Every other task is done and forgotten.
        let granted = swarm.claim(15).await;
        swarm
            .complete(&granted, swarm_engine::command::complete::Reported::Success)
            .await;
    }
    swarm.settle().await;
    assert_eq!(swarm.tasks_in_memory(), 60);

    let all = swarm.list(None, &[], 1_000).await;
    assert_eq!(all.len(), 120);
    assert!(all.is_sorted_by(|one, other| one < other));
    for size in [1, 7, 60] {
        assert_eq!(swarm.list(None, &[], size).await, all, "pages of {size}");
        let done = swarm.list(None, &[TaskState::Succeeded], size).await;
        let queued = swarm.list(None, &[TaskState::Queued], size).await;
        assert_eq!((done.len(), queued.len()), (60, 60));
        let mut both: Vec<u64> = done.into_iter().chain(queued).collect();
        both.sort_unstable();
        assert_eq!(both, all);
    }
    let of_job = swarm.list(Some("job-0"), &[], 4).await;
    assert_eq!(of_job, all[..30]);
    assert_eq!(swarm.list(Some("job-1"), &[], 100).await, all[30..60]);
}

/// Also where a batch of the store ends in the middle of a submit, whose events are one entry.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_exact_wherever_it_was_cut_off() {
    let swarm = Fixture::new();
    swarm.register().await;
    // Each has a leaf of the store for itself.
    let tasks = (0..1_500).map(|index| swarm_engine::command::submit::NewTask {
        spec: vec![7; 2_100].into(),
        ..task(&format!("t{index}"), &[])
    });
    swarm.submit(Some("big"), tasks.collect()).await.unwrap();
    let granted = swarm.claim(100).await;
    swarm
        .complete(&granted[..50], swarm_engine::command::complete::Reported::Success)
        .await;
    swarm.complete(&granted[50..], failure()).await;
    swarm
        .submit(None, vec![task("skipped", &[granted[60].task.as_str()])])
        .await
        .unwrap();
    swarm.retry(granted[70].task.as_str()).await.unwrap();
    swarm.settle().await;
    let files = swarm.stop();

    let whole = files.path().join("data");
    let expected = contents(&whole);
    let mut cuts = 0;
    loop {
        let cut = files.path().join("cut");
        let _ = std::fs::remove_dir_all(&cut);
        std::fs::create_dir_all(cut.join("journal")).unwrap();
        for file in std::fs::read_dir(whole.join("journal")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), cut.join("journal").join(file.file_name())).unwrap();
        }
        let complete = !build_until(&cut, cuts);
        let dir = DataDir::open(&cut).unwrap();
        let Opened { state, .. } = start::open(&dir).unwrap();
        state.check().unwrap();
        let counts = state.counts();
        assert_eq!(
            (
                counts.of(TaskState::Succeeded),
                counts.of(TaskState::Failed),
                counts.total()
            ),
            (50, 49, 1_501),
            "cut after {cuts} batches"
        );
        drop(dir);
        assert!(contents(&cut) == expected, "cut after {cuts} batches");
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 6, "only {cuts} batches: the test tests too little");
    assert!(whole.join("store/window").exists());
}

/// Some batches are one of sled's, and some are more.
const EVENTS_OF_A_BATCH: u64 = 257;

/// Writes the store from the journal up to so many batches; false when there are fewer.
fn build_until(data: &Path, batches: usize) -> bool {
    let options = crate::journal::Options::default();
    let journal =
        crate::journal::Journal::open(&data.join("journal"), options, crate::journal::Floor::default())
            .unwrap()
            .journal;
    let store = Store::open(&data.join("store"), &LAYOUT).unwrap();
    let mut view = View::new(store);
    let mut state = State::default();
    let mut done = 0;
    while state.seq().0 < journal.last_seq() {
        if done == batches {
            return true;
        }
        let next = state.seq().next().0;
        for (seq, bytes) in journal.reader().read(next, next, 1).unwrap() {
            let event = stored::decode(Seq(seq), bytes).unwrap();
            view.add(Entry::from(replay(&mut state, event))).unwrap();
            if seq.is_multiple_of(EVENTS_OF_A_BATCH) {
                view.flush().unwrap();
                done += 1;
            }
        }
    }
    false
}

/// Everything in a store.
fn contents(data: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let store = Store::open(&data.join("store"), &LAYOUT).unwrap();
    store.check().unwrap();
    store.scan(&[], &[]).map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_task_depends_on_stays_until_it_ends() {
    let swarm = Fixture::new();
    swarm.register().await;
    let tasks = vec![task("first", &[]), task("then", &["first"])];
    swarm.submit(None, tasks).await.unwrap();
    let granted = swarm.claim(1).await;
    swarm
        .complete(&granted, swarm_engine::command::complete::Reported::Success)
        .await;
    swarm.settle().await;
    assert!(swarm.is_in_memory("first"));
    swarm.work().await;
    swarm.settle().await;
    assert_eq!(swarm.tasks_in_memory(), 0);
    let tasks: Vec<Arc<_>> = vec![
        swarm.task("first").await.unwrap(),
        swarm.task("then").await.unwrap(),
    ];
    assert!(tasks[0].number < tasks[1].number && tasks[0].number > Number(0));
    assert_eq!(tasks[1].dependencies[0].task, id("first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_removed_between_the_reading_and_the_decision_is_not_taken_back() {
    let swarm = Fixture::new();
    swarm.register().await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    swarm.work().await;
    swarm.settle().await;
    let (pinned, missing) = swarm.core.pin(&Arc::new([id("a")].into()));
    let found = swarm.core.read_store(missing).await.unwrap();
    assert_eq!(found.len(), 1);

    assert_eq!(swarm.remove("a").await, Ok(TaskState::Succeeded));
    assert_eq!(swarm.remove("a").await, Err(Rejection::TaskNotFound(id("a"))));
    swarm.settle().await;
    let mut locked = swarm.core.lock();
    locked.take_back(pinned.pin, &found);
    assert!(locked.state.task(&id("a")).is_none());
    drop(locked);
    drop(pinned);
    swarm.check();
    assert!(!swarm.submit(None, vec![task("a", &[])]).await.unwrap()[0].existed);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_removals_at_once_one_removes_the_task() {
    let swarm = Fixture::new();
    swarm.register().await;
    for round in 0..20 {
        swarm.submit(None, vec![task("a", &[])]).await.unwrap();
        swarm.work().await;
        swarm.settle().await;
        let (one, other) = tokio::join!(swarm.remove("a"), swarm.remove("a"));
        assert!(one.is_ok() != other.is_ok(), "{round}: {one:?} and {other:?}");
    }
    swarm.check();
    assert_eq!(swarm.core.lock().state.counts().total(), 0);
}

/// Requests of every kind at once, over few tasks, while finished ones are forgotten and removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forgetting_recalling_and_removing_at_once_leave_a_whole_state() {
    /// Long enough for some retries to come in time.
    const KEEP: Duration = Duration::from_millis(20);
    let swarm = Fixture::new();
    swarm.register().await;
    let name = |index: u64| format!("t{}", index % 40);
    let over = AtomicBool::new(false);
    let is_over = || over.load(Ordering::Relaxed);
    // It goes on until enough of everything has happened.
    let enough = || {
        let last = swarm.core.lock().state.seq();
        let events = swarm.core.tail.page(Seq(1), last, usize::MAX).unwrap();
        let seen = |kind| events.iter().filter(|event| event.fact.kind() == kind).count();
        seen("task_retried") >= 30 && seen("task_removed") >= 100 && seen("task_succeeded") >= 150
    };
    let submitting = async {
        for round in 0..10_000 {
            if round % 20 == 0 && enough() {
                break;
            }
            let of = mix(1, round);
            let (own, need) = (name(of), name(of >> 32));
            let _ = swarm
                .submit(Some(&format!("j{}", round % 5)), vec![task(&own, &[])])
                .await;
            // The needed task may be unknown or removed, and then the new one is refused.
            let _ = swarm
                .submit(None, vec![task(&format!("{own}-{round}"), &[&need])])
                .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let working = async {
        for round in 0.. {
            if is_over() {
                return;
            }
            let granted = swarm.claim(4).await;
            let result = if mix(2, round).is_multiple_of(4) {
                failure()
            } else {
                swarm_engine::command::complete::Reported::Success
            };
            swarm.complete(&granted, result).await;
            tokio::task::yield_now().await;
        }
    };
    let retrying = async {
        for round in 0.. {
            if is_over() {
                return;
            }
            let _ = swarm.retry(&name(mix(3, round))).await;
            tokio::task::yield_now().await;
        }
    };
    let removing = async {
        while !is_over() {
            sweep(&swarm.core, KEEP).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let removing_by_name = async {
        for round in 0.. {
            if is_over() {
                return;
            }
            let _ = swarm.remove(&name(mix(5, round))).await;
            tokio::task::yield_now().await;
        }
    };
    let noting = async {
        while !is_over() {
            swarm.core.fill_stored_ids().unwrap();
            tokio::task::yield_now().await;
        }
    };
    let looking = async {
        for round in 0.. {
            if is_over() {
                return;
            }
            let listed = swarm.list(None, &[], 7).await;
            assert!(listed.is_sorted_by(|one, other| one < other));
            swarm.task(&name(mix(4, round))).await;
            swarm.check();
        }
    };
    tokio::join!(
        submitting,
        working,
        retrying,
        removing,
        removing_by_name,
        noting,
        looking
    );
    swarm.settle().await;
    for number in swarm.list(None, &[], 100).await {
        let stored = swarm.core.store.get(&key::done(number)).unwrap();
        let known = stored.map(|record| stored::decode_task(&record).unwrap());
        // What a live task depends on has ended and stays in memory.
        let inner = swarm.core.lock();
        let is_known = |task: swarm_engine::noun::task::Task| {
            inner.state.task(&task.id).is_some() || inner.stored_ids.may_have(&task.id)
        };
        assert!(known.is_none_or(is_known));
    }
    swarm.check();
    let counts = swarm.core.lock().state.counts();
    assert_eq!(swarm.list(None, &[], 100).await.len() as u64, counts.total());
    assert!(enough(), "the test tests too little");
    assert_eq!(swarm.core.lock().leaving.len(), 0);
    assert!(!swarm.core.lock().pins.holds(&id("t1")));

    let swarm = swarm.restart();
    swarm.check();
    assert_eq!(swarm.core.lock().state.counts(), counts);
    assert_eq!(swarm.list(None, &[], 100).await.len() as u64, counts.total());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_task_that_the_store_has_lost_is_noticed_before_anything_is_decided() {
    let grouped = |name: &str| {
        let mut new = task(name, &[]);
        new.needs = swarm_engine::noun::needs::Needs {
            group: Some(swarm_engine::id::GroupName::stored("g")),
            ..new.needs
        };
        new
    };
    let swarm = Fixture::new();
    swarm.register().await;
    swarm
        .submit(None, vec![grouped("one"), grouped("two")])
        .await
        .unwrap();
    assert_eq!(swarm.claim(1).await.len(), 1);
    swarm.settle().await;
    let number = swarm.task("one").await.unwrap().number.0;
    let store = swarm.path().join("store");
    let _files = swarm.stop();
    let opened = Store::open(&store, &LAYOUT).unwrap();
    opened.check_start().unwrap();
    // As sled does it: without a word to the digest.
    opened.swap_raw(&key::live(number), None).unwrap();
    assert!(opened.check_start().is_err());
}
