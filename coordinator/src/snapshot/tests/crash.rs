//! A process that is killed at any step of snapshot, trim and restoring loses nothing.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::*;
use crate::{
    journal::{Floor, Journal, Options},
    records::{LAYOUT, task::key},
};

const DIR: &str = "SWARM_TEST_SNAPSHOT_DIR";
/// Records that events change, one after the other.
const KEYS: u64 = 97;
const EVENTS: u64 = 6;
/// Kills of a restoring, spread over its time.
const ROUNDS: u32 = 20;

/// The value of a record after event `seq`; every fifth is long.
fn value(seq: u64) -> Vec<u8> {
    format!("event {seq} ")
        .into_bytes()
        .repeat(if seq.is_multiple_of(5) { 700 } else { 3 })
}

fn apply(store: &Store, seqs: impl Iterator<Item = u64>) {
    let mut batch = Batch::default();
    let mut through = store.applied_seq();
    for seq in seqs {
        batch.put(key::live(seq % KEYS), value(seq));
        through = seq;
        if batch.operations() > MAX_SLED_WRITES / 2 {
            store.apply(std::mem::take(&mut batch), through).unwrap();
        }
    }
    store.apply(batch, through).unwrap();
}

struct Opened {
    journal: Journal,
    store: Store,
}

/// Opens the data as the coordinator does: the store, or else one restored from the newest snapshot, brought to the
/// journal's end.
fn open(dir: &Path) -> Opened {
    let snapshot = Snapshot::newest(&dir.join("snapshot")).unwrap();
    let store_dir = dir.join("store");
    let store = match &snapshot {
        Some(snapshot) if !store_dir.exists() => snapshot.restore(&store_dir, &LAYOUT).unwrap(),
        _ => Store::open(&store_dir, &LAYOUT).unwrap(),
    };
    let floor = Floor {
        snapshot_seq: snapshot.as_ref().map_or(0, |snapshot| snapshot.origin().seq),
        snapshot_chain: snapshot.and_then(|snapshot| snapshot.origin().chain),
        store_seq: store.applied_seq(),
    };
    let options = Options { segment_bytes: 4096 };
    let journal = Journal::open(&dir.join("journal"), options, floor)
        .unwrap()
        .journal;
    let reader = journal.reader();
    let next = store.applied_seq() + 1;
    assert!(next >= reader.oldest_seq(), "the journal begins behind the store");
    let events = reader.read(next, u64::MAX, usize::MAX).unwrap();
    apply(
        &store,
        events.iter().map(|(seq, event)| {
            assert_eq!(*event, seq.to_string());
            *seq
        }),
    );
    Opened { journal, store }
}

fn assert_is_as_of(store: &Store, last: u64) {
    assert_eq!(store.applied_seq(), last);
    for number in 0..KEYS {
        let seq = (1..=last)
            .rev()
            .take(KEYS as usize)
            .find(|seq| seq % KEYS == number);
        let found = store.get(&key::live(number)).unwrap();
        assert!(found == seq.map(value), "record {number} at seq {last}");
    }
    store.check().unwrap();
}

/// Appends, applies, takes snapshots, trims and marks, until it is killed.
#[test]
#[ignore = "another test starts it as a process to kill"]
fn coordinator_to_kill() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    println!("opening");
    let Opened { mut journal, store } = open(dir);
    println!("opened");
    let upkeep = journal.upkeep();
    for round in 1.. {
        let first = journal.last_seq() + 1;
        let seqs = first..first + EVENTS;
        let events: Vec<_> = seqs.clone().map(|seq| seq.to_string().into()).collect();
        let last = journal.append(1, &events).unwrap();
        println!("acknowledged {last}");
        apply(&store, seqs);
        if round % 5 == 0 {
            let seq = store.applied_seq();
            let chain = journal.reader().chain_after(seq).unwrap();
            println!("snapshot");
            Snapshot::take(&store, &dir.join("snapshot"), &Origin { chain, ..origin(seq) }).unwrap();
            println!("trim");
            upkeep.trim(seq + 1).unwrap();
            println!("mark");
            upkeep.write_high_water().unwrap();
        }
    }
}

