//! Names and habits that must be absent, as the invariants of ARCHITECTURE.md say.

use super::source::{self, Source};

/// A longer file hides more than one noun.
const MOST_LINES: usize = 500;
/// A file of tests is a list of cases that nobody reads as one.
const MOST_LINES_OF_TESTS: usize = 700;

/// Fails with every line of these files that names one of the words, unless its file is excepted.
#[track_caller]
fn absent(words: &[&str], sources: &[&Source], excepted: impl Fn(&str) -> bool) {
    let found: Vec<String> = sources
        .iter()
        .filter(|source| !excepted(&source.path))
        .flat_map(|source| source.lines_naming(words))
        .collect();
    assert!(
        found.is_empty(),
        "{words:?} must not be named here:\n{}",
        found.join("\n")
    );
}

/// Fails unless some excepted file does name the word: a rule about nothing is no rule.
#[track_caller]
fn present(word: &str, sources: &[&Source]) {
    assert!(
        sources
            .iter()
            .any(|source| !source.lines_naming(&[word]).is_empty()),
        "nothing names {word}"
    );
}

#[test]
fn the_engine_has_no_io_no_clock_no_randomness_no_logging_and_no_unordered_maps() {
    let words = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "std::process",
        "std::io",
        "tokio",
        "tracing",
        "SystemTime",
        "Instant",
        "HashMap",
        "HashSet",
        "println!",
        "eprintln!",
        "getrandom",
        "async",
    ];
    absent(&words, &source::below("coordinator/engine/src/"), |_| false);
}

#[test]
fn only_the_store_names_sled() {
    let sources = source::below("coordinator/src/");
    absent(&["sled"], &sources, |path| {
        path.starts_with("coordinator/src/store/")
    });
    present("sled", &source::below("coordinator/src/store/"));
}

#[test]
fn only_the_doors_name_tonic_in_the_coordinator() {
    let sources = source::below("coordinator/src/");
    absent(&["tonic", "tonic_health", "tonic_reflection"], &sources, |path| {
        path.starts_with("coordinator/src/door/")
    });
    present("tonic", &source::below("coordinator/src/door/"));
}

#[test]
fn only_the_door_for_metrics_names_hyper_in_the_coordinator() {
    let sources = source::below("coordinator/src/");
    absent(&["hyper", "hyper_util", "http_body_util"], &sources, |path| {
        path.starts_with("coordinator/src/door/http/")
    });
    present("hyper", &source::below("coordinator/src/door/http/"));
}

#[test]
fn only_the_door_for_grpc_names_h2_in_the_coordinator() {
    let sources = source::below("coordinator/src/");
    absent(&["h2", "http_body"], &sources, |path| {
        path.starts_with("coordinator/src/door/grpc/")
    });
    present("h2", &source::below("coordinator/src/door/grpc/"));
}

#[test]
fn only_the_clock_reads_the_time_in_the_coordinator() {
    let sources = source::below("coordinator/src/");
    let words = ["SystemTime", "Instant::now", "clock_gettime", "Timestamp::now"];
    absent(&words, &sources, |path| {
        path == "coordinator/src/machine/clock.rs"
    });
    present(
        "clock_gettime",
        &source::below("coordinator/src/machine/clock.rs"),
    );
}

#[test]
fn only_one_module_of_the_agent_names_the_backoff_crate() {
    let sources = source::below("agent/src/");
    absent(
        &["use backoff", "ExponentialBackoff", "ExponentialBackoffBuilder"],
        &sources,
        |path| path == "agent/src/program/backoff.rs",
    );
    present(
        "ExponentialBackoffBuilder",
        &source::below("agent/src/program/backoff.rs"),
    );
}

#[test]
fn only_dev_and_the_check_of_a_submit_name_the_other_programs_in_swarmctl() {
    let sources = source::below("cli/");
    let (dev, check) = ("cli/src/dev/mod.rs", "cli/src/verb/submit/check.rs");
    absent(&["swarm_agent"], &sources, |path| path == dev);
    absent(&["swarm_coordinator"], &sources, |path| {
        path == dev || path == check
    });
    present("swarm_agent", &source::below(dev));
    present("swarm_coordinator::faults_of_submit", &source::below(check));
}

#[test]
fn programs_that_serve_write_through_their_log_which_never_waits_and_never_fails() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "set_hook"];
    for sources in ["coordinator/src/", "agent/src/", "proto/program/src/"] {
        absent(&words, &source::below(sources), |path| {
            // Figures are printed by hand, and the hook of panics writes to the log.
            path.ends_with("/figures.rs") || path == "proto/program/src/bug.rs"
        });
    }
    present("set_hook", &source::below("proto/program/src/"));
}

#[test]
fn no_test_sleeps_to_wait_for_a_state() {
    let words = ["thread::sleep", "time::sleep", "sleep(", "sleep_until("];
    // Functions that look at a condition again and again, up to a deadline.
    let waits = |function: &str| function.starts_with("wait_") || function == "until";
    let found: Vec<String> = source::all()
        .iter()
        .flat_map(|source| source.test_lines_naming(&words, waits))
        .collect();
    assert!(
        found.is_empty(),
        "wait for a condition instead:\n{}",
        found.join("\n")
    );
    let everywhere = source::below("tests/")
        .iter()
        .flat_map(|source| source.test_lines_naming(&words, |_| false))
        .count();
    assert_eq!(everywhere, 1, "the one place is `wait_for` of the harness");
}

#[test]
fn no_file_is_too_long_to_be_about_one_thing() {
    let most = |source: &Source| {
        if source.is_for_tests() {
            MOST_LINES_OF_TESTS
        } else {
            MOST_LINES
        }
    };
    let long: Vec<String> = source::all()
        .iter()
        .filter(|source| source.len() > most(source))
        .map(|source| {
            format!(
                "{} has {} lines, at most {} will do",
                source.path,
                source.len(),
                most(source)
            )
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
