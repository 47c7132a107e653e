//! One task of a foreign format, turned into the fields of our job file.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;
use swarm_proto::limits::MAX_NAME_BYTES;

use super::{
    metadata,
    report::Report,
    schema::{MET, Meaning, STATE, Schema, UNSAFE_GROUP},
    shell,
    status::{self, Status},
};
use crate::{
    jobfile::{
        fault::{Faults, Position},
        fields,
        tree::{Content, Entry, Node},
    },
    program::value,
};

/// A task as it was read, with unresolved dependencies.
pub(super) struct Incoming {
    pub(super) position: Position,
    pub(super) id: String,
    pub(super) status: Status,
    /// Fields of our job file, except `depends_on` and `metadata`.
    pub(super) fields: Vec<Entry>,
    pub(super) metadata: Vec<Entry>,
    /// Its dependencies, and their place.
    pub(super) depends_on: Option<(Position, Vec<Dependency>)>,
    /// Dependencies that had succeeded when it was exported.
    pub(super) met: Vec<String>,
}

/// Tasks without an id, with the number of times that each was in the file so far.
pub(super) type Seen = BTreeMap<String, usize>;

/// A task that must end first.
pub(super) struct Dependency {
    pub(super) task_id: String,
    /// Whether it may end in any way.
    pub(super) is_any_end: bool,
    /// The dependency as our job file has it.
    pub(super) node: Rc<Node>,
}

/// Reads a task; `None` when it has no id.
pub(super) fn read(
    node: &Rc<Node>,
    schema: &Schema,
    seen: &mut Seen,
    faults: &mut Faults,
    report: &mut Report,
) -> Option<Incoming> {
    let entries = fields::entries(node, "a task", faults)?;
    let mut reader = Reader {
        schema,
        given: BTreeMap::new(),
        ours: BTreeMap::new(),
        kept: Vec::new(),
        fields: Vec::new(),
        faults,
    };
    reader.sort(entries, report);
    reader.read_work(node.position);
    reader.read_name();
    reader.read_priority();
    reader.read_parallel();
    let depends_on = reader.read_dependencies();
    if let Some(retries) = reader.given.remove(&Meaning::Retries) {
        reader.add("retries", retries.position, Rc::clone(&retries.value));
    }
    let status = reader.read_status();
    let met = reader.read_met();
    let id = reader.read_id(node, seen);
    let metadata = reader.metadata(report);
    // The remaining fields below `swarm` mean the same as in a job file.
    let rest = std::mem::take(&mut reader.ours).into_values().cloned();
    reader.fields.extend(rest);
    let fields = reader.fields;
    Some(Incoming {
        position: node.position,
        id: id?,
        status,
        fields,
        metadata,
        depends_on,
        met,
    })
}

struct Reader<'r> {
    schema: &'r Schema,
    /// Fields with a meaning here, until they are used.
    given: BTreeMap<Meaning, &'r Entry>,
    /// Fields below `swarm`, until they are used.
    ours: BTreeMap<&'r str, &'r Entry>,
    /// Fields without a meaning here, or with a part without a meaning.
    kept: Vec<(&'r Entry, Value)>,
    fields: Vec<Entry>,
    faults: &'r mut Faults,
}

