//! What fuzzing tries, on the kept corpus and on changes of it that are the same each time: no nightly Rust, no
//! fuzzer. The corpus is in `tests/fuzz/corpus`; `UPDATE_CORPUS=1` writes those files of it that are made by a program.

mod mutation;
mod seeds;
mod wire;

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use swarm_tests::fuzz::{TARGETS, Target};

use crate::harness::{seeded::Seeded, workspace_root};
use mutation::{Shape, mutate_shaped};

/// Any input is through in this time, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Together, in bytes: what is kept is small.
const MAX_CORPUS_BYTES: u64 = 128 * 1024;

fn corpus_dir(name: &str) -> PathBuf {
    workspace_root().join("tests/fuzz/corpus").join(name)
}

/// The kept inputs of a target, by file name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut inputs: Vec<_> = fs::read_dir(corpus_dir(name))
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), bytes)
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{name} has no corpus");
    inputs
}

/// Tries the corpus, and then so many changes of it.
fn try_target(name: &'static str, shape: Shape, mutations: usize) {
    let target = *TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(name);
    let (done, progress) = mpsc::channel();
    let worker = thread::spawn(move || {
        for (file, bytes) in &corpus {
            try_input(target, &format!("the kept file {file}"), bytes);
            done.send(()).unwrap();
        }
        let mut seeded = Seeded::new(1);
        for number in 0..mutations {
            let bytes = mutate_shaped(&corpus, shape, &mut seeded);
            try_input(target, &format!("mutation {number}"), &bytes);
            done.send(()).unwrap();
        }
    });
    loop {
        match progress.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("an input of {name} never ends"),
        }
    }
    worker.join().unwrap();
}

/// An input that fails is kept where it can be put into the corpus from.
fn try_input(target: Target, what: &str, bytes: &[u8]) {
    if let Err(failure) = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        fs::write(&file, bytes).unwrap();
        println!("{what} of {} fails; it is in {}", target.name, file.display());
        panic::resume_unwind(failure);
    }
}

#[test]
fn any_bytes_for_a_filter_are_refused_or_mean_what_they_say() {
    try_target("filter", Shape::Bytes, 20_000);
}

#[test]
fn any_bytes_for_a_job_file_are_read_or_every_fault_is_named() {
    try_target("job_file", Shape::Bytes, 4_000);
}

#[test]
fn any_bytes_in_a_journal_are_refused_or_can_be_gone_on_with() {
    try_target("journal", Shape::Bytes, 6_000);
}

#[test]
fn any_bytes_of_a_caller_are_answered() {
    try_target("request", Shape::Calls, 5_000);
}

#[test]
fn any_bytes_of_an_event_or_record_are_refused_or_come_back_the_same() {
    try_target("stored", Shape::Message(1), 20_000);
}

#[test]
fn the_kept_corpus_is_small_and_has_what_programs_make() {
    for (target, name, bytes) in seeds::all() {
        let file = corpus_dir(target).join(&name);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            fs::write(&file, &bytes).unwrap();
        }
        assert!(file.exists(), "UPDATE_CORPUS=1 writes {}", file.display());
    }
    let sizes = TARGETS.iter().flat_map(|target| corpus(target.name));
    let bytes: u64 = sizes.map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(bytes <= MAX_CORPUS_BYTES, "the corpus has {bytes} bytes");
}

#[test]
fn each_target_has_a_program_for_the_fuzzer() {
    let manifest = fs::read_to_string(workspace_root().join("tests/fuzz/Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)));
        let program = format!("tests/fuzz/fuzz_targets/{}.rs", target.name);
        let program = fs::read_to_string(workspace_root().join(program)).unwrap();
        assert!(program.contains(&format!("run(\"{}\", bytes)", target.name)));
    }
}
