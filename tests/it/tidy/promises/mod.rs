//! What README.md, the help texts and the unreleased part of CHANGELOG.md promise: each sentence of them is kept by
//! tests, or said to be none. What a release has said is history.
//!
//! A table of each document stands beside this file. An entry is a passage, as it stands there at least once, and
//! indented below it what keeps it: tests as `path/of/file.rs::name`, and stories of the engine as their paths. Who
//! writes a sentence that promises nothing says so there as `no promise: ` with the reason. ` … ` within a passage
//! stands for everything between its two ends, and an entry is about each sentence that it touches. In a document it
//! leaves out no whole sentence of a promise: whoever adds one there would not be asked for its test.

mod document;
mod figures;
mod help;

use std::{collections::BTreeMap, fs};

use self::document::Document;
use crate::harness::workspace_root;

/// What stands in a table instead of tests.
const NO_PROMISE: &str = "no promise:";

/// The stories of the engine, which one test tells.
const STORIES: &str = "coordinator/engine/tests/script/";

/// A passage of a document and what keeps it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    passage: String,
    keepers: Vec<String>,
}

/// The entries of a table. Lines that begin with `//` are for those who read it.
fn entries(table: &str) -> Vec<Entry> {
    let is_entry = |block: &&str| !block.trim().is_empty();
    let without_notes: Vec<&str> = table.lines().filter(|line| !line.starts_with("//")).collect();
    let table = without_notes.join("\n");
    let blocks = table.split("\n\n").filter(is_entry);
    blocks
        .map(|block| {
            let lines = block.lines().filter(|line| !line.trim().is_empty());
            let (keepers, passage): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with(' '));
            Entry {
                passage: passage.join(" "),
                keepers: keepers.iter().map(|keeper| keeper.trim().to_owned()).collect(),
            }
        })
        .collect()
}

/// Whether a source has a test of this name, by itself or as a line of a table of stories.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let function = format!("fn {name}(");
    let story = format!("{name}: Story {{");
    lines.iter().enumerate().any(|(at, line)| {
        let signature = line.trim_start_matches("pub ").trim_start_matches("async ");
        let above = lines[..at].iter().rev();
        let attributes = above.take_while(|line| !line.is_empty() && !line.ends_with('}'));
        let has = |begin: &[&str]| {
            attributes
                .clone()
                .any(|line| begin.iter().any(|begin| line.starts_with(begin)))
        };
        // A test that is not run by itself keeps nothing.
        let is_run = has(&["#[test]", "#[tokio::test"]) && !has(&["#[ignore"]);
        line.starts_with(&story) || signature.starts_with(&function) && is_run
    })
}

/// What is wrong with what keeps a passage.
fn fault(keeper: &str, read: &mut impl FnMut(&str) -> Option<String>) -> Option<String> {
    if let Some(reason) = keeper.strip_prefix(NO_PROMISE) {
        return reason
            .trim()
            .is_empty()
            .then(|| "does not say why it is no promise".to_owned());
    }
    let (path, test) = match keeper.split_once("::") {
        Some((path, test)) => (path, Some(test)),
        None if keeper.starts_with(STORIES) => (keeper, None),
        None => return Some(format!("names '{keeper}', which is neither a test nor a story")),
    };
    let Some(source) = read(path) else {
        return Some(format!("names {path}, which is not there"));
    };
    let test = test.filter(|test| !has_test(&source, test))?;
    Some(format!("names {test}, which is no test in {path}"))
}