impl<'r> Reader<'r> {
    fn sort(&mut self, entries: &'r [Entry], report: &mut Report) {
        let given = |name: &str| {
            entries
                .iter()
                .find(|entry| entry.key == name && !entry.value.is_null())
        };
        for (name, meaning) in self.schema.fields {
            if let Some(entry) = given(name) {
                self.given.entry(*meaning).or_insert(entry);
            }
        }
        for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
            let meaning = self.schema.meaning(&entry.key);
            match meaning {
                Some(Meaning::Past) => report.past(&entry.key),
                Some(Meaning::Usual(usual)) if is_text(&entry.value, usual) => {}
                Some(Meaning::Usual(_)) | None => self.keep(entry),
                Some(meaning) if self.given.get(&meaning).is_some_and(|used| used.key == entry.key) => {}
                Some(_) => self.keep(entry),
            }
        }
        if let Some(entry) = self.given.remove(&Meaning::Ours)
            && let Some(entries) = fields::entries(&entry.value, &format!("`{}`", entry.key), self.faults)
        {
            let entries = entries.iter().filter(|entry| !entry.value.is_null());
            self.ours = entries.map(|entry| (entry.key.as_str(), entry)).collect();
        }
    }

    fn keep(&mut self, entry: &'r Entry) {
        self.kept.push((entry, entry.value.to_json()));
    }

    fn add(&mut self, key: &str, position: Position, value: Rc<Node>) {
        self.fields.push(Entry {
            key: key.to_owned(),
            position,
            value,
        });
    }

    fn text(&mut self, meaning: Meaning) -> Option<(&'r Entry, &'r str)> {
        let entry = self.given.remove(&meaning)?;
        let text = fields::text(&entry.value, &entry.key, self.faults)?;
        Some((entry, text))
    }

    fn read_id(&mut self, node: &Node, seen: &mut Seen) -> Option<String> {
        if let Some(entry) = self.given.remove(&Meaning::Id) {
            return fields::text(&entry.value, &entry.key, self.faults).map(|id| {
                self.add("id", entry.value.position, Rc::clone(&entry.value));
                id.to_owned()
            });
        }
        if !self.schema.derives_ids {
            self.faults.push(node.position, "the task has no `id`");
            return None;
        }
        let id = self.derive_id(node, seen);
        self.add("id", node.position, Node::text(node.position, id.as_str()));
        Some(id)
    }

    /// Derives an id from the task's fields except its status and past, so that the same task has the same id in every
    /// import.
    fn derive_id(&self, node: &Node, seen: &mut Seen) -> String {
        let mut content = node.to_json();
        if let Value::Object(fields) = &mut content {
            let says = |meaning| !matches!(meaning, Some(Meaning::Status | Meaning::Past));
            fields.retain(|field, _| says(self.schema.meaning(field)));
            fields.sort_keys();
        }
        let content = content.to_string();
        let times = seen.entry(content.clone()).or_default();
        *times += 1;
        value::derive_id([content.as_str(), &times.to_string()].into_iter())
    }

    /// Reads the work. Several fields may give it: one of them counts, and the others are kept.
    fn read_work(&mut self, position: Position) {
        let mode = self.given.remove(&Meaning::Mode);
        let (shell, text) = (
            self.given.remove(&Meaning::Shell),
            self.given.remove(&Meaning::Text),
        );
        let is_local = match mode {
            Some(mode) if is_text(&mode.value, "local") => true,
            Some(mode) => {
                self.keep(mode);
                false
            }
            None => text.is_none(),
        };
        if is_local && mode.is_some() && shell.is_none() && !self.ours.contains_key("run") {
            self.faults
                .push(position, "the task's `mode` is local, and it has no `command`");
        }
        let ours = self.ours.remove("run");
        let line = ours.map(|run| shell::line_of(&run.value));
        match (ours, shell, text) {
            // Export wrote the line, and somebody may have changed it since.
            (Some(run), Some(shell), text) => {
                let is_ours = line.is_some_and(|line| is_text(&shell.value, &line));
                let run = if is_ours { run } else { shell };
                self.add("run", run.position, Rc::clone(&run.value));
                text.into_iter().for_each(|text| self.keep(text));
            }
            (Some(run), None, text) => {
                self.add("run", run.position, Rc::clone(&run.value));
                let described = text.filter(|text| !line.is_some_and(|line| is_text(&text.value, &line)));
                described.into_iter().for_each(|text| self.keep(text));
            }
            (None, Some(shell), text) if is_local || text.is_none() => {
                if let Some(line) = fields::text(&shell.value, &shell.key, self.faults) {
                    let line = Node::text(shell.value.position, line);
                    self.add("run", shell.position, line);
                } else {
                    self.add_nothing(position);
                }
                text.into_iter().for_each(|text| self.keep(text));
            }
            (None, shell, Some(text)) => {
                shell.into_iter().for_each(|shell| self.keep(shell));
                self.add_prompt(text);
            }
            (None, _, None) if self.ours.contains_key("command") => {}
            (None, _, None) => match self.given.get(&Meaning::Name) {
                // Without any other text, the name is the work.
                Some(name) => self.add_prompt(name),
                None => {
                    let field = self.schema.field(Meaning::Text).unwrap_or_default();
                    self.faults.push(
                        position,
                        format!("the task has nothing to do: it has no `{field}`"),
                    );
                    self.add_nothing(position);
                }
            },
        }
        if let Some(model) = self.given.remove(&Meaning::Model) {
            self.keep(model);
        }
    }

    fn add_prompt(&mut self, text: &'r Entry) {
        self.add("prompt", text.position, Rc::clone(&text.value));
        if let Some(model) = self.given.remove(&Meaning::Model) {
            self.add("model", model.position, Rc::clone(&model.value));
        }
    }

    /// A command in place of work that has its fault already.
    fn add_nothing(&mut self, position: Position) {
        self.add("run", position, Node::text(position, "true"));
    }

    fn read_name(&mut self) {
        let Some((entry, name)) = self.text(Meaning::Name) else {
            return;
        };
        let ours = self.ours.remove("name");
        let id = self.given.get(&Meaning::Id).map(|id| &id.value);
        let is_id = self.schema.is_named_by_id && id.is_some_and(|id| is_text(id, name));
        if let Some(ours) = ours.filter(|ours| is_text(&ours.value, name)) {
            self.add("name", ours.position, Rc::clone(&ours.value));
        } else if !is_id {
            let cut = cut_name(name);
            if cut != name {
                self.keep(entry);
            }
            self.add("name", entry.position, Node::text(entry.value.position, cut));
        }
    }

    fn read_priority(&mut self) {
        let Some((entry, word)) = self.text(Meaning::Priority) else {
            return;
        };
        let ours = self.ours.remove("priority");
        let exact = ours.filter(|ours| match &ours.value.content {
            Content::Scalar { text, .. } => {
                let number = value::parse_priority(text).ok();
                let written = number.and_then(|number| self.schema.priority_word(number));
                written.is_some_and(|written| written.eq_ignore_ascii_case(word.trim()))
            }
            Content::List(_) | Content::Map(_) => true,
        });
        match (exact, self.schema.priority(word)) {
            (Some(ours), _) => self.fields.push(ours.clone()),
            (None, Some(number)) => {
                let number = Node::text(entry.value.position, number.to_string());
                self.add("priority", entry.position, number);
            }
            // The job file's reader checks a number.
            (None, None) => self.add("priority", entry.position, Rc::clone(&entry.value)),
        }
    }

    fn read_parallel(&mut self) {
        let Some((entry, word)) = self.text(Meaning::Parallel) else {
            return;
        };
        let group = self.ours.remove("exclusive_group");
        match word.to_ascii_lowercase().as_str() {
            "true" | "yes" => {}
            "false" | "no" => match group {
                Some(group) => self.fields.push(group.clone()),
                None => {
                    let group = Node::text(entry.value.position, UNSAFE_GROUP);
                    self.add("exclusive_group", entry.position, group);
                }
            },
            _ => self.faults.push(
                entry.value.position,
                format!("`{}`: '{word}' is neither true nor false", entry.key),
            ),
        }
    }

    fn read_dependencies(&mut self) -> Option<(Position, Vec<Dependency>)> {
        let theirs = self.given.remove(&Meaning::Dependencies);
        let ours = self.ours.remove("depends_on");
        let theirs = theirs.map(|entry| (entry.position, self.dependencies(entry)));
        let ours = ours.map(|entry| (entry.position, self.dependencies(entry)));
        let ids = |list: &[Dependency]| -> Vec<String> {
            list.iter().map(|dependency| dependency.task_id.clone()).collect()
        };
        match (theirs, ours) {
            (Some(theirs), Some(ours)) if ids(&theirs.1) == ids(&ours.1) => Some(ours),
            (Some(theirs), _) => Some(theirs),
            (None, ours) => ours,
        }
    }

    fn dependencies(&mut self, entry: &Entry) -> Vec<Dependency> {
        let items = fields::items(&entry.value);
        let read = items.iter().filter_map(|item| {
            let text_of = |entries: &[Entry], keys: &[&str]| {
                let found = entries.iter().find(|entry| keys.contains(&entry.key.as_str()))?;
                match &found.value.content {
                    Content::Scalar { text, .. } => Some(text.clone()),
                    Content::List(_) | Content::Map(_) => None,
                }
            };
            let (task_id, is_any_end) = match &item.content {
                // The job file's reader tells its fault.
                Content::Map(entries) => (
                    text_of(entries, &["task", "task_id"]).unwrap_or_default(),
                    text_of(entries, &["condition"]).is_some_and(|text| text == "finished"),
                ),
                _ => (fields::text(item, &entry.key, self.faults)?.to_owned(), false),
            };
            Some(Dependency {
                task_id,
                is_any_end,
                node: Rc::clone(item),
            })
        });
        read.collect()
    }

    fn read_status(&mut self) -> Status {
        let Some((entry, word)) = self.text(Meaning::Status) else {
            return Status::Open;
        };
        let ours = self
            .ours
            .remove(STATE)
            .and_then(|ours| match &ours.value.content {
                Content::Scalar { text, .. } => Some(text.as_str()),
                Content::List(_) | Content::Map(_) => None,
            });
        let word = ours
            .filter(|ours| self.schema.statuses.agree(word, ours))
            .unwrap_or(word);
        status::parse(word).unwrap_or_else(|fault| {
            self.faults
                .push(entry.value.position, format!("`{}`: {fault}", entry.key));
            Status::Open
        })
    }

    fn read_met(&mut self) -> Vec<String> {
        let Some(entry) = self.ours.remove(MET) else {
            return Vec::new();
        };
        let items = fields::items(&entry.value).iter();
        items
            .filter_map(|item| fields::text(item, MET, self.faults).map(str::to_owned))
            .collect()
    }

    fn metadata(&mut self, report: &mut Report) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (entry, value) in std::mem::take(&mut self.kept) {
            report.kept(self.schema, &entry.key);
            match metadata::pairs(&self.schema.key(&entry.key), &value) {
                Ok(pairs) => entries.extend(pairs.into_iter().map(|(key, text)| Entry {
                    key,
                    position: entry.position,
                    value: Node::text(entry.value.position, text),
                })),
                Err(why) => self
                    .faults
                    .push(entry.position, format!("`{}` cannot be kept: {why}", entry.key)),
            }
        }
        if let Some(ours) = self.ours.remove("metadata")
            && let Some(own) = fields::entries(&ours.value, "`metadata`", self.faults)
        {
            entries.extend(own.iter().cloned());
        }
        entries
    }
}

/// A name cut to the longest length.
pub(super) fn cut_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

/// Whether a node is a certain text.
fn is_text(node: &Node, wanted: &str) -> bool {
    match &node.content {
        Content::Scalar { text, .. } => text == wanted,
        Content::List(_) | Content::Map(_) => false,
    }
}
