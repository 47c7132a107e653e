//! How long the journal takes: an entry until it is on disk, events to bytes and back, and reading. Figures are
//! compared with a saved baseline: see CONTRIBUTING.md.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use swarm_coordinator::{
    journal::{Floor, Journal, Options},
    stored,
};
use swarm_engine::{
    command::{
        start::{self, Start},
        submit::{self, NewTask, Submit},
    },
    draft,
    event::Event,
    id::{QueueName, Seq, TaskId},
    noun::{
        needs::{Bucket, Needs},
        tries::RetryPolicy,
    },
    state::State,
    time::Timestamp,
};
use tempfile::TempDir;

/// Entries after which old segments go: the disk is not what is measured.
const ENTRIES_BETWEEN_TRIMS: u64 = 1_000;

/// Events that are read at once.
const READ: u64 = 1_000;

/// On the disk where everything is built: a directory in memory syncs nothing.
fn disk_dir() -> TempDir {
    TempDir::new_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a directory can be made")
}

/// Submitted tasks, as the engine makes them.
fn events(count: usize) -> Vec<Event> {
    let mut state = State::default();
    let start = Start {
        version: "1.0.0".into(),
        cluster_id: "cluster".into(),
        history: "history".into(),
        new_history: None,
        clocks: swarm_engine::time::Clocks::default(),
        set_back_to: None,
    };
    let (_, mut changes) = draft::decide(&mut state, Timestamp(1), |draft| start::decide(draft, start));
    let tasks = (0..count).map(|number| NewTask {
        id: TaskId::stored(&format!("task-{number}")),
        spec: vec![b'x'; 300].into(),
        needs: Needs::command(QueueName::stored("default")),
        bucket: Bucket(0),
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
    });
    let request = Submit {
        tasks: tasks.collect(),
        ..Submit::default()
    };
    let (submitted, more) = draft::decide(&mut state, Timestamp(2), |draft| submit::decide(draft, request));
    submitted.expect("nothing here is refused");
    changes.extend(more);
    changes
        .into_iter()
        .map(|change| change.event)
        .take(count)
        .collect()
}

fn payloads(count: usize) -> Vec<Bytes> {
    events(count).iter().map(stored::encode).collect()
}

fn append(criterion: &mut Criterion) {
    for count in [1, 16, 256] {
        let dir = disk_dir();
        let opened = Journal::open(dir.path(), Options::default(), Floor::default());
        let mut journal = opened.expect("an empty journal can be opened").journal;
        let payloads = payloads(count);
        let mut entries: u64 = 0;
        criterion.bench_function(&format!("append/{count} events and sync"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    let start = Instant::now();
                    let through = journal.append(1, &payloads).expect("the disk does not fail");
                    took += start.elapsed();
                    entries += 1;
                    if entries.is_multiple_of(ENTRIES_BETWEEN_TRIMS) {
                        journal.upkeep().trim(through).expect("the disk does not fail");
                    }
                }
                took
            });
        });
    }
}

fn encode(criterion: &mut Criterion) {
    let events = events(256);
    criterion.bench_function("encode/256 events", |bencher| {
        bencher.iter(|| {
            events
                .iter()
                .map(|event| stored::encode(black_box(event)).len())
                .sum::<usize>()
        });
    });
    let payloads = payloads(256);
    criterion.bench_function("decode/256 events", |bencher| {
        let decode = |payloads: Vec<Bytes>| {
            let decoded = payloads.into_iter().map(|bytes| stored::decode(Seq(1), bytes));
            decoded.filter(Result::is_ok).count()
        };
        bencher.iter_batched(|| payloads.clone(), decode, BatchSize::SmallInput);
    });
}

fn read(criterion: &mut Criterion) {
    let dir = disk_dir();
    let opened = Journal::open(dir.path(), Options::default(), Floor::default());
    let mut journal = opened.expect("an empty journal can be opened").journal;
    let payloads = payloads(100);
    for _ in 0..READ / 100 {
        journal.append(1, &payloads).expect("the disk does not fail");
    }
    let reader = Arc::new(journal.reader());
    criterion.bench_function(&format!("read/{READ} events"), |bencher| {
        bencher.iter(|| {
            reader
                .read(1, READ, usize::MAX)
                .expect("what was appended can be read")
        });
    });
}

criterion_group!(journal, append, encode, read);
criterion_main!(journal);
