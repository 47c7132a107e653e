//! One task in a foreign format: the format's own fields, the fields kept by an import, and the rest under `swarm`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use swarm_proto::v1::{NewTask, Task, TaskSpec, task_spec::Work};

use super::{
    job_file, metadata,
    schema::{MET, Meaning, OURS, STATE, Schema, UNSAFE_GROUP},
    shell,
};

/// The submitted task, with its dependencies' conditions spelt out.
pub(super) fn submitted(task: &Task) -> NewTask {
    NewTask {
        task_id: task.task_id.clone(),
        spec: task.spec.clone(),
    }
}

/// The fields of a task in a foreign format.
pub(super) fn fields(task: &Task, schema: &Schema) -> Map<String, Value> {
    let new = submitted(task);
    let spec = new.spec.clone().unwrap_or_default();
    let mut writer = Writer {
        schema,
        fields: Map::new(),
        ours: job_file::fields(&new),
        metadata: spec.metadata.clone(),
        ours_first: Map::new(),
    };
    writer.ours.shift_remove("metadata");
    let kept = metadata::take(&mut writer.metadata, &format!("{}.", schema.prefix));
    let mut kept: BTreeMap<String, Value> = writer.sift(kept, &spec);
    writer.write(task, &spec, &mut kept);
    writer.finish(kept)
}

struct Writer<'s> {
    schema: &'s Schema,
    fields: Map<String, Value>,
    /// Fields of a job file that are not written yet.
    ours: Map<String, Value>,
    /// Metadata that is not written yet.
    metadata: BTreeMap<String, String>,
    /// Fields below `swarm` that come before the others.
    ours_first: Map<String, Value>,
}

