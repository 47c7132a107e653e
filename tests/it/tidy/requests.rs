//! The table of requests: each is in a file of its own or its noun's, somebody sends it, and it has a story or a test.

use std::fs;

use super::source::{self, Source};
use crate::harness::workspace_root;

/// The protocol has more; with fewer the table was not read.
const LEAST_ROWS: usize = 20;

/// A row of `coordinator/src/request/table.rs`.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// `GetTaskRequest`
    message: String,
    /// `TaskService`
    service: String,
    /// `GetTask`
    method: String,
}

impl Row {
    /// The directory of the program that sends it: an agent, or a verb of swarmctl.
    fn sender(&self) -> &'static str {
        match (self.service.as_str(), self.method.as_str()) {
            ("CoordinatorService", "StreamEvents") => "cli/src/verb/",
            ("CoordinatorService", _) => "agent/src/",
            _ => "cli/src/verb/",
        }
    }

    /// The word with which a line of a script makes it: `get`.
    fn word(&self) -> String {
        let lower = self.method[1..].find(char::is_uppercase);
        let length = lower.map_or(self.method.len(), |at| at + 1);
        self.method[..length].to_lowercase()
    }
}

fn rows(table: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (message, rest) = line.trim().split_once(" \"")?;
        let (method, _) = rest.split_once('"')?;
        let (service, method) = method.split_once('/')?;
        let message = message.trim();
        message.ends_with("Request").then(|| Row {
            message: message.to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
        })
    };
    table.lines().filter_map(row).collect()
}

/// The first words of the lines of all scripts.
fn words_of_scripts() -> Vec<String> {
    let scripts = fs::read_dir(workspace_root().join("coordinator/engine/tests/script")).unwrap();
    let scripts = scripts.map(|entry| entry.unwrap().path());
    let texts = scripts.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let mut words: Vec<String> = texts
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
            text.lines().map(first).collect::<Vec<_>>()
        })
        .collect();
    words.sort();
    words.dedup();
    words
}

#[test]
fn each_request_has_a_file_a_sender_and_a_story_or_a_test() {
    let sources = source::all();
    let table = "coordinator/src/request/table.rs";
    let rows = rows(&fs::read_to_string(workspace_root().join(table)).unwrap());
    assert!(rows.len() >= LEAST_ROWS, "{rows:?}");
    let words = words_of_scripts();
    let mut found = Vec::new();
    for row in &rows {
        let is_named_below = |directory: &str| {
            let names = |source: &&Source| !source.lines_naming(&[&row.message]).is_empty();
            let below = sources.iter().filter(|source| source.path.starts_with(directory));
            below
                .filter(|source| source.path != table)
                .any(|source| names(&source))
        };
        if !is_named_below("coordinator/src/request/") {
            found.push(format!("{} has no file in coordinator/src/request", row.message));
        }
        if !is_named_below(row.sender()) {
            found.push(format!("nothing in {} sends {}", row.sender(), row.message));
        }
        let is_tested = |source: &Source| !source.test_lines_naming(&[&row.message], |_| false).is_empty();
        if !words.contains(&row.word()) && !sources.iter().any(is_tested) {
            let word = row.word();
            found.push(format!(
                "{} has neither a script with '{word}' nor a test",
                row.message
            ));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_row_is_read_with_its_sender_and_its_word() {
    let text = "table! {\n    SubmitTasksRequest   \"TaskService/SubmitTasks\"  Some(Load::Submit);\n    \
                ClaimRequest \"CoordinatorService/Claim\" None;\n}\nlet x = \"a/b\";";
    let rows = rows(text);
    let row = |message: &str, service: &str, method: &str| Row {
        message: message.to_owned(),
        service: service.to_owned(),
        method: method.to_owned(),
    };
    let wanted = [
        row("SubmitTasksRequest", "TaskService", "SubmitTasks"),
        row("ClaimRequest", "CoordinatorService", "Claim"),
    ];
    assert_eq!(rows, wanted);
    assert_eq!(rows[0].word(), "submit");
    assert_eq!(rows[1].word(), "claim");
    assert_eq!(rows[0].sender(), "cli/src/verb/");
    assert_eq!(rows[1].sender(), "agent/src/");
}
