//! A file written task by task, so that a long file is never in memory as a whole.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::{Map, Value, json};
use swarm_proto::{
    limits::MAX_SUBMIT_TASKS,
    mask::MASK,
    v1::{Job, Task, task_spec::Work},
};

use super::{Format, agentvine, amplifier, job_file, metadata, outgoing, queue_json, schema::Schema, yaml};
use crate::output::text::counted;

/// A file during its writing.
pub(crate) struct Document<W> {
    out: W,
    format: Format,
    /// How many tasks of each status were written.
    statuses: BTreeMap<&'static str, u64>,
    tasks: u64,
    /// Tasks whose environment variables lack their values.
    masked: u64,
    /// Tasks without a field that the other system requires.
    incomplete: u64,
}

impl<W: Write> Document<W> {
    /// Begins a file: of one job's tasks, or of any.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn begin(
        mut out: W,
        format: Format,
        job: Option<&Job>,
        now: jiff::Timestamp,
    ) -> io::Result<Document<W>> {
        let mut labels = job.map(|job| job.labels.clone()).unwrap_or_default();
        let said = format
            .schema()
            .map(|schema| said_of_file(&mut labels, schema))
            .unwrap_or_default();
        match format {
            Format::Jobfile => {
                let mut top = Map::new();
                if let Some(job) = job {
                    top.insert("id".to_owned(), job.job_id.as_str().into());
                    for (key, value) in [("name", json!(job.name)), ("labels", json!(job.labels))] {
                        let is_empty = value == "" || value == json!({});
                        if !is_empty {
                            top.insert(key.to_owned(), value);
                        }
                    }
                }
                out.write_all(yaml::fields(&top, 0).as_bytes())?;
            }
            Format::QueueJson => {
                let mut top = Map::new();
                top.insert("version".to_owned(), queue_json::VERSION.into());
                top.insert("api_endpoint".to_owned(), queue_json::API_ENDPOINT.into());
                top.extend(said);
                out.write_all(b"{\n")?;
                for (key, value) in top {
                    writeln!(out, "  {}: {},", yaml::quoted(&key), json(&value))?;
                }
                out.write_all(b"  \"tasks\": [")?;
            }
            Format::Amplifier => {
                let mut top = Map::new();
                top.insert("version".to_owned(), amplifier::VERSION.into());
                top.insert(
                    "exported_at".to_owned(),
                    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
                );
                top.extend(said);
                out.write_all(yaml::fields(&top, 0).as_bytes())?;
            }
            Format::Agentvine => out.write_all(b"[")?,
        }
        Ok(Document {
            out,
            format,
            statuses: BTreeMap::new(),
            tasks: 0,
            masked: 0,
            incomplete: 0,
        })
    }

    /// Writes a task.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn task(&mut self, task: &Task) -> io::Result<()> {
        self.count(task);
        let is_first = self.tasks == 1;
        let mut fields = match self.format.schema() {
            Some(schema) => outgoing::fields(task, schema),
            None => job_file::fields(&outgoing::submitted(task)),
        };
        match self.format {
            Format::Jobfile => {}
            Format::QueueJson => queue_json::leave_out_usual(task, &mut fields),
            Format::Amplifier => amplifier::add_past(task, &mut fields),
            Format::Agentvine => {
                let lacks = agentvine::NEEDED.iter().any(|field| !fields.contains_key(*field));
                self.incomplete += u64::from(lacks);
            }
        }
        match self.format {
            Format::Jobfile | Format::Amplifier => {
                if is_first {
                    self.out.write_all(b"tasks:\n")?;
                }
                self.out.write_all(yaml::item(&fields, 2).as_bytes())
            }
            Format::QueueJson => self.json_item(&fields, "    ", is_first),
            Format::Agentvine => self.json_item(&fields, "  ", is_first),
        }
    }

    /// Ends the file. Returns notes for a person.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn end(mut self) -> io::Result<Vec<String>> {
        let is_empty = self.tasks == 0;
        match self.format {
            Format::Jobfile if is_empty => self.out.write_all(b"tasks: []\n")?,
            Format::Jobfile => {}
            Format::QueueJson => {
                let end = if is_empty { "]" } else { "\n  ]" };
                write!(self.out, "{end},\n  \"completed\": [],\n  \"failed\": []\n}}\n")?;
            }
            Format::Amplifier => {
                if is_empty {
                    self.out.write_all(b"tasks: []\n")?;
                }
                let mut summary = Map::new();
                summary.insert("total".to_owned(), self.tasks.into());
                for (status, count) in &self.statuses {
                    summary.insert((*status).to_owned(), (*count).into());
                }
                let mut bottom = Map::new();
                bottom.insert("summary".to_owned(), summary.into());
                self.out.write_all(yaml::fields(&bottom, 0).as_bytes())?;
            }
            Format::Agentvine => self.out.write_all(if is_empty { b"]\n" } else { b"\n]\n" })?,
        }
        self.out.flush()?;
        Ok(self.notes())
    }

    /// How many tasks were written.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks
    }

    fn count(&mut self, task: &Task) {
        self.tasks += 1;
        if let Some(schema) = self.format.schema() {
            *self
                .statuses
                .entry(schema.statuses.of(task.state()).0)
                .or_default() += 1;
        }
        let work = task.spec.as_ref().and_then(|spec| spec.work.as_ref());
        let is_masked = match work {
            Some(Work::Command(command)) => command.env.values().any(|value| value == MASK),
            Some(Work::Prompt(_)) | None => false,
        };
        self.masked += u64::from(is_masked);
    }

    fn json_item(&mut self, fields: &Map<String, Value>, indent: &str, is_first: bool) -> io::Result<()> {
        let separator = if is_first { "\n" } else { ",\n" };
        let item = format!("{:#}", Value::Object(fields.clone()));
        let item = swarm_proto::json::escape(&item).replace('\n', &format!("\n{indent}"));
        write!(self.out, "{separator}{indent}{item}")
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.masked > 0 {
            notes.push(format!(
                "{} with environment variables: their values are told to nobody, {MASK} stands in their place, \
                 and a submit of it is refused until you write them there",
                counted(self.masked, "task")
            ));
        }
        if self.incomplete > 0 {
            notes.push(format!(
                "{} without {}, which AgentVine asks for",
                counted(self.incomplete, "task"),
                agentvine::NEEDED.join(" or ")
            ));
        }
        if self.tasks > MAX_SUBMIT_TASKS as u64 {
            notes.push(format!(
                "{} tasks; one import takes {MAX_SUBMIT_TASKS}: export them in parts, with --job or --queue",
                self.tasks
            ));
        }
        notes
    }
}

/// The fields of an imported file beside its tasks, which its job keeps as labels.
fn said_of_file(labels: &mut BTreeMap<String, String>, schema: &Schema) -> Map<String, Value> {
    let kept = metadata::take(labels, &format!("{}.", schema.prefix));
    kept.into_iter()
        .filter(|(key, _)| key != "tasks" && !schema.made_anew.contains(&key.as_str()))
        .collect()
}

fn json(value: &Value) -> String {
    swarm_proto::json::escape(&value.to_string())
}
