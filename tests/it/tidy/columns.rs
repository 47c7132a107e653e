//! The width of lines: rustfmt breaks neither comments nor texts, and does not look at .proto files.

use std::fs;

use super::source;

/// Two files fit beside each other.
const MOST_COLUMNS: usize = 120;

/// The lines of a file that are too wide, each as `path:line: columns`.
fn wide(name: &str, text: &str) -> Vec<String> {
    let numbered = (1..).zip(text.lines().map(|line| line.chars().count()));
    numbered
        .filter(|&(_, columns)| columns > MOST_COLUMNS)
        .map(|(number, columns)| format!("{name}:{number}: {columns} columns"))
        .collect()
}

#[test]
fn no_line_is_too_wide() {
    let found: Vec<String> = ["rs", "proto"]
        .into_iter()
        .flat_map(source::paths)
        .flat_map(|path| wide(&source::name(&path), &fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(
        found.is_empty(),
        "at most {MOST_COLUMNS} will do; a text goes on in the next line behind a backslash:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_line_is_measured_as_it_is_seen() {
    let text = format!("{}\n{}\n", "é".repeat(120), "x".repeat(121));
    assert_eq!(wide("a.rs", &text), ["a.rs:2: 121 columns"]);
}
