//! The arrows between our crates, as ARCHITECTURE.md draws them.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::harness::workspace_root;

/// Who may depend on whom; a build or test dependency is one too.
const ARROWS: [(&str, &[&str]); 7] = [
    ("swarm-proto", &[]),
    ("swarm-program", &["swarm-proto"]),
    ("swarm-engine", &[]),
    (
        "swarm-coordinator",
        &["swarm-engine", "swarm-proto", "swarm-program"],
    ),
    ("swarm-agent", &["swarm-proto", "swarm-program"]),
    // The programs for two files: `dev/mod.rs` runs them, and `verb/submit/check.rs` asks the coordinator's check.
    (
        "swarmctl",
        &["swarm-agent", "swarm-coordinator", "swarm-proto", "swarm-program"],
    ),
    (
        "swarm-tests",
        &[
            "swarm-agent",
            "swarm-coordinator",
            "swarm-engine",
            "swarm-proto",
            "swarmctl",
        ],
    ),
];

/// The dependencies of each of our packages, as their manifests say.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let names = |package: &Value| names(package["dependencies"].as_array().unwrap());
    of_packages(names)
}

fn names<'a>(entries: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    entries
        .into_iter()
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Looks at the manifest of each of our packages.
fn of_packages<T>(look: impl Fn(&Value) -> T) -> BTreeMap<String, T> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), look(package)))
        .collect()
}

#[test]
fn each_crate_of_ours_knows_only_those_it_may() {
    let dependencies = dependencies();
    assert_eq!(
        dependencies.len(),
        ARROWS.len(),
        "a member has no place in the drawing: {:?}",
        dependencies.keys()
    );
    for (name, allowed) in ARROWS {
        let mut ours: Vec<&str> = dependencies[name]
            .iter()
            .map(String::as_str)
            .filter(|dependency| dependency.starts_with("swarm") && *dependency != name)
            .collect();
        ours.sort_unstable();
        ours.dedup();
        assert!(
            ours.iter().all(|dependency| allowed.contains(dependency)),
            "{name} knows {ours:?}, it may know {allowed:?}"
        );
    }
}

#[test]
fn the_engine_depends_on_nothing_but_patterns_and_what_measures_it() {
    let by_kind = |kind: Value| {
        let of_kind = move |package: &Value| {
            let all = package["dependencies"].as_array().unwrap();
            names(all.iter().filter(|entry| entry["kind"] == kind))
        };
        of_packages(of_kind).remove("swarm-engine").unwrap()
    };
    // It compares a text with a pattern, and has no dependencies itself.
    assert_eq!(by_kind(Value::Null), ["wildmatch"]);
    assert_eq!(by_kind("dev".into()), ["criterion"]);
}

#[test]
fn each_crate_with_one_home_is_a_dependency_of_its_home_only() {
    for (dependency, home) in [("sled", "swarm-coordinator"), ("backoff", "swarm-agent")] {
        for (name, of) in dependencies() {
            assert_eq!(
                of.iter().any(|other| other == dependency),
                name == home,
                "{dependency} in {name}"
            );
        }
    }
}
