//! The sources of the workspace as the rules see them: code without comments and the text in quotes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::harness::workspace_root;

/// One file of ours.
pub(super) struct Source {
    /// Its path below the root of the workspace, with slashes.
    pub(super) path: String,
    /// Its code, line by line.
    lines: Vec<Line>,
}

struct Line {
    code: String,
    in_tests: bool,
    /// The function that it is in, or after.
    function: String,
}

impl Source {
    /// The number of its lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has nothing but tests.
    pub(super) fn is_for_tests(&self) -> bool {
        self.lines.iter().all(|line| line.in_tests)
    }

    /// The lines of its code that name one of these, each as `path:line: code`. Tests at a file's end are left out.
    pub(super) fn lines_naming(&self, words: &[&str]) -> Vec<String> {
        self.find(words, |line| !line.in_tests)
    }

    /// The same for the lines that only tests run, outside the functions whose names `excepted` knows.
    pub(super) fn test_lines_naming(&self, words: &[&str], excepted: impl Fn(&str) -> bool) -> Vec<String> {
        self.find(words, |line| line.in_tests && !excepted(&line.function))
    }

    fn find(&self, words: &[&str], wanted: impl Fn(&Line) -> bool) -> Vec<String> {
        let numbered = (1..).zip(&self.lines).filter(|(_, line)| wanted(line));
        numbered
            .filter(|(_, line)| words.iter().any(|word| names(&line.code, word)))
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.code.trim()))
            .collect()
    }
}

/// Every Rust file of ours, read once.
pub(super) fn all() -> &'static [Source] {
    static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let paths = paths("rs");
        assert!(paths.len() > 100, "the sources were not found");
        paths.iter().map(|path| read(path)).collect()
    });
    &ALL
}

/// The files of ours whose names end like this.
pub(super) fn paths(extension: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for member in ["proto", "coordinator", "agent", "cli", "tests"] {
        collect(&workspace_root().join(member), extension, &mut paths);
    }
    paths.sort();
    paths
}

/// The name of a file of ours: its path below the root of the workspace, with slashes.
pub(super) fn name(path: &Path) -> String {
    let below = path.strip_prefix(workspace_root()).unwrap();
    below.to_str().unwrap().to_owned()
}

/// The files below a directory, such as `coordinator/src/`.
pub(super) fn below(directory: &str) -> Vec<&'static Source> {
    let sources: Vec<&Source> = all()
        .iter()
        .filter(|source| source.path.starts_with(directory))
        .collect();
    assert!(!sources.is_empty(), "nothing in {directory}");
    sources
}

fn collect(directory: &Path, wanted: &str, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // The fuzzer builds in a directory of its own.
            if !path.ends_with("fuzz/target") {
                collect(&path, wanted, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = name(path);
    // A whole file of tests, or the tests at the end of a file.
    let mut in_tests = path.contains("/tests/") || path.starts_with("tests/") || path.ends_with("/tests.rs");
    let (mut announced, mut function) = (false, String::new());
    let lines = text
        .lines()
        .map(|line| {
            in_tests |= announced && line.starts_with("mod tests {");
            announced = line.starts_with("#[cfg(test)]") || announced && line.starts_with("#[");
            let code = code_of(line);
            if let Some((_, after)) = code.split_once("fn ") {
                function = after
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
            }
            Line {
                code,
                in_tests,
                function: function.clone(),
            }
        })
        .collect();
    Source { path, lines }
}

/// A line without its comment and without what stands in quotes on it.
fn code_of(line: &str) -> String {
    let (mut code, mut quoted, mut escaped) = (String::new(), false, false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted && rest.peek() == Some(&'/') => break,
            // A quote in quotes of its own.
            '\'' if !quoted && rest.peek() == Some(&'"') => {
                rest.next();
            }
            _ if !quoted => code.push(c),
            _ => {}
        }
    }
    code
}

/// Whether the code names this path, and not merely something that begins or ends like it.
fn names(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let begins_inside = code[..at].ends_with(part_of_name);
        let ends_inside = word.ends_with(part_of_name) && code[at + word.len()..].starts_with(part_of_name);
        !begins_inside && !ends_inside
    })
}

#[test]
fn a_rule_sees_code_and_neither_comments_nor_text() {
    assert_eq!(code_of(r#"let a = "b // \" c"; // sled"#), "let a = ; ");
    assert_eq!(code_of(r"let a = '/'; b('\\') / 2"), r"let a = '/'; b('\\') / 2");
    assert!(names("use sled::Db;", "sled") && names("x(&sled)", "sled"));
    assert!(!names("let traveled = bobsleds;", "sled") && !names("unsled::x", "sled"));
    assert!(names("std::fs::read(p)", "std::fs") && !names("std::fsx::read(p)", "std::fs"));
}
