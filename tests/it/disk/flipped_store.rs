//! One wrong bit anywhere in the store's files: it is noticed, and the store built anew from the journal, or it
//! makes no difference. sled may hang on it, so each store is read by a process that is given only so much time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::harness::{
    agent::RealAgent,
    client::shell_task,
    coordinator::Coordinator,
    copy_dir,
    program::{Program, command, run},
    seeded::Seeded,
    wait_for,
};
use swarm_proto::v1::TaskState;

/// In the ordinary run.
const FLIPS: usize = 300;
const FLIPS_BY_HAND: usize = 10_000;
/// A line is printed after so many.
const PROGRESS: usize = 250;
/// Most of those that hang wait for something, and cost nothing.
const THREADS: usize = 8;
/// A store that is not read within this time would be set aside by a start as well, only later: an intact one is
/// read in some hundredths of a second.
const LIMIT: Duration = Duration::from_secs(5);

/// The effect of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The store holds what the journal says.
    Same,
    /// The store is called damaged: a start builds it anew.
    Refused,
    /// Reading it does not end: the same.
    Hung,
}

#[test]
fn a_flipped_bit_anywhere_in_the_store_is_noticed_or_makes_no_difference() {
    flip(FLIPS);
}

/// `cargo test -p swarm-tests --test it -- --ignored --nocapture by_hand_ten_thousand`
#[test]
#[ignore = "by hand: it takes long"]
fn by_hand_ten_thousand_flipped_bits_in_the_store() {
    flip(FLIPS_BY_HAND);
}

fn flip(count: usize) {
    let start = Instant::now();
    let coordinator = with_tasks();
    let data = coordinator.data_dir();
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(data.join("store"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), written(&fs::read(&path).unwrap()).to_vec()))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    files.sort();
    let db = files.iter().position(|(path, _)| path.ends_with("db")).unwrap();
    let mut chance = Seeded::new(17);
    // Nearly all is in one file, and all of the others is read first.
    let flips: Vec<(usize, usize)> = (0..count)
        .map(|n| {
            let file = if n % 5 == 0 { chance.index(files.len()) } else { db };
            (file, chance.index(files[file].1.len() * 8))
        })
        .collect();
    assert_eq!(outcome(&data, Path::new("store/db"), None), Outcome::Same);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(&(file, bit)) = flips.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = files[file].0.strip_prefix(&data).unwrap();
                    let outcome = outcome(&data, name, Some(bit));
                    let mut outcomes = outcomes.lock().unwrap();
                    outcomes.push(outcome);
                    if outcomes.len() % PROGRESS == 0 {
                        println!("{}", tally(&outcomes));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    println!(
        "{} files of the store, in {:?}: {}",
        files.len(),
        start.elapsed(),
        tally(&outcomes)
    );
    assert_eq!(outcomes.len(), count);
    let has = |outcome| outcomes.contains(&outcome);
    assert!(
        has(Outcome::Same) && has(Outcome::Refused),
        "a kind never occurred"
    );
}

fn tally(outcomes: &[Outcome]) -> String {
    let number = |wanted| outcomes.iter().filter(|&&outcome| outcome == wanted).count();
    format!(
        "{} flipped bits: {} made no difference, {} refused, {} hung and given up, none unnoticed",
        outcomes.len(),
        number(Outcome::Same),
        number(Outcome::Refused),
        number(Outcome::Hung)
    )
}

/// A coordinator that has ended, with tasks that ran and some that wait.
fn with_tasks() -> Coordinator {
    let mut coordinator = Coordinator::start();
    let client = coordinator.client();
    let agent = RealAgent::start(&coordinator, "a", &["--slots", "4"]);
    for n in 0..6 {
        client.submit(vec![shell_task(&format!("ran-{n}"), "seq 200")]);
    }
    for n in 0..6 {
        client.wait_for_state(&format!("ran-{n}"), TaskState::Succeeded);
    }
    drop(agent);
    client.submit(
        (0..20)
            .map(|n| shell_task(&format!("waits-{n}"), "true"))
            .collect(),
    );
    // Once more, so that sled has written down where everything is; and then something that it has not.
    assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
    coordinator.start_again();
    let client = coordinator.client();
    client.submit(
        (0..20)
            .map(|n| shell_task(&format!("later-{n}"), "true"))
            .collect(),
    );
    for n in 0..20 {
        client.cancel(&format!("later-{n}"));
    }
    assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
    coordinator
}

fn outcome(data: &Path, name: &Path, bit: Option<usize>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("data");
    copy_dir(&data.join("store"), &copy.join("store"));
    let file = copy.join(name);
    let mut bytes = fs::read(&file).unwrap();
    if let Some(bit) = bit {
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    fs::write(&file, bytes).unwrap();

    // A start opens it like this; sled may mend the copy at that, so the same copy is compared afterwards.
    let mut check = command("coordinator", dir.path());
    check
        .arg("check-store")
        .arg(copy.join("store"))
        .arg("read-all")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let log = dir.path().join("log");
    let mut check = Program::start("the check", check, &log, Signal::SIGKILL);
    let began = Instant::now();
    let code = wait_for("the check ends or is given up", LIMIT * 12, || {
        match check.ended() {
            Some(_) => Some(Some(check.wait(LIMIT))),
            None => (began.elapsed() > LIMIT).then_some(None),
        }
    });
    match code {
        None => {
            check.kill();
            Outcome::Hung
        }
        Some(0) => {
            fs::create_dir(copy.join("journal")).unwrap();
            for item in fs::read_dir(data.join("journal")).unwrap() {
                let item = item.unwrap();
                // Nothing writes to it.
                fs::hard_link(item.path(), copy.join("journal").join(item.file_name())).unwrap();
            }
            let mut verify = command("coordinator", dir.path());
            verify.args(["verify", "--data-dir"]).arg(&copy);
            let verified = run(verify);
            assert_eq!(
                verified.code,
                0,
                "bit {bit:?} of {} makes a silent difference: {verified:?}",
                name.display()
            );
            Outcome::Same
        }
        Some(_) => {
            assert!(!check.log().trim().is_empty(), "refused without a word");
            Outcome::Refused
        }
    }
}

/// The written part of a file: nobody reads the zeros behind it.
fn written(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    &bytes[..end.map_or(0, |last| last + 1)]
}
