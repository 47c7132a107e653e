//! ARCHITECTURE.md: short, and what it names is there.

use std::fs;

use super::source;
use crate::harness::workspace_root;

/// A page that is read whole before the first change.
const MOST_LINES: usize = 150;

/// The section that names functions.
const ONE_REQUEST: &str = "## One request, file by file";

/// A file, and maybe a function in it: `store/mod.rs::apply`, or `store/mod.rs::Store::apply`.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    file: &'a str,
    function: Option<&'a str>,
}

/// Every name of a file in a text.
fn names(text: &str) -> Vec<Name<'_>> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_/.:-".contains(c);
    let words = text.split(|c: char| !is_of_name(c));
    words
        .filter_map(|word| {
            let (before, after) = word.split_once(".rs")?;
            let function = after.rsplit_once("::").map(|(_, name)| name);
            Some(Name {
                file: &word[..before.len() + 3],
                function: function.map(|name| name.trim_end_matches(['.', ':'])),
            })
        })
        .collect()
}

/// A section with its heading, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let from = text.find(heading)?;
    let length = text[from + heading.len()..].find("\n## ");
    Some(length.map_or(&text[from..], |length| &text[from..from + heading.len() + length]))
}

/// The files that are called by this name, with or without a directory `src` on the way.
fn files<'a>(paths: &'a [String], name: &str) -> Vec<&'a str> {
    let is_called = |path: &str| {
        path.strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    paths
        .iter()
        .filter(|path| is_called(path) || is_called(&path.replace("/src/", "/")))
        .map(String::as_str)
        .collect()
}

/// The fault of a name: it has to be of one file in the section, and a function has to be in its file.
fn fault(
    name: &Name<'_>,
    must_be_one: bool,
    paths: &[String],
    read: impl Fn(&str) -> String,
) -> Option<String> {
    let found = files(paths, name.file);
    let file = match found[..] {
        [file] => file,
        [file, ..] if !must_be_one => file,
        _ => {
            return Some(format!(
                "{} is the name of {} files: {found:?}",
                name.file,
                found.len()
            ));
        }
    };
    let function = name.function?;
    let text = read(file);
    let is_there = ["(", "<"]
        .iter()
        .any(|end| text.contains(&format!("fn {function}{end}")));
    (!is_there).then(|| format!("{file} has no function {function}"))
}

#[test]
fn the_architecture_is_one_page() {
    let text = fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(
        lines <= MOST_LINES,
        "it has {lines} lines, at most {MOST_LINES} will do"
    );
}

#[test]
fn each_file_and_function_that_the_architecture_names_is_there() {
    let text = fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).unwrap();
    let paths: Vec<String> = source::all().iter().map(|source| source.path.clone()).collect();
    let read = |path: &str| fs::read_to_string(workspace_root().join(path)).unwrap();
    let one_request = section(&text, ONE_REQUEST).expect("one request is told, file by file");
    let named = names(one_request);
    assert!(
        named.iter().filter(|name| name.function.is_some()).count() > 3,
        "{named:?}"
    );
    let in_section = named.iter().filter_map(|name| fault(name, true, &paths, read));
    let anywhere = names(&text);
    let anywhere = anywhere
        .iter()
        .filter_map(|name| fault(name, false, &paths, read));
    let found: Vec<String> = in_section.chain(anywhere).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_name_that_leads_nowhere_is_found() {
    let text = "# A\n`x.rs`\n## One\na/b.rs → `c.rs::Type::run`, (a/b.rs::gone).\n## Two\n`d.rs`";
    let one = section(text, "## One").unwrap();
    let named = names(one);
    let name = |file, function| Name { file, function };
    let wanted = [
        name("a/b.rs", None),
        name("c.rs", Some("run")),
        name("a/b.rs", Some("gone")),
    ];
    assert_eq!(named, wanted);
    assert_eq!(names(text).len(), 5);
    let paths = ["a/src/b.rs", "d/c.rs", "e/c.rs"].map(str::to_owned);
    let read = |_: &str| "fn run<T>(of: T)".to_owned();
    let faults = named.iter().filter_map(|name| fault(name, true, &paths, read));
    let wanted = [
        "c.rs is the name of 2 files: [\"d/c.rs\", \"e/c.rs\"]",
        "a/src/b.rs has no function gone",
    ];
    assert_eq!(faults.collect::<Vec<_>>(), wanted);
    assert_eq!(fault(&named[1], false, &paths, read), None);
    assert!(fault(&name("f.rs", None), false, &paths, read).is_some());
}
