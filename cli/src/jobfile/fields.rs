//! Reads typed values out of nodes. A value of another type is a fault, and read as `None`.

use std::{collections::BTreeMap, ops::RangeInclusive, rc::Rc, slice, time::Duration};

use swarm_program::words::nearest::near;
use swarm_proto::duration::{parse_duration, write_duration};

use super::{
    fault::{Faults, Position},
    reference::{self, READ_IT, Section},
    tree::{Content, Entry, Node},
};

/// The text of a single value, whatever it looks like: `1.10` stays `1.10`.
pub(crate) fn text<'n>(node: &'n Node, field: &str, faults: &mut Faults) -> Option<&'n str> {
    match &node.content {
        Content::Scalar { text, .. } if !node.is_null() => Some(text),
        _ => wrong_type(node, &format!("`{field}`"), "a single value", faults),
    }
}

/// The entries of a map; `what` names it in a sentence, such as "a task" or "`retry`".
pub(crate) fn entries<'n>(node: &'n Node, what: &str, faults: &mut Faults) -> Option<&'n [Entry]> {
    match &node.content {
        Content::Map(entries) => Some(entries),
        _ => wrong_type(node, what, "a map", faults),
    }
}

/// The items of a list; one value stands for a list of one.
pub(crate) fn items(node: &Rc<Node>) -> &[Rc<Node>] {
    match &node.content {
        Content::List(items) => items,
        Content::Scalar { .. } | Content::Map(_) => slice::from_ref(node),
    }
}

/// A whole number within a range.
pub(super) fn number(
    node: &Node,
    field: &str,
    range: RangeInclusive<u32>,
    faults: &mut Faults,
) -> Option<u32> {
    let text = text(node, field, faults)?;
    match text.parse::<i64>() {
        Ok(number) => match u32::try_from(number) {
            Ok(number) if range.contains(&number) => return Some(number),
            _ => faults.push(
                node.position,
                format!(
                    "`{field}` is {number}, out of range: {} to {}",
                    range.start(),
                    range.end()
                ),
            ),
        },
        Err(_) => faults.push(
            node.position,
            format!("`{field}` has to be a whole number, and '{text}' is none"),
        ),
    }
    None
}

/// A duration of at most `longest`.
pub(super) fn duration(
    node: &Node,
    field: &str,
    longest: (Duration, &str),
    faults: &mut Faults,
) -> Option<prost_types::Duration> {
    let duration = read(node, field, faults, parse_duration)?;
    match write_duration(duration) {
        Some(wire) if duration <= longest.0 => Some(wire),
        _ => {
            let text = text(node, field, faults)?;
            faults.push(
                node.position,
                format!("`{field}` is {text}, too long: at most {}", longest.1),
            );
            None
        }
    }
}

/// A single value read by one of `value.rs`'s functions.
pub(super) fn read<T>(
    node: &Node,
    field: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text(node, field, faults)?;
    parse(text)
        .map_err(|fault| faults.push(node.position, format!("`{field}`: {fault}")))
        .ok()
}

/// `true` or `false`, in the words of YAML 1.1 too.
pub(super) fn boolean(node: &Node, field: &str, faults: &mut Faults) -> Option<bool> {
    read(node, field, faults, |text| {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(format!("'{text}' is neither true nor false")),
        }
    })
}

/// A text of at most so many bytes.
pub(super) fn short_text(node: &Node, field: &str, longest: usize, faults: &mut Faults) -> Option<String> {
    let text = text(node, field, faults)?;
    if text.len() > longest {
        faults.push(
            node.position,
            format!("`{field}` has {} bytes; at most {longest}", text.len()),
        );
        return None;
    }
    Some(text.to_owned())
}

/// A map of texts.
pub(super) fn pairs(node: &Node, field: &str, faults: &mut Faults) -> Option<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for entry in entries(node, &format!("`{field}`"), faults)? {
        if entry.value.is_null() {
            let message = format!(
                "`{field}.{}` has no value; an empty text is written \"\"",
                entry.key
            );
            faults.push(entry.position, message);
        } else if let Some(text) = text(&entry.value, &format!("{field}.{}", entry.key), faults) {
            pairs.insert(entry.key.clone(), text.to_owned());
        }
    }
    Some(pairs)
}

/// Adds a fault about an unknown field, with the fields that were probably meant, or else the usual ones.
pub(super) fn unknown(key: &str, position: Position, sections: &[&Section], faults: &mut Faults) {
    let known = reference::names(sections);
    let foreign = FOREIGN_NAMES
        .iter()
        .find(|(foreign, ours)| *foreign == key && known.contains(ours))
        .map(|(_, ours)| vec![*ours]);
    let mut meant = foreign.unwrap_or_else(|| near(key, known.iter().copied()));
    meant.truncate(MAX_MEANT_FIELDS);
    let listed = known[..known.len().min(MAX_LISTED_FIELDS)].join(", ");
    let help = match meant.as_slice() {
        [] if known.len() <= MAX_LISTED_FIELDS => format!("the fields here are {listed}."),
        [] => format!("the usual fields here are {listed}."),
        meant => format!("did you mean `{}`?", meant.join("` or `")),
    };
    faults.push_with_help(
        position,
        format!("unknown field `{key}`"),
        Some(format!("{help} All of them: {READ_IT}")),
    );
}

/// At most this many fields are named that may have been meant.
const MAX_MEANT_FIELDS: usize = 3;

/// At most this many fields are listed in a suggestion; the sections begin with the usual ones.
const MAX_LISTED_FIELDS: usize = 20;

/// Other systems' names of our fields, as far as they are too different for a guess.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    ("needs", "depends_on"),
    ("after", "depends_on"),
    ("cmd", "run"),
    ("script", "run"),
    ("shell", "run"),
    ("args", "run"),
    ("environment", "env"),
    ("dir", "cwd"),
    ("workdir", "cwd"),
    ("working_dir", "cwd"),
    ("working_directory", "cwd"),
    ("tags", "labels"),
    ("selector", "requires"),
    ("constraints", "requires"),
    ("mutex", "exclusive_group"),
    ("lock", "exclusive_group"),
    ("steps", "tasks"),
    ("jobs", "tasks"),
    ("matrix", "array"),
    ("items", "each_line"),
    ("for_each", "each_line"),
    ("foreach", "each_line"),
];

fn wrong_type<T>(node: &Node, what: &str, expected: &str, faults: &mut Faults) -> Option<T> {
    faults.push(
        node.position,
        format!("{what} has to be {expected}, and this is {}", node.kind()),
    );
    None
}
