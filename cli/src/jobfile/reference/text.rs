//! The reference as text: `swarmctl help jobfile`.

use swarm_program::words::wrapped::wrapped;

use super::{Field, sections};

/// The first lines of the reference.
pub(super) const INTRODUCTION: &str = "A job file names several tasks and what they wait for. `swarmctl submit -f \
                                       FILE` submits it; with --dry-run it is only checked.";

/// Where to go on.
pub(super) const MORE: [(&str, &str); 3] = [
    (
        "swarmctl submit --example",
        "a file with every field, to begin with",
    ),
    ("swarmctl submit --schema", "a JSON schema, for editors"),
    (
        "swarmctl submit -f FILE --dry-run",
        "every fault of a file, with line and column",
    ),
];

/// Where the meaning of a field begins.
const INDENT: &str = "      ";

/// The whole reference, for a terminal of so many columns.
pub(crate) fn text(width: Option<usize>) -> String {
    let mut text = wrapped("", INTRODUCTION, width);
    text.push('\n');
    for (line, what) in MORE {
        text.push_str(&format!("  {line:<34} {what}\n"));
    }
    for section in sections() {
        text.push_str(&format!("\n{}\n", section.title));
        text.push_str(&wrapped("  ", section.about, width));
        for field in section.fields {
            text.push('\n');
            text.push_str(&entry(field, width));
        }
    }
    text
}

fn entry(field: &Field, width: Option<usize>) -> String {
    let mut entry = wrapped("  ", &format!("{}: {}", field.names(), field.form.words()), width);
    entry.push_str(&wrapped(INDENT, field.meaning, width));
    if !field.default.is_empty() {
        entry.push_str(&wrapped(INDENT, &format!("[default: {}]", field.default), width));
    }
    entry.push_str(&format!("{INDENT}{}: {}\n", field.name, field.example));
    entry
}