fn start(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--nocapture",
            "snapshot::tests::crash::coordinator_to_kill",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_anywhere_loses_nothing_with_its_store_or_without() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = 0;
    let mut seen = [0; 5];
    for round in 0..40_u64 {
        if round % 3 == 2 {
            fs::remove_dir_all(dir.path().join("store")).unwrap();
        }
        let mut child = start(dir.path());
        // A different step each time, and a different moment in it.
        let steps = ["opening", "acknowledged", "snapshot", "trim", "mark"];
        let step = steps[(round % 5) as usize];
        let mut left = 1 + round % 4;
        // Kept until the kill: a process that cannot print ends in order.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in &mut lines {
            let line = line.unwrap();
            if let Some((_, seq)) = line.split_once("acknowledged ") {
                acknowledged = seq.parse().unwrap();
            }
            if line.contains(step) {
                left -= 1;
                if left == 0 || step == "opening" {
                    seen[(round % 5) as usize] += 1;
                    break;
                }
            }
        }
        wait_for_some_moment(Duration::from_micros(round * 173 % 6_000));
        child.kill().unwrap();
        child.wait().unwrap();

        if round % 3 == 0 {
            let Opened { journal, store } = open(dir.path());
            assert!(
                journal.last_seq() >= acknowledged,
                "{acknowledged} was acknowledged"
            );
            assert_is_as_of(&store, journal.last_seq());
        }
    }
    assert_eq!(seen, [8; 5]);
    let Opened { journal, store } = open(dir.path());
    assert!(journal.last_seq() >= acknowledged && acknowledged > 100);
    assert_is_as_of(&store, journal.last_seq());
    // The journal was trimmed, and the rest suffices.
    assert!(journal.reader().oldest_seq() > 1);
    let before = contents(&store);
    drop((journal, store));
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert!(contents(&open(dir.path()).store) == before);
}

/// Restores until it is killed.
#[test]
#[ignore = "another test starts it as a process to kill"]
fn restorer_to_kill() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    let snapshot = Snapshot::newest(&dir.join("snapshot")).unwrap().unwrap();
    println!("restoring");
    drop(snapshot.restore(&dir.join("restored"), &LAYOUT).unwrap());
    println!("restored");
}

#[test]
fn a_restoring_killed_anywhere_leaves_no_store_or_a_whole_one() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 6_000);
    let snapshot = Snapshot::take(&store, &dir.path().join("snapshot"), &origin(1)).unwrap();
    let restored = dir.path().join("restored");
    let started = Instant::now();
    drop(snapshot.restore(&restored, &LAYOUT).unwrap());
    let usual = started.elapsed();
    let aside = restored.with_extension("restoring");
    let (mut nothing, mut halves, mut whole) = (0, 0, 0);
    for round in 0..ROUNDS {
        let _ = fs::remove_dir_all(&restored);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--nocapture",
                "snapshot::tests::crash::restorer_to_kill",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = if round == ROUNDS - 1 {
            "restored"
        } else {
            "restoring"
        };
        assert!(
            lines
                .by_ref()
                .map(Result::unwrap)
                .any(|line| line.contains(wanted))
        );
        wait_for_some_moment(usual * round * 5 / (ROUNDS * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        halves += u32::from(aside.exists());
        if restored.exists() {
            let store = Store::open(&restored, &LAYOUT).unwrap();
            assert_eq!(
                (store.applied_seq(), store.check().unwrap()),
                (1, snapshot.count())
            );
            whole += 1;
        } else {
            nothing += 1;
        }
    }
    println!(
        "{ROUNDS} kills: {nothing} without a store ({halves} with half of one aside), {whole} with a whole one"
    );
    assert!(halves > 0 && whole > 0);
    // Half a store aside is in nobody's way.
    let _ = fs::remove_dir_all(&restored);
    let store_again = snapshot.restore(&restored, &LAYOUT).unwrap();
    assert!(!aside.exists());
    assert!(contents(&store_again) == contents(&store));
}

#[test]
fn a_snapshot_in_the_making_is_no_snapshot_however_far_it_came() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store"), &LAYOUT).unwrap();
    fill(&store, 30);
    let snapshots = dir.path().join("snapshot");
    let first = Snapshot::take(&store, &snapshots, &origin(1)).unwrap();
    fill(&store, 40);
    let second = Snapshot::take(&store, &snapshots, &origin(2)).unwrap();
    let whole = fs::read(second.path()).unwrap();
    for length in (0..=whole.len()).step_by(997).chain([whole.len()]) {
        // Written, and not renamed.
        fs::remove_file(second.path()).unwrap();
        fs::write(snapshots.join("00000000000000000002.tmp"), &whole[..length]).unwrap();
        let newest = Snapshot::newest(&snapshots).unwrap().unwrap();
        assert_eq!(newest.path(), first.path());
        newest.check().unwrap();
        Snapshot::take(&store, &snapshots, &origin(2)).unwrap();
        assert_eq!(list(&snapshots).unwrap(), [2, 1]);
        assert_eq!(names(&snapshots).len(), 2);
    }
    // Renamed, with the surplus snapshot not yet removed.
    fill(&store, 5);
    Snapshot::take(&store, &snapshots, &origin(3)).unwrap();
    fs::write(path(&snapshots, 1), b"").unwrap();
    assert_eq!(Snapshot::newest(&snapshots).unwrap().unwrap().origin().seq, 3);
    fill(&store, 5);
    Snapshot::take(&store, &snapshots, &origin(4)).unwrap();
    assert_eq!(list(&snapshots).unwrap(), [4, 3]);
}

/// Lets time pass, to kill at a random moment. No state is waited for: any moment is as good as another.
fn wait_for_some_moment(time: Duration) {
    thread::sleep(time);
}
