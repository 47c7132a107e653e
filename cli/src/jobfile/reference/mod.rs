//! The reference of the job file: one table of its fields, out of which the parser knows them, and from which help,
//! manual page, JSON schema and example are written.

mod table;

mod example;
mod page;
mod schema;
mod text;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use crate::program::value::TIMES;

pub(crate) use example::example;
pub(crate) use page::{FILE_NAME, page};
pub(crate) use schema::schema;
pub(super) use table::{COMMAND, DEPENDENCY, DESCRIPTIVE, FILE, JOB, OWN, PROMPT, RETRY, SHARED};
pub(crate) use text::text;

/// The command that prints the reference.
pub(crate) const READ_IT: &str = "swarmctl help jobfile";

/// Fields that stand in one map.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading: `The file`.
    pub(crate) title: &'static str,
    /// A sentence or two about all of them.
    pub(crate) about: &'static str,
    /// The usual ones first.
    pub(crate) fields: &'static [Field],
}

/// A field of a job file.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Other names of the same field, which the protocol or other systems have for it.
    pub(crate) also: &'static [&'static str],
    pub(crate) form: Form,
    /// What holds without it; empty when nothing does.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
    /// A value as YAML on one line.
    pub(crate) example: &'static str,
}

/// The form of a field's value.
#[derive(Debug)]
pub(crate) enum Form {
    /// A text, whatever it looks like.
    Text,
    /// A text with the characters of an id.
    Id,
    /// An absolute path.
    Directory,
    /// Bytes of RFC 4648.
    Base64,
    Number(RangeInclusive<u32>),
    Priority,
    Duration,
    Time,
    /// A time, or a duration from the submit.
    Deadline,
    Switch,
    /// A map of texts.
    Pairs,
    /// A map of anything.
    Values,
    Anything,
    /// A line for a shell, or a list of words.
    Command,
    /// A list of words.
    Words,
    /// Tasks by name or id.
    References,
    /// Terms about an agent's labels.
    Terms,
    /// Numbers as ranges, steps and lists.
    Numbers,
    /// A file of lines, or the lines themselves.
    Lines,
    Tasks,
    /// Fields of their own.
    Map(&'static Section),
    /// A text, or fields of their own.
    TextOr(&'static Section),
    /// A command line, or fields of their own.
    CommandOr(&'static Section),
    /// The fields of a task, or of all.
    MapOf(&'static [&'static Section]),
}

/// Every section, in the order of reading.
pub(crate) fn sections() -> [&'static Section; 9] {
    [
        &FILE,
        &OWN,
        &SHARED,
        &DESCRIPTIVE,
        &DEPENDENCY,
        &RETRY,
        &COMMAND,
        &PROMPT,
        &JOB,
    ]
}

impl Section {
    /// The field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields
            .iter()
            .find(|field| field.name == name || field.also.contains(&name))
    }

    /// Whether a field has this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.field(name).is_some()
    }
}

/// Every name of the fields of these sections: first the names themselves, then the other ones.
pub(super) fn names(sections: &[&Section]) -> Vec<&'static str> {
    let fields = || sections.iter().flat_map(|section| section.fields);
    let others = fields().flat_map(|field| field.also.iter().copied());
    fields().map(|field| field.name).chain(others).collect()
}

impl Form {
    /// The form in a few words: `text`, `duration`.
    pub(crate) fn words(&self) -> String {
        match self {
            Form::Text => "text".to_owned(),
            Form::Id => "id".to_owned(),
            Form::Directory => "absolute path".to_owned(),
            Form::Base64 => "base64".to_owned(),
            Form::Number(range) => format!("{} to {}", range.start(), range.end()),
            Form::Priority => "low, normal, high, critical, or -100 to 100".to_owned(),
            Form::Duration => "duration: 90, 90s, 10m, 1h 30m, 2d".to_owned(),
            Form::Time => format!("time: {TIMES}"),
            Form::Deadline => "time, or duration from the submit".to_owned(),
            Form::Switch => "true or false".to_owned(),
            Form::Pairs => "map of texts".to_owned(),
            Form::Values => "map".to_owned(),
            Form::Anything => "text, list or map".to_owned(),
            Form::Command => "line for sh -c, or list of words".to_owned(),
            Form::Words => "list of words".to_owned(),
            Form::References => "name or id, a map, or a list of them".to_owned(),
            Form::Terms => "k=v, k!=v, k or !k, a list of them, or a map of labels".to_owned(),
            Form::Numbers => "1-10, 1-9:2, or 3,7".to_owned(),
            Form::Lines => "path from the file's directory, or list of texts".to_owned(),
            Form::Tasks => "list of tasks".to_owned(),
            Form::Map(_) | Form::MapOf(_) => "map".to_owned(),
            Form::TextOr(_) => "text, or map".to_owned(),
            Form::CommandOr(_) => "line for sh -c, list of words, or map".to_owned(),
        }
    }
}

impl Field {
    /// The names in one line: `depends_on, dependencies`.
    pub(crate) fn names(&self) -> String {
        [&[self.name], self.also].concat().join(", ")
    }
}
