//! Defaults and bounds that the documents name, as the programs have them.

use std::{fs, time::Duration};

use clap::Command;
use swarm_engine::limits as engine;
use swarm_proto::limits as both;

use super::document::Document;
use crate::{harness::workspace_root, tidy::programs::programs};

const KIB: usize = 1024;

/// A passage with the program, its verb if it is one, the flag and the default that the passage is about.
const DEFAULTS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "for 7 days after their end",
        "coordinator",
        "",
        "keep-tasks",
        "7d",
    ),
    ("events for 30 days", "coordinator", "", "keep-events", "30d"),
    (
        "or 1 GiB, whichever ends first",
        "coordinator",
        "",
        "keep-events-bytes",
        "1GiB",
    ),
    ("together at most 10 GiB", "agent", "", "keep-bytes", "10GiB"),
    (
        "swarmctl bench --echo # 100,000 tasks",
        "swarmctl",
        "bench",
        "tasks",
        "100000",
    ),
    (
        "one in each request, 512 requests in flight",
        "swarmctl",
        "bench",
        "batch",
        "1",
    ),
    ("512 requests in flight", "swarmctl", "bench", "in-flight", "512"),
    (
        "coordinator & # serves 127.0.0.1:50051",
        "coordinator",
        "",
        "listen",
        "127.0.0.1:50051",
    ),
];

/// The defaults of a flag.
fn defaults(program: &str, verb: &str, flag: &str) -> Vec<String> {
    let programs = programs();
    let program = programs.iter().find(|known| known.get_name() == program).unwrap();
    let verb: Option<&Command> = program.find_subcommand(verb);
    let mut flags = verb.unwrap_or(program).get_arguments();
    let flag = flags.find(|known| known.get_long() == Some(flag)).unwrap();
    let defaults = flag.get_default_values().iter();
    defaults.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_defaults_that_the_documents_name_are_those_of_the_programs() {
    let readme = Document::read("README.md");
    for (passage, program, verb, flag, default) in DEFAULTS {
        assert!(readme.says(passage), "'{passage}' stands there no more");
        assert_eq!(
            defaults(program, verb, flag),
            [*default],
            "{program} {verb} --{flag}"
        );
    }
    let changelog = Document::read("CHANGELOG.md");
    for same in [
        "removed 7 days after their end (`--keep-tasks`)",
        "kept for 30 days or 1 GiB",
    ] {
        assert!(changelog.says(same), "'{same}' stands there no more");
    }
    assert!(changelog.says("serves metrics for Prometheus; off by default"));
    assert_eq!(defaults("coordinator", "", "metrics-listen"), [""; 0]);
}

#[test]
fn the_bounds_that_the_documents_name_are_those_of_the_protocol_and_the_engine() {
    let documents = [Document::read("README.md"), Document::read("CHANGELOG.md")];
    for (passage, is_true) in [
        (
            "The last 64 KiB of its standard output",
            both::OUTPUT_TAIL_BYTES == 64 * KIB,
        ),
        ("a task that three machines lose fails", engine::MAX_LOST_ON == 3),
        (
            "When it is more than a day past the last event",
            engine::MAX_CLOCK_JUMP == Duration::from_secs(24 * 3_600),
        ),
        (
            "a second start ten minutes or more later",
            engine::CLOCK_CONFIRMED_AFTER == Duration::from_secs(600),
        ),
        (
            "The labels of an agent take at most 4 KiB together",
            both::MAX_AGENT_LABELS_BYTES == 4 * KIB,
        ),
        (
            "at most 1,000 different demands on agents",
            engine::MAX_QUEUE_CLASSES == 1_000,
        ),
        (
            "at most 1,000 holds and limits together",
            engine::MAX_RULES == 1_000,
        ),
        (
            "are given them once a second",
            engine::SHARDS_KEPT == Duration::from_secs(1),
        ),
        ("has been silent for half a lease", engine::SILENCE_IN_TTL == 2),
        (
            "brings neither tasks nor outcomes may have 512 KiB",
            both::MAX_REQUEST_BYTES == 512 * KIB,
        ),
        (
            "A connection has 256 calls at a time",
            both::MAX_CALLS_PER_CONNECTION == 256,
        ),
        (
            "At most 64 patterns, each of 200 bytes",
            both::MAX_RULE_PATTERNS == 64 && both::MAX_RULE_PATTERN_BYTES == 200,
        ),
        (
            "was refused within the last hour",
            engine::COPY_TOLD == Duration::from_secs(3_600),
        ),
    ] {
        let stands = documents.iter().any(|document| document.says(passage));
        assert!(stands, "'{passage}' stands there no more");
        assert!(is_true, "'{passage}' is not true any more");
    }
}

#[test]
fn the_metrics_are_where_the_readme_says_that_a_scraper_finds_them() {
    let readme = Document::read("README.md");
    let scraper = fs::read_to_string(workspace_root().join("deploy/prometheus.yml")).unwrap();
    let is_named =
        readme.says("coordinator --metrics-listen 127.0.0.1:9464 # then: curl http://127.0.0.1:9464/metrics");
    assert!(
        is_named && scraper.contains("- targets: [\"127.0.0.1:9464\"]"),
        "{scraper}"
    );
}
