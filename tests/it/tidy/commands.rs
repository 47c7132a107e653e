//! The command lines that documents and help texts show: every one of them is a command line of the program.

use std::{fs, path::Path};

use clap::{Command, error::ErrorKind};

/// The documents that show command lines, indented or in backticks.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// What stands for something else in an example, so that it cannot be read as it stands.
const PLACEHOLDERS: [&str; 3] = ["…", "──", "["];

/// Command lines may have placeholders, such as that of a guard; many would be a hole in what is checked.
const MOST_SKIPPED: usize = 1;

fn programs() -> [Command; 3] {
    [
        swarmctl::command_line(),
        swarm_agent::command_line(),
        swarm_coordinator::command_line(),
    ]
}

/// The parts of a shell's line that are commands of their own.
fn commands(line: &str) -> Vec<Vec<String>> {
    // Two spaces and a word on it stand behind an example.
    let line = line.split("  ").next().unwrap_or_default();
    let line = line.split(" # ").next().unwrap_or_default();
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

/// What a text shows behind an indent of so many columns, or in backticks.
fn shown(text: &str, indent: usize) -> Vec<Shown> {
    let indent = " ".repeat(indent);
    let lines = text.lines().filter_map(|line| line.strip_prefix(&indent));
    let mut shown: Vec<Shown> = lines.map(|line| Shown::Line(line.trim().to_owned())).collect();
    let quoted = text.split('`').skip(1).step_by(2);
    shown.extend(quoted.map(|words| Shown::Words(words.split_whitespace().collect::<Vec<_>>().join(" "))));
    shown
}

/// What is wrong with a command line, as clap says it.
fn fault(shown: &Shown, words: &[String]) -> Option<clap::Error> {
    let name = words.first()?;
    let program = programs()
        .into_iter()
        .find(|program| program.get_name() == name)?;
    let error = program.try_get_matches_from(words).err()?;
    let is_wrong = match shown {
        Shown::Line(_) => error.use_stderr(),
        Shown::Words(_) => [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand].contains(&error.kind()),
    };
    is_wrong.then_some(error)
}

/// What a text shows.
#[derive(Default)]
struct Checked {
    lines: usize,
    /// Lines of a program with a placeholder.
    skipped: Vec<String>,
    faults: Vec<String>,
}

/// Checks the command lines of a text.
fn check(place: &str, text: &str, indent: usize, checked: &mut Checked) {
    for shown in shown(text, indent) {
        let (Shown::Line(line) | Shown::Words(line)) = &shown;
        if PLACEHOLDERS.iter().any(|placeholder| line.contains(placeholder)) {
            let mut words = line.split_whitespace();
            let program = words.next().unwrap_or_default();
            if programs().iter().any(|known| known.get_name() == program) {
                checked.skipped.push(format!("{place}: {line}"));
            }
            continue;
        }
        for words in commands(line) {
            checked.lines += usize::from(words.len() > 1);
            checked
                .faults
                .extend(fault(&shown, &words).map(|error| format!("{place}: {line}\n{error}")));
        }
    }
}

/// The help of a verb and of those below it.
fn helps(verb: &Command, name: &str, found: &mut Vec<(String, String)>) {
    let examples = [
        verb.get_before_help(),
        verb.get_after_help(),
        verb.get_before_long_help(),
        verb.get_after_long_help(),
    ];
    for text in examples.into_iter().flatten() {
        found.push((format!("{name} --help"), text.to_string()));
    }
    for below in verb.get_subcommands() {
        helps(below, &format!("{name} {}", below.get_name()), found);
    }
}

#[test]
fn every_command_line_that_is_shown_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| (name.to_owned(), fs::read_to_string(root.join(name)).unwrap());
    let documents: Vec<(String, String)> = DOCUMENTS.into_iter().map(read).collect();
    let mut texts = Vec::new();
    for program in programs() {
        helps(&program, program.get_name(), &mut texts);
    }
    let mut checked = Checked::default();
    for (place, text) in &documents {
        check(place, text, 4, &mut checked);
    }
    for (place, text) in &texts {
        check(place, text, 2, &mut checked);
    }
    let Checked {
        lines,
        skipped,
        faults,
    } = checked;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(lines > 100, "only {lines} command lines were found");
    println!(
        "{} command lines have placeholders:\n{}",
        skipped.len(),
        skipped.join("\n")
    );
    assert!(skipped.len() <= MOST_SKIPPED, "{} are too many", skipped.len());
}
