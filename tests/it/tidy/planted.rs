//! The planted bugs: each says what it is, and names a test that exists. `tests/planted/run` shows that it catches it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::source::{self, Source};
use crate::harness::workspace_root;

/// Fewer bugs than this would say little about the tests.
const LEAST_BUGS: usize = 15;

/// The patch that makes programs ask which bug they are to have.
const SWITCH: &str = "0-switch.patch";

fn patches() -> Vec<(String, String)> {
    let directory = workspace_root().join("tests/planted");
    let mut patches: Vec<(String, String)> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    patches.sort();
    patches
}

/// The place of a package's tests that are built as this target.
fn tests_of(package: &str, target: &str) -> PathBuf {
    let directory = match package {
        "swarm-engine" => "coordinator/engine",
        "swarm-coordinator" => "coordinator",
        "swarm-agent" => "agent",
        "swarmctl" => "cli",
        other => panic!("no planted bug is looked for in {other}"),
    };
    let directory = Path::new(directory);
    match target {
        "lib" => directory.join("src"),
        target => directory.join("tests").join(target),
    }
}

fn has_test(sources: &[Source], place: &Path, test: &str) -> bool {
    let function = format!("fn {}(", test.rsplit("::").next().unwrap_or(test));
    let place = place.to_str().unwrap();
    sources
        .iter()
        .filter(|source| {
            let rest = source.path.strip_prefix(place);
            rest.is_some_and(|rest| rest.starts_with(['/', '.']))
        })
        .any(|source| {
            let text = fs::read_to_string(workspace_root().join(&source.path)).unwrap();
            text.contains(&function)
        })
}

#[test]
fn each_planted_bug_says_what_it_is_and_names_a_test_that_exists() {
    let mut catchers = BTreeSet::new();
    let mut count = 0;
    for (name, patch) in patches() {
        let (heading, diff) = patch
            .split_once("\n\ndiff --git ")
            .unwrap_or_else(|| panic!("{name} has no heading above its difference"));
        if name == SWITCH {
            continue;
        }
        count += 1;
        let [sentence, caught, ref expected @ ..] = heading.lines().collect::<Vec<_>>()[..] else {
            panic!("{name}: a sentence, caught-by and expect are wanted above the difference");
        };
        assert!(sentence.ends_with('.'), "{name} is not told in a sentence");
        let bug = name.trim_end_matches(".patch");
        assert!(
            diff.contains(&format!("planted(\"{bug}\")")),
            "{name} does not ask for its own name"
        );
        let is_reason = |line: &&str| line.strip_prefix("expect: ").is_some_and(|text| !text.is_empty());
        assert!(
            !expected.is_empty() && expected.iter().all(is_reason),
            "{name} does not say what its catcher says"
        );
        let caught = caught
            .strip_prefix("caught-by: ")
            .unwrap_or_else(|| panic!("{name} does not say what catches it"));
        let words: Vec<&str> = caught.split(' ').collect();
        assert!(
            words.len() >= 3,
            "{name}: PACKAGE TARGET TEST are wanted, not {caught:?}"
        );
        catchers.insert((words[0].to_owned(), words[1].to_owned(), words[2].to_owned()));
    }
    assert!(count >= LEAST_BUGS, "only {count} bugs are planted");
    let sources = source::all();
    for (package, target, test) in &catchers {
        assert!(
            has_test(sources, &tests_of(package, target), test),
            "{package} {target} has no test {test}"
        );
    }
}

#[test]
fn no_planted_bug_is_in_the_sources() {
    let sources = source::all();
    let found: Vec<String> = sources
        .iter()
        .filter(|source| source.path != "tests/it/tidy/planted.rs")
        .flat_map(|source| source.lines_naming(&["planted"]))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