impl Writer<'_> {
    /// The kept fields that an import would keep again. Other pairs are a person's, and stay metadata.
    fn sift(&mut self, kept: Vec<(String, Value)>, spec: &TaskSpec) -> BTreeMap<String, Value> {
        let (back, stays): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|(field, value)| self.would_be_kept(field, value, spec));
        for (field, value) in stays {
            let pairs = metadata::pairs(&self.schema.key(&field), &value);
            self.metadata.extend(pairs.unwrap_or_default());
        }
        back.into_iter().collect()
    }

    fn would_be_kept(&self, field: &str, value: &Value, spec: &TaskSpec) -> bool {
        if field == MET {
            return is_list_of_texts(value);
        }
        if value.is_null() {
            return false;
        }
        let Some(meaning) = self.schema.meaning(field) else {
            return true;
        };
        // The first field of a meaning is written; other fields of this meaning are kept beside it.
        let is_first = self.schema.field(meaning) == Some(field);
        let line = match &spec.work {
            Some(Work::Command(command)) => Some(shell::line(&command.argv)),
            Some(Work::Prompt(_)) | None => None,
        };
        match meaning {
            Meaning::Usual(usual) => value != usual,
            Meaning::Name => is_cut(value, &spec.name),
            Meaning::Text if self.schema.field(Meaning::Shell).is_some() => line.is_some() || !is_first,
            Meaning::Text => line.is_some_and(|line| *value != line),
            Meaning::Shell => line.is_none() || !is_first,
            Meaning::Mode => line.is_none() && value != "local",
            Meaning::Model => line.is_some(),
            Meaning::Dependencies => !is_first,
            Meaning::Id
            | Meaning::Priority
            | Meaning::Parallel
            | Meaning::Retries
            | Meaning::Status
            | Meaning::Ours
            | Meaning::Past => false,
        }
    }

    /// Writes a field, if the format has a field of this meaning.
    fn put(&mut self, meaning: Meaning, value: impl Into<Value>) -> bool {
        let field = self.schema.field(meaning);
        if let Some(field) = field {
            self.fields.insert(field.to_owned(), value.into());
        }
        field.is_some()
    }

    fn write(&mut self, task: &Task, spec: &TaskSpec, kept: &mut BTreeMap<String, Value>) {
        self.ours.shift_remove("id");
        self.put(Meaning::Id, task.task_id.as_str());
        self.write_name(task, spec, kept);
        for (field, meaning) in self.schema.fields {
            if let Meaning::Usual(usual) = meaning {
                let value = kept.remove(*field).unwrap_or_else(|| json!(usual));
                self.fields.insert((*field).to_owned(), value);
            }
        }
        self.write_work(spec, kept);
        let (word, state) = self.schema.statuses.of(task.state());
        self.put(Meaning::Status, word);
        if let Some(state) = state {
            self.ours_first.insert(STATE.to_owned(), state.into());
        }
        if let Some(word) = self.schema.priority_word(spec.priority)
            && self.put(Meaning::Priority, word)
            && self.schema.priority(word) == Some(spec.priority)
        {
            self.ours.shift_remove("priority");
        }
        self.write_dependencies(spec, kept);
        if self.put(Meaning::Parallel, spec.exclusive_group.is_empty())
            && spec.exclusive_group == UNSAFE_GROUP
        {
            self.ours.shift_remove("exclusive_group");
        }
        if let Some(retries) = self.ours.get("retries").cloned()
            && self.put(Meaning::Retries, retries)
        {
            self.ours.shift_remove("retries");
        }
    }

    fn write_name(&mut self, task: &Task, spec: &TaskSpec, kept: &mut BTreeMap<String, Value>) {
        let Some(field) = self.schema.field(Meaning::Name) else {
            return;
        };
        let whole = kept.remove(field);
        let is_mistakable = self.schema.is_named_by_id && spec.name == task.task_id;
        if spec.name.is_empty() {
            if self.schema.is_named_by_id {
                self.fields.insert(field.to_owned(), task.task_id.as_str().into());
            }
        } else {
            self.fields.insert(
                field.to_owned(),
                whole.unwrap_or_else(|| spec.name.as_str().into()),
            );
            if !is_mistakable {
                self.ours.shift_remove("name");
            }
        }
    }

    fn write_work(&mut self, spec: &TaskSpec, kept: &mut BTreeMap<String, Value>) {
        match &spec.work {
            Some(Work::Prompt(prompt)) => {
                self.put(Meaning::Text, prompt.text.as_str());
                self.ours.shift_remove("prompt");
                if self.schema.field(Meaning::Model).is_some() && !prompt.model.is_empty() {
                    self.put(Meaning::Model, prompt.model.as_str());
                    self.ours.shift_remove("model");
                }
            }
            Some(Work::Command(command)) => {
                let line = shell::line(&command.argv);
                if self.put(Meaning::Shell, line.as_str()) {
                    self.put(Meaning::Mode, "local");
                    // A single word is the line itself.
                    if self.ours.get("run").is_some_and(Value::is_string) {
                        self.ours.shift_remove("run");
                    }
                } else {
                    let described = self
                        .schema
                        .field(Meaning::Text)
                        .and_then(|field| kept.remove(field));
                    self.put(Meaning::Text, described.unwrap_or_else(|| line.into()));
                }
            }
            None => {}
        }
    }

    fn write_dependencies(&mut self, spec: &TaskSpec, kept: &mut BTreeMap<String, Value>) {
        let met = kept.remove(MET);
        let met_ids: Vec<Value> = met
            .as_ref()
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let own: Vec<Value> = self
            .ours
            .shift_remove("depends_on")
            .and_then(|list| list.as_array().cloned())
            .unwrap_or_default();
        let ids = spec.depends_on.iter().map(|dependency| json!(dependency.task_id));
        let all: Vec<Value> = met_ids.iter().cloned().chain(ids).collect();
        let exact: Vec<Value> = met_ids.iter().cloned().chain(own).collect();
        let has_place = self.put(Meaning::Dependencies, all.clone());
        if exact != all || (!has_place && !exact.is_empty()) {
            self.ours.insert("depends_on".to_owned(), exact.into());
        }
        if let Some(met) = met {
            self.ours_first.insert(MET.to_owned(), met);
        }
    }

    fn finish(mut self, kept: BTreeMap<String, Value>) -> Map<String, Value> {
        self.fields.extend(kept);
        let mut ours = self.ours_first;
        ours.extend(self.ours);
        if !self.metadata.is_empty() {
            ours.insert("metadata".to_owned(), json!(self.metadata));
        }
        if !ours.is_empty() {
            self.fields.insert(OURS.to_owned(), ours.into());
        }
        self.fields
    }
}

/// Whether a name was cut from a longer one.
fn is_cut(whole: &Value, name: &str) -> bool {
    whole
        .as_str()
        .is_some_and(|whole| super::incoming::cut_name(whole) == name && whole != name)
}

fn is_list_of_texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_string))
}
