//! A job file to begin with: `swarmctl submit --example`.

use super::{DESCRIPTIVE, Field, OWN, SHARED, Section};

/// The part that runs as it stands.
const WRITTEN: &str = include_str!("example.yaml");

/// A file that can be submitted as it stands, with the other fields of a task as comments behind it.
pub(crate) fn example() -> String {
    let mut example = WRITTEN.to_owned();
    example.push_str("\n# The fields of a task. `swarmctl help jobfile` says more of each.\n");
    let is_shown = |field: &&Field| !WRITTEN.contains(&format!("{}:", field.name)) || field.name == "id";
    let sections: [&Section; 3] = [&OWN, &SHARED, &DESCRIPTIVE];
    for section in sections {
        example.push_str(&format!("#\n# {}\n", section.title));
        for field in section.fields.iter().filter(is_shown) {
            example.push_str(&format!(
                "#    {:<44} # {}\n",
                format!("{}: {}", field.name, field.example),
                first_sentence(field.meaning)
            ));
        }
    }
    example
}

fn first_sentence(meaning: &str) -> &str {
    meaning
        .split_once(". ")
        .map_or(meaning, |(first, _)| first)
        .trim_end_matches('.')
}
