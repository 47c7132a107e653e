//! The command lines that documents and help texts show: every one of them is a command line of the program.

use std::{collections::BTreeMap, fs};

use clap::{Command, error::ErrorKind};

use super::programs::{programs, verbs};
use crate::{
    harness::workspace_root,
    markdown::{self, Kind},
};

/// The documents that show command lines, indented or in backticks.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// What stands for something else in an example, so that it cannot be read as it stands.
const PLACEHOLDERS: [&str; 3] = ["…", "──", "["];

/// Command lines may have placeholders, such as that of a guard; many would be a hole in what is checked.
const MOST_SKIPPED: usize = 1;

/// With fewer command lines of a program than these, its lines are no longer found.
const LEAST_LINES: [(&str, usize); 3] = [("swarmctl", 200), ("agent", 10), ("coordinator", 10)];

/// The parts of a shell's line that are commands of their own.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    for word in shlex::split(line).unwrap_or_default() {
        let ends = word.ends_with(';') || ["|", "&", "&&", "||", ";", ">"].contains(&word.as_str());
        let word = word.trim_end_matches([';', '&', '|', '>']);
        if !word.is_empty() {
            words.push(word.to_owned());
        }
        if ends {
            found.push(std::mem::take(&mut words));
        }
    }
    found.push(words);
    found
}

/// A line that somebody may type, or words that name one without all that it needs.
enum Shown {
    Line(String),
    Words(String),
}

/// What a document shows: its typed lines, and what stands in backticks.
fn shown_by_document(text: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    for block in markdown::blocks(text) {
        shown.extend(
            block
                .typed_lines()
                .map(|(command, _)| Shown::Line(command.to_owned())),
        );
        if block.kind == Kind::Prose {
            shown.extend(quoted(&block.text()));
        }
    }
    shown
}

/// What a help text shows: lines behind an indent, with two spaces and a word on each behind them, and what stands in
/// backticks.
fn shown_by_help(text: &str) -> Vec<Shown> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let commands = lines.map(|line| line.trim().split("  ").next().unwrap_or_default());
    let mut shown: Vec<Shown> = commands
        .map(|command| Shown::Line(command.split(" # ").next().unwrap_or_default().to_owned()))
        .collect();
    shown.extend(quoted(text));
    shown
}

fn quoted(text: &str) -> Vec<Shown> {
    let quoted = text.split('`').skip(1).step_by(2);
    let one_spaced = |words: &str| words.split_whitespace().collect::<Vec<_>>().join(" ");
    quoted.map(|words| Shown::Words(one_spaced(words))).collect()
}

/// What is wrong with a command line, as clap says it.
fn fault(program: &Command, shown: &Shown, words: &[String]) -> Option<clap::Error> {
    let error = program.clone().try_get_matches_from(words).err()?;
    let is_wrong = match shown {
        Shown::Line(_) => error.use_stderr(),
        Shown::Words(_) => [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand].contains(&error.kind()),
    };
    is_wrong.then_some(error)
}

/// What a shell would put in place of $PWD.
const HERE: &str = "/srv/files";

/// What the texts show.
struct Checked {
    programs: [Command; 3],
    /// The command lines of each program.
    lines: BTreeMap<String, usize>,
    /// Lines of a program with a placeholder.
    skipped: Vec<String>,
    faults: Vec<String>,
}

impl Checked {
    fn program(&self, name: &str) -> Option<&Command> {
        self.programs.iter().find(|program| program.get_name() == name)
    }

    /// Checks the command lines that stand in one place.
    fn check(&mut self, place: &str, shown: &[Shown]) {
        for shown in shown {
            let (Shown::Line(line) | Shown::Words(line)) = shown;
            if PLACEHOLDERS.iter().any(|placeholder| line.contains(placeholder)) {
                let name = line.split_whitespace().next().unwrap_or_default();
                if self.program(name).is_some() {
                    self.skipped.push(format!("{place}: {line}"));
                }
                continue;
            }
            for words in commands(&line.replace("$PWD", HERE)) {
                let Some(program) = words.first().and_then(|name| self.program(name)) else {
                    continue;
                };
                let fault = fault(program, shown, &words);
                self.faults
                    .extend(fault.map(|error| format!("{place}: {line}\n{error}")));
                if let [name, _, ..] = words.as_slice() {
                    *self.lines.entry(name.clone()).or_default() += 1;
                }
            }
        }
    }
}

#[test]
fn every_command_line_that_is_shown_is_one() {
    let mut checked = Checked {
        programs: programs(),
        lines: BTreeMap::new(),
        skipped: Vec::new(),
        faults: Vec::new(),
    };
    for name in DOCUMENTS {
        let text = fs::read_to_string(workspace_root().join(name)).unwrap();
        checked.check(name, &shown_by_document(&text));
    }
    for program in &programs() {
        for (name, verb) in verbs(program) {
            let examples = [
                verb.get_before_help(),
                verb.get_after_help(),
                verb.get_before_long_help(),
                verb.get_after_long_help(),
            ];
            for text in examples.into_iter().flatten() {
                checked.check(&format!("{name} --help"), &shown_by_help(&text.to_string()));
            }
        }
    }
    let Checked {
        lines,
        skipped,
        faults,
        ..
    } = checked;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for (program, least) in LEAST_LINES {
        let count = lines.get(program).copied().unwrap_or_default();
        assert!(
            count >= least,
            "only {count} command lines of {program} were found"
        );
    }
    println!(
        "{} command lines have placeholders:\n{}",
        skipped.len(),
        skipped.join("\n")
    );
    assert!(skipped.len() <= MOST_SKIPPED, "{} are too many", skipped.len());
}