/// What is wrong with a table of a document.
fn faults(
    document: &Document,
    entries: &[Entry],
    mut read: impl FnMut(&str) -> Option<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut told = Vec::new();
    for Entry { passage, keepers } in entries {
        let mut add = |fault: &str| faults.push(format!("'{passage}' {fault}"));
        let places = document.places(passage);
        if places.is_empty() {
            add("stands there no more");
        }
        told.extend(places);
        if keepers.is_empty() {
            add("has nothing that keeps it");
        }
        let is_none = |keeper: &String| keeper.starts_with(NO_PROMISE);
        if keepers.iter().any(is_none) && keepers.len() > 1 {
            add("is a promise or is none, not both");
        }
        if !keepers.iter().any(is_none) && document.leaves_out_a_sentence(passage) {
            add("leaves out whole sentences, which have entries of their own");
        }
        for keeper in keepers {
            if let Some(fault) = fault(keeper, &mut read) {
                add(&fault);
            }
        }
    }
    let untold = document.sentences().filter(|(place, _)| {
        let overlaps = |other: &std::ops::Range<usize>| other.start < place.end && place.start < other.end;
        !told.iter().any(overlaps)
    });
    faults.extend(untold.map(|(_, sentence)| format!("no entry is about '{sentence}'")));
    faults
}

/// Fails with all that is wrong with the table of a document.
#[track_caller]
fn assert_kept(name: &str, document: &Document, least: usize) {
    let table = format!("tests/it/tidy/promises/{name}.txt");
    let entries = entries(&fs::read_to_string(workspace_root().join(&table)).unwrap());
    assert!(
        entries.len() >= least,
        "only {} entries in {table}",
        entries.len()
    );
    let mut sources: BTreeMap<String, Option<String>> = BTreeMap::new();
    let read = |path: &str| {
        let read = || fs::read_to_string(workspace_root().join(path)).ok();
        sources.entry(path.to_owned()).or_insert_with(read).clone()
    };
    let faults = faults(document, &entries, read);
    assert!(
        faults.is_empty(),
        "each sentence has an entry in {table}, with the tests that keep it, or is said to be no promise:\n{}",
        faults.join("\n")
    );
}

#[test]
fn each_promise_of_the_readme_is_kept_by_a_test() {
    assert_kept("readme", &Document::read("README.md"), 100);
}

#[test]
fn each_promise_of_the_changelog_is_kept_by_a_test() {
    // Right behind a release there is nothing.
    assert_kept("changelog", &Document::unreleased(), 0);
}

#[test]
fn each_promise_of_the_help_is_kept_by_a_test() {
    assert_kept("help", &help::of_all_programs(), 50);
}

#[test]
fn a_promise_that_nothing_keeps_is_found() {
    let document = Document::of(
        "# Title\n\nIt works. It\nlasts (long).\n\n- One: `x`. Two.\n- Three\n\n    typed  # done\n\n\
         | a | b |\n| --- | --- |\n| 1 | c |\n",
    );
    let sentences: Vec<&str> = document.sentences().map(|(_, sentence)| sentence).collect();
    assert_eq!(
        sentences,
        [
            "It works.",
            "It lasts (long).",
            "- One: `x`.",
            "Two.",
            "- Three",
            "typed # done",
            "| a | b |",
            "| 1 | c |"
        ]
    );
    let source = "    #[test]\n    fn good() {\n    }\n\n    fn helper() {}\n    told: Story {\n\
                  #[tokio::test(flavor)]\nasync fn late() {\n}\n#[test]\n#[ignore = \"slow\"]\nfn asleep() {\n}\n";
    for (name, is_test) in [
        ("good", true),
        ("late", true),
        ("told", true),
        ("helper", false),
        ("asleep", false),
        ("goo", false),
    ] {
        assert_eq!(has_test(source, name), is_test, "{name}");
    }
    let table = "// A note.\nIt works. … (long)\n    a.rs::good\n    a.rs::helper\n\nOne:\n    b.rs::good\n\n\
        Two … | b |\n    no promise: a reason\n\nFour\n    no promise: \n    a.rs::good\n";
    let read = |path: &str| (path == "a.rs").then(|| source.to_owned());
    assert_eq!(
        faults(&document, &entries(table), read),
        [
            "'It works. … (long)' names helper, which is no test in a.rs",
            "'One:' names b.rs, which is not there",
            "'Four' stands there no more",
            "'Four' is a promise or is none, not both",
            "'Four' does not say why it is no promise",
            "no entry is about '| 1 | c |'",
        ]
    );
}
