//! Upkeep on real files, while tasks come and go.

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::{
    journal::{Options, ReadError},
    records::LAYOUT,
    store::Store,
    testing::{fixture::Fixture, requests::task},
};

const OPTIONS: Options = Options {
    segment_bytes: 16 * 1024,
};

const FOR_EVER: Duration = Duration::from_secs(1_000_000);

fn fixture(keep: KeepEvents) -> Fixture {
    let files = Arc::new(tempfile::tempdir().unwrap());
    let mut swarm = Fixture::open_with(files, OPTIONS);
    swarm.keep_up(keep);
    swarm
}

async fn run_tasks(swarm: &Fixture, round: usize) {
    for batch in 0..4 {
        let tasks = (0..100).map(|index| task(&format!("t-{round}-{batch}-{index}"), &[]));
        swarm.submit(None, tasks.collect()).await.unwrap();
        swarm.work().await;
    }
}

fn contents(dir: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = Store::open(&dir.join("store"), &LAYOUT).unwrap();
    store.scan(&[], &[]).map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_events_are_trimmed_and_what_is_left_rebuilds_the_store() {
    let keep = KeepEvents {
        age: FOR_EVER,
        bytes: 4 * OPTIONS.segment_bytes,
    };
    let swarm = fixture(keep);
    swarm.register().await;
    let journal = swarm.core.journal().clone();
    for round in 0..3 {
        let before = journal.oldest_seq();
        run_tasks(&swarm, round).await;
        swarm.until(|| journal.oldest_seq() > before).await;
    }
    match journal.read(1, 1, 1) {
        Err(ReadError::Trimmed { oldest, .. }) => assert_eq!(oldest, journal.oldest_seq()),
        other => panic!("{other:?}"),
    }
    let usable = snapshot::usable(&swarm.path().join("snapshot")).unwrap();
    assert_eq!(usable.len(), 2);
    assert!(
        usable[1].origin().seq + 1 >= journal.oldest_seq(),
        "the older snapshot is of no use"
    );
    drop(journal);
    let files = swarm.stop();
    let data = files.path().join("data");
    let before = contents(&data);
    fs::remove_dir_all(data.join("store")).unwrap();
    // A new epoch writes its own identity and time, and nothing else.
    let files = Fixture::open_with(files, OPTIONS).stop();
    let without_meta = |contents: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<_> {
        let is_record = |(key, _): &(Vec<u8>, Vec<u8>)| !key.starts_with(crate::store::key::META);
        contents.into_iter().filter(is_record).collect()
    };
    assert!(without_meta(contents(&files.path().join("data"))) == without_meta(before));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_trimmed() {
    let keep = KeepEvents {
        age: Duration::from_millis(1),
        bytes: u64::MAX,
    };
    let swarm = fixture(keep);
    swarm.register().await;
    run_tasks(&swarm, 0).await;
    let last_segment = |swarm: &Fixture| {
        let names = fs::read_dir(swarm.path().join("journal")).unwrap();
        let segments = names.filter(|name| {
            let path = name.as_ref().unwrap().path();
            path.extension().is_some_and(|extension| extension == "seg")
        });
        segments.count() == 1
    };
    swarm.until(|| last_segment(&swarm)).await;
    swarm.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_marked_when_the_coordinator_stops() {
    let keep = KeepEvents {
        age: FOR_EVER,
        bytes: u64::MAX,
    };
    let swarm = fixture(keep);
    swarm.register().await;
    run_tasks(&swarm, 0).await;
    let last = swarm.core.decided();
    let files = swarm.stop();
    let mark = fs::read(files.path().join("data/journal/high-water")).unwrap();
    assert_eq!(mark[8..16], last.0.to_le_bytes());
}
