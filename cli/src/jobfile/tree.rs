//! The tree of a YAML or JSON text, with the place of every node in it.
//!
//! It is built from the parser's events rather than by a loader, because a loader ends at the first duplicate key,
//! which is one fault of many here.

use std::{collections::HashMap, rc::Rc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{
    fault::{Faults, Position},
    surrogates,
};

/// Nodes of a text with its aliases written out. Ten thousand tasks have far
/// fewer; a few nested anchors could make billions.
const MAX_NODES: usize = 2_000_000;

/// Levels of lists and maps within each other: a job file needs seven, its
/// metadata perhaps a few more. Trees are walked and dropped recursively.
const MAX_DEPTH: usize = 64;

/// A value and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
    /// Nodes below and including this one, each alias counted as what it stands for.
    size: usize,
    /// Levels below and including this one.
    height: usize,
}

/// The content of a node.
#[derive(Debug)]
pub(crate) enum Content {
    /// A single value. `plain` is false when quotes, a block style or `!!str` make it text, whatever it looks like.
    Scalar { text: String, plain: bool },
    /// Values in order.
    List(Vec<Rc<Node>>),
    /// Keys and values in order. A key may stand twice, which is a fault that was told before.
    Map(Vec<Entry>),
}

/// One key of a map, with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) value: Rc<Node>,
}

impl Node {
    /// A text, whatever it looks like.
    pub(crate) fn text(position: Position, text: impl Into<String>) -> Rc<Node> {
        let (text, plain) = (text.into(), false);
        Node::made(position, Content::Scalar { text, plain })
    }

    /// Values in order.
    pub(crate) fn list(position: Position, items: Vec<Rc<Node>>) -> Rc<Node> {
        Node::made(position, Content::List(items))
    }

    /// Keys and values in order; no key may stand twice.
    pub(crate) fn map(position: Position, entries: Vec<Entry>) -> Rc<Node> {
        Node::made(position, Content::Map(entries))
    }

    /// A node with its size. Sizes are bounded while a text is read, and nodes made later are no larger.
    fn made(position: Position, content: Content) -> Rc<Node> {
        let (size, height) = (1, 1);
        Rc::new(Node {
            position,
            content,
            size,
            height,
        })
    }

    /// Whether the value is absent or `null`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain: true } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// A map with changed values. Absent values and other nodes stay as they are, and the job file's reader finds their
    /// fault.
    pub(crate) fn with_values(self: &Rc<Node>, value_of: &dyn Fn(&str, &Rc<Node>) -> Rc<Node>) -> Rc<Node> {
        let Content::Map(entries) = &self.content else {
            return Rc::clone(self);
        };
        let entries = entries.iter().map(|entry| Entry {
            key: entry.key.clone(),
            position: entry.position,
            value: match entry.value.is_null() {
                true => Rc::clone(&entry.value),
                false => value_of(&entry.key, &entry.value),
            },
        });
        Node::map(self.position, entries.collect())
    }

    /// The kind of node in a sentence.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar { .. } if self.is_null() => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The value as JSON. Plain texts that look like numbers or truth values become those.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Scalar { .. } if self.is_null() => serde_json::Value::Null,
            Content::Scalar { text, plain } => match text.parse() {
                Ok(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) if *plain => value,
                _ => serde_json::Value::String(text.clone()),
            },
            Content::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }
}

/// Reads the one document of a text. `None` when its syntax is at fault, or when there is nothing in it.
pub(crate) fn read(text: &str, faults: &mut Faults) -> Option<Rc<Node>> {
    let joined = surrogates::join(text);
    let position = |marker: &Marker| {
        joined.original(Position {
            // The parser counts lines from 1 and columns from 0.
            line: marker.line().max(1),
            column: marker.col() + 1,
        })
    };
    let mut builder = Builder {
        faults,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    let mut parser = Parser::new_from_str(&joined.text);
    while let Some(event) = parser.next_event() {
        let read = match event {
            Ok((event, span)) => builder.take(event, position(&span.start)),
            Err(error) => Err((position(error.marker()), error.info().to_owned())),
        };
        if let Err((position, message)) = read {
            let help = advice(&message).map(str::to_owned);
            builder.faults.push_with_help(position, message, help);
            return None;
        }
    }
    match builder.root {
        Some(root) if !root.is_null() => Some(root),
        _ => {
            faults.push(
                Position { line: 1, column: 1 },
                "the file is empty; a job file has `tasks:`",
            );
            None
        }
    }
}

/// What to write instead, where YAML's words do not say it. Commands are full of signs that mean something to YAML.
fn advice(message: &str) -> Option<&'static str> {
    const QUOTE: &str = "a command with such signs is quoted as a whole ('…' or \"…\"), or stands in lines of its \
                         own below `run: |`";
    const SIGNS: &[&str] = &[
        "mapping values are not allowed",
        "unknown anchor",
        "cannot start any token",
        "unexpected character",
        "did not find expected",
        "while parsing",
        "while scanning",
    ];
    SIGNS.iter().any(|sign| message.contains(sign)).then_some(QUOTE)
}

