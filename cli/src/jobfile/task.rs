//! The fields of one task, or of the defaults of all.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use swarm_proto::limits::{
    MAX_BACKOFF, MAX_DELAY, MAX_GROUP_BYTES, MAX_NAME_BYTES, MAX_RETRIES, MAX_TIMEOUT,
};

use super::{
    draft::Draft,
    fault::{Faults, Position},
    fields,
    places::Places,
    reference::{DESCRIPTIVE, OWN, RETRY, SHARED},
    series,
    surroundings::Surroundings,
    tree::{Content, Entry, Node},
};
use crate::program::value;

/// The protocol's longest durations, in words. Its limits are checked here too, so that their faults have a line.
const LONGEST_TIMEOUT: (Duration, &str) = (MAX_TIMEOUT, "30 days");
const LONGEST_BACKOFF: (Duration, &str) = (MAX_BACKOFF, "1 day");
const LONGEST_DELAY: (Duration, &str) = (MAX_DELAY, "10 years");

/// Kinds of work that no agent does, with their names in a sentence.
const FOREIGN_WORK: &[(&str, &str)] = &[("runner", "coding agents"), ("container", "containers")];

/// Reads the fields of one task, or of the defaults, into a draft.
pub(super) struct Reader<'a> {
    /// The path in the request: `tasks[3]` or `defaults`.
    pub(super) prefix: String,
    is_task: bool,
    /// Whether a field gives the work, rightly or wrongly.
    pub(super) has_work: bool,
    around: Surroundings<'a>,
    /// The fields read so far, by their paths in the request.
    given: BTreeMap<String, String>,
    pub(super) faults: &'a mut Faults,
    pub(super) places: &'a mut Places,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        prefix: String,
        is_task: bool,
        around: Surroundings<'a>,
        faults: &'a mut Faults,
        places: &'a mut Places,
    ) -> Reader<'a> {
        Reader {
            prefix,
            is_task,
            has_work: false,
            around,
            given: BTreeMap::new(),
            faults,
            places,
        }
    }

    pub(super) fn read(&mut self, node: &Rc<Node>, draft: &mut Draft) {
        let what = if self.is_task { "a task" } else { "`defaults`" };
        let Some(entries) = fields::entries(node, what, self.faults) else {
            // One fault is enough for a node that is no task at all.
            self.has_work = true;
            return;
        };
        self.read_entries(entries, draft);
        self.check_work(draft);
    }

    fn read_entries(&mut self, entries: &[Entry], draft: &mut Draft) {
        for entry in entries {
            let key = entry.key.as_str();
            if !self.is_task && (OWN.knows(key) || is_foreign_work(key)) {
                self.faults
                    .push(entry.position, format!("`{key}` has no meaning in `defaults`"));
            } else if !self.is_known(key) {
                let known = [&OWN, &SHARED, &DESCRIPTIVE];
                let known = if self.is_task { &known[..] } else { &known[1..] };
                fields::unknown(key, entry.position, known, self.faults);
            } else if !entry.value.is_null() {
                self.read_field(entry, draft);
            }
        }
    }

    fn is_known(&self, key: &str) -> bool {
        (self.is_task && OWN.knows(key))
            || SHARED.knows(key)
            || DESCRIPTIVE.knows(key)
            || is_foreign_work(key)
    }

    fn read_field(&mut self, entry: &Entry, draft: &mut Draft) {
        let (key, node) = (entry.key.as_str(), &entry.value);
        match key {
            "id" | "task_id" => {
                self.begin("task_id", key, entry);
                let id = fields::read(node, key, self.faults, |id| {
                    value::check_new_id(id).map(|()| id.to_owned())
                });
                // A bad id still names its task, so that references to it are no faults of their own.
                let id = id.or_else(|| fields::text(node, key, &mut Faults::new("")).map(str::to_owned));
                draft.written_id = id.map(|id| (id, node.position));
            }
            "name" => {
                self.begin("spec.name", key, entry);
                draft.name = fields::short_text(node, key, MAX_NAME_BYTES, self.faults)
                    .map(|name| (name, node.position));
            }
            "spec" => {
                if let Some(entries) = fields::entries(node, &format!("`{key}`"), self.faults) {
                    self.read_entries(entries, draft);
                }
            }
            "run" => self.read_argv(key, entry, draft),
            "command" => match &node.content {
                Content::Map(entries) => self.read_command(entries, draft),
                _ => self.read_argv(key, entry, draft),
            },
            "cwd" | "stdin" | "stdin_base64" | "env" => self.read_command_field(key, key, entry, draft),
            "prompt" => self.read_prompt(key, entry, draft),
            "model" => self.read_model(key, entry, draft),
            "requires" | "requirements" => self.read_requires(key, entry, draft),
            "parallel_safe" => {
                self.read_metadata(key, entry, draft);
                draft.parallel_safe = fields::boolean(node, key, self.faults).unwrap_or(true);
            }
            "depends_on" | "dependencies" => self.read_references(key, entry, draft),
            "array" | "each_line" => self.read_series(key, entry, draft),
            "retries" => {
                self.begin("spec.retry.max_retries", key, entry);
                let retries = fields::number(node, key, 0..=MAX_RETRIES, self.faults);
                draft.spec.retry.get_or_insert_default().max_retries = retries;
            }
            "retry" => {
                if let Some(entries) = fields::entries(node, &format!("`{key}`"), self.faults) {
                    self.read_retry(entries, draft);
                }
            }
            _ if is_foreign_work(key) => self.refuse_work(key, entry),
            "description" => self.read_metadata(key, entry, draft),
            _ if DESCRIPTIVE.knows(key) => {
                draft
                    .descriptive
                    .extend(DESCRIPTIVE.field(key).map(|field| field.name));
                self.read_metadata(key, entry, draft);
            }
            _ => self.read_plain(key, entry, draft),
        }
    }

    /// Fields that are one value of the spec, under the same name.
    fn read_plain(&mut self, key: &str, entry: &Entry, draft: &mut Draft) {
        let (node, spec) = (&entry.value, &mut draft.spec);
        if key == "metadata" {
            let Some(entries) = fields::entries(node, &format!("`{key}`"), self.faults) else {
                return;
            };
            for entry in entries {
                self.read_metadata(&format!("metadata.{}", entry.key), entry, draft);
            }
            return;
        }
        self.begin(&format!("spec.{key}"), key, entry);
        match key {
            "queue" => {
                let check = |queue: &str| value::check_id(queue).map(|()| queue.to_owned());
                spec.queue = fields::read(node, key, self.faults, check).unwrap_or_default();
            }
            "priority" => {
                spec.priority =
                    fields::read(node, key, self.faults, value::parse_priority).unwrap_or_default();
            }
            "exclusive_group" => {
                spec.exclusive_group =
                    fields::short_text(node, key, MAX_GROUP_BYTES, self.faults).unwrap_or_default();
            }
            "shard_key" => {
                spec.shard_key =
                    fields::short_text(node, key, MAX_GROUP_BYTES, self.faults).unwrap_or_default();
            }
            "labels" => spec
                .labels
                .extend(fields::pairs(node, key, self.faults).unwrap_or_default()),
            "timeout" => {
                spec.timeout = fields::duration(node, key, LONGEST_TIMEOUT, self.faults);
                if spec
                    .timeout
                    .is_some_and(|timeout| timeout.seconds == 0 && timeout.nanos == 0)
                {
                    self.faults.push(
                        node.position,
                        "`timeout` is 0: the task would end before it begins",
                    );
                }
            }
            "delay" => spec.delay = fields::duration(node, key, LONGEST_DELAY, self.faults),
            "not_before" => {
                let time = fields::read(node, key, self.faults, value::parse_time);
                spec.not_before = time.map(to_wire_time);
            }
            "deadline" => {
                let now = self.around.now;
                let time = fields::read(node, key, self.faults, |text| value::parse_deadline(text, now));
                spec.deadline = time.map(to_wire_time);
            }
            _ => unreachable!("every field of the tables is read: `{key}` is not"),
        }
    }

    /// `array: 1-5`, `each_line: FILE`, or `each_line: [a, b]`.
    fn read_series(&mut self, key: &str, entry: &Entry, draft: &mut Draft) {
        let node = &entry.value;
        self.begin("series", key, entry);
        let items = match &node.content {
            Content::List(texts) if key == "each_line" => {
                let texts: Vec<&str> = texts
                    .iter()
                    .filter_map(|text| fields::text(text, key, self.faults))
                    .collect();
                series::texts(&texts)
            }
            _ => {
                let Some(text) = fields::text(node, key, self.faults) else {
                    return;
                };
                match key {
                    "array" => series::numbers(text),
                    _ => (self.around.lines)(text),
                }
            }
        };
        match items {
            Ok(items) => draft.series = Some(items),
            Err(fault) => self.faults.push(node.position, format!("`{key}`: {fault}")),
        }
    }

    fn read_retry(&mut self, entries: &[Entry], draft: &mut Draft) {
        let retry = draft.spec.retry.get_or_insert_default();
        for entry in entries {
            let (key, node) = (entry.key.as_str(), &entry.value);
            let field = format!("retry.{key}");
            if !RETRY.knows(key) {
                fields::unknown(key, entry.position, &[&RETRY], self.faults);
                continue;
            }
            if node.is_null() {
                continue;
            }
            self.begin(&format!("spec.retry.{key}"), &field, entry);
            match key {
                "max_retries" => {
                    retry.max_retries = fields::number(node, &field, 0..=MAX_RETRIES, self.faults);
                }
                "initial_backoff" => {
                    retry.initial_backoff = fields::duration(node, &field, LONGEST_BACKOFF, self.faults);
                }
                _ => retry.max_backoff = fields::duration(node, &field, LONGEST_BACKOFF, self.faults),
            }
        }
    }

    /// Keeps a value as text; lists and maps as JSON.
    fn read_metadata(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        self.begin(&format!("spec.metadata.{}", entry.key), field, entry);
        let text = match &entry.value.content {
            Content::Scalar { text, .. } => text.clone(),
            _ => entry.value.to_json().to_string(),
        };
        draft.spec.metadata.insert(entry.key.clone(), text);
    }

    fn refuse_work(&mut self, key: &str, entry: &Entry) {
        self.has_work = true;
        let kind = FOREIGN_WORK
            .iter()
            .find(|(name, _)| *name == key)
            .map_or(key, |(_, kind)| *kind);
        let help = Some("give the task a command line: `run: …`".to_owned());
        self.faults
            .push_with_help(entry.position, format!("`{key}`: no agent runs {kind} yet"), help);
    }

    /// The field of a path in the request, with its place.
    pub(super) fn given(&self, path: &str) -> Option<(String, Position)> {
        let field = self.given.get(path)?;
        let position = self.places.locate(&format!("{}.{path}", self.prefix))?;
        Some((field.clone(), position))
    }

    /// Notes the field and place of a path in the request. Two fields for one path are a fault.
    pub(super) fn begin(&mut self, path: &str, field: &str, entry: &Entry) {
        self.places
            .record(format!("{}.{path}", self.prefix), entry.value.position);
        match self.given.get(path) {
            // A key that stands twice has its fault already.
            Some(earlier) if earlier == field => {}
            Some(earlier) => {
                let message = format!("`{field}` and `{earlier}` say the same thing: keep one of them");
                self.faults.push(entry.position, message);
            }
            None => {
                self.given.insert(path.to_owned(), field.to_owned());
            }
        }
    }
}

fn is_foreign_work(key: &str) -> bool {
    FOREIGN_WORK.iter().any(|(name, _)| *name == key)
}

fn to_wire_time(time: jiff::Timestamp) -> prost_types::Timestamp {
    // Times before 1970 are refused, so that neither part is negative.
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}