/// A fault after which nothing further can be read.
type Fatal = (Position, String);

/// A list or map that has not ended yet.
struct Open {
    position: Position,
    anchor: usize,
    /// A map's keys and values alternate here until it ends.
    children: Vec<Rc<Node>>,
    is_map: bool,
}

struct Builder<'f> {
    faults: &'f mut Faults,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    root: Option<Rc<Node>>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<(), Fatal> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err((
                position,
                "a second document begins here; a job file is one document".to_owned(),
            )),
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !self.is_text(tag.as_deref(), position);
                let content = Content::Scalar {
                    text: text.into_owned(),
                    plain,
                };
                self.add(
                    Rc::new(Node {
                        position,
                        content,
                        size: 1,
                        height: 1,
                    }),
                    anchor,
                )
            }
            Event::SequenceStart(anchor, tag) => self.begin(position, anchor, tag.as_deref(), false),
            Event::MappingStart(anchor, tag) => self.begin(position, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err((position, "an alias within what it stands for".to_owned()));
                };
                self.add(node, 0)
            }
        }
    }

    fn begin(
        &mut self,
        position: Position,
        anchor: usize,
        tag: Option<&Tag>,
        is_map: bool,
    ) -> Result<(), Fatal> {
        self.is_text(tag, position);
        self.open.push(Open {
            position,
            anchor,
            children: Vec::new(),
            is_map,
        });
        self.check_depth(position, 0)
    }

    fn end(&mut self) -> Result<(), Fatal> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let size = open.children.iter().map(|child| child.size).sum::<usize>() + 1;
        let height = open.children.iter().map(|child| child.height).max().unwrap_or(0) + 1;
        let content = if open.is_map {
            Content::Map(self.entries(open.children))
        } else {
            Content::List(open.children)
        };
        // The children are counted already.
        self.nodes -= size - 1;
        self.add(
            Rc::new(Node {
                position: open.position,
                content,
                size,
                height,
            }),
            open.anchor,
        )
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Fatal> {
        self.nodes += node.size;
        if self.nodes > MAX_NODES {
            return Err((
                node.position,
                format!("with its aliases written out the file has over {MAX_NODES} values"),
            ));
        }
        self.check_depth(node.position, node.height)?;
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn check_depth(&self, position: Position, height: usize) -> Result<(), Fatal> {
        if self.open.len() + height > MAX_DEPTH {
            return Err((
                position,
                format!("lists and maps within each other, over {MAX_DEPTH} levels deep"),
            ));
        }
        Ok(())
    }

    /// Pairs keys with values, checks that each key is text and stands once, and merges the maps of `<<`.
    fn entries(&mut self, children: Vec<Rc<Node>>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(children.len() / 2);
        let mut first: HashMap<String, Position> = HashMap::new();
        let mut merged = Vec::new();
        let mut children = children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let position = key.position;
            let Content::Scalar { text, plain } = &key.content else {
                self.faults.push(
                    position,
                    format!("a key has to be text, and this is {}", key.kind()),
                );
                continue;
            };
            if *plain && text == "<<" {
                merged.push((position, value));
                continue;
            }
            if let Some(earlier) = first.get(text) {
                self.faults.push(
                    position,
                    format!("`{text}` is given twice, first in line {}", earlier.line),
                );
            } else {
                first.insert(text.clone(), position);
            }
            entries.push(Entry {
                key: text.clone(),
                position,
                value,
            });
        }
        for (position, source) in merged {
            self.merge(position, &source, &mut entries, &mut first);
        }
        entries
    }

    /// YAML's merge key: the map's own keys go before those of `<<`, and earlier maps before later ones.
    fn merge(
        &mut self,
        position: Position,
        source: &Node,
        entries: &mut Vec<Entry>,
        first: &mut HashMap<String, Position>,
    ) {
        match &source.content {
            Content::Map(inherited) => {
                for entry in inherited {
                    if !first.contains_key(&entry.key) {
                        first.insert(entry.key.clone(), entry.position);
                        entries.push(entry.clone());
                    }
                }
            }
            Content::List(sources) => {
                for source in sources {
                    self.merge(position, source, entries, first);
                }
            }
            Content::Scalar { .. } => {
                self.faults
                    .push(position, "`<<` has to refer to a map or to a list of maps");
            }
        }
    }

    /// Whether a tag makes a value text. Tags outside YAML's own are faults: they would mean nothing here.
    fn is_text(&mut self, tag: Option<&Tag>, position: Position) -> bool {
        let Some(tag) = tag else { return false };
        let is_known = tag.is_yaml_core_schema() || (tag.handle.is_empty() && tag.suffix == "!");
        if !is_known {
            self.faults.push(
                position,
                format!(
                    "the tag `{}{}` means nothing in a job file",
                    tag.handle, tag.suffix
                ),
            );
        }
        tag.suffix == "str" || tag.suffix == "!"
    }
}
