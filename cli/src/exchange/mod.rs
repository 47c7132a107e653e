//! Files of other systems, and ours: import reads their tasks into a submit, and export writes them.
//!
//! Reading turns a foreign file into the tree of a job file, each value at its place, so that `jobfile/` finds every
//! fault with its line and column. Export writes fields that a format lacks under `swarm` in its tasks; import keeps
//! foreign fields in a task's metadata. So a task is the same after an export and an import.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use clap::ValueEnum;

use crate::jobfile::{self, JobFile, fault::Faults, surroundings::Surroundings, tree::Node};
use report::Report;
use schema::Schema;

pub(crate) mod agentvine;
mod amplifier;
mod assemble;
pub(crate) mod document;
pub(crate) mod execution_log;
mod incoming;
mod job_file;
mod metadata;
mod outgoing;
mod queue_json;
mod recognise;
mod report;
mod schema;
mod shell;
mod status;
mod top;
mod yaml;

#[cfg(test)]
mod tests;

/// A format of files with tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Our own job file, as `submit -f` takes it
    Jobfile,
    /// The queue of Vivarium and Black Swarm: JSON with tasks, completed, failed
    #[value(name = "queue.json")]
    QueueJson,
    /// The task file of Amplifier Swarm: YAML
    Amplifier,
    /// Tasks of AgentVine: JSON, one or a list
    Agentvine,
}

impl Format {
    /// The schema of a foreign format.
    fn schema(self) -> Option<&'static Schema> {
        match self {
            Format::Jobfile => None,
            Format::QueueJson => Some(&queue_json::SCHEMA),
            Format::Amplifier => Some(&amplifier::SCHEMA),
            Format::Agentvine => Some(&agentvine::SCHEMA),
        }
    }

    /// The format's name in a sentence.
    pub(crate) fn title(self) -> &'static str {
        self.schema().map_or("job file", |schema| schema.name)
    }
}

/// Tasks' statuses by their ids.
pub(crate) type Statuses = BTreeMap<String, status::Status>;

/// The options of an import.
#[derive(Default)]
pub(crate) struct Options {
    /// The format; recognised by its contents when not given.
    pub(crate) format: Option<Format>,
    /// The prefix for every id of the file.
    pub(crate) prefix: String,
    /// Whether completed and cancelled tasks are submitted too.
    pub(crate) all: bool,
    /// Tasks' statuses of an execution log.
    pub(crate) statuses: Statuses,
    /// Completed tasks of the file that the coordinator has too. Dependencies on them stay.
    pub(crate) known: BTreeSet<String>,
    /// For tasks that the coordinator has: dependencies that an earlier import found to be met. They stay met, so that
    /// the task is the same.
    pub(crate) met_before: BTreeMap<String, BTreeSet<String>>,
    /// The job's name when the file has none.
    pub(crate) job_name: String,
}

/// A file that was read.
pub(crate) struct Import {
    /// Its format.
    pub(crate) format: Format,
    /// The tasks to submit; `None` when every task is done.
    pub(crate) file: Option<JobFile>,
    /// Completed tasks that others depend on, which the coordinator may have: see [`Options::known`].
    pub(crate) met: BTreeSet<String>,
    /// Tasks that depend on tasks which are done in the file: see [`Options::met_before`].
    pub(crate) leaning: BTreeSet<String>,
    /// Notes for a person.
    pub(crate) notes: Vec<String>,
}

/// Reads a text as the recognised format, and as each format; returns the job files and the faults.
pub fn read_in_every_format(text: &str, now: jiff::Timestamp) -> Vec<Result<JobFile, Faults>> {
    let formats = [None]
        .into_iter()
        .chain(Format::value_variants().iter().copied().map(Some));
    let read = |format| {
        let options = Options {
            format,
            all: true,
            ..Options::default()
        };
        read(text, "input", &options, now)
    };
    formats
        .filter_map(|format| match read(format) {
            Ok(import) => import.file.map(Ok),
            Err(faults) => Some(Err(faults)),
        })
        .collect()
}

/// Reads a file of any format.
///
/// # Errors
///
/// All faults of the file, with their places, and references that only the coordinator can settle.
pub(crate) fn read(
    text: &str,
    origin: &str,
    options: &Options,
    now: jiff::Timestamp,
) -> Result<Import, Faults> {
    let mut faults = Faults::new(origin);
    let Some(root) = jobfile::read(text, &mut faults) else {
        return Err(faults);
    };
    let Some(format) = options.format.or_else(|| recognise::recognise(&root)) else {
        let help = "it may be: our job file, a queue.json, Amplifier's YAML or AgentVine's JSON; --format says which";
        faults.push_with_help(
            root.position,
            "this looks like no format that can be imported",
            Some(help.to_owned()),
        );
        return Err(faults);
    };
    let mut report = Report::default();
    let root = match format.schema() {
        None => Some(jobfile::filled(&root, now)),
        Some(schema) => read_foreign(&root, schema, options, &mut faults, &mut report),
    };
    let file = match root {
        Some(root) => Some(jobfile::parse_tree(
            &jobfile::prefix::add(&options.prefix, &root),
            faults,
            Surroundings::alone(now),
        )?),
        None if faults.is_empty() => None,
        None => return Err(faults),
    };
    Ok(Import {
        format,
        file,
        notes: report.lines(),
        met: report.met_ids,
        leaning: report.leaning,
    })
}

/// The ids of the dependencies that an import found to be met, in a task's metadata.
pub(crate) fn met_in(format: Format, metadata: &BTreeMap<String, String>) -> BTreeSet<String> {
    let Some(schema) = format.schema() else {
        return BTreeSet::new();
    };
    let kept = metadata::take(&mut metadata.clone(), &format!("{}.", schema.prefix));
    let lists = kept.into_iter().filter(|(field, _)| field == schema::MET);
    let ids = lists.flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default());
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

/// A foreign file as the tree of a job file; `None` when no task of it is to be submitted.
fn read_foreign(
    root: &Rc<Node>,
    schema: &Schema,
    options: &Options,
    faults: &mut Faults,
    report: &mut Report,
) -> Option<Rc<Node>> {
    let top = top::read(root, schema, faults, report);
    let mut seen = incoming::Seen::new();
    let tasks: Vec<_> = top
        .tasks
        .iter()
        .filter_map(|node| incoming::read(node, schema, &mut seen, faults, report))
        .collect();
    if top.tasks.is_empty() && top.done.is_empty() {
        faults.push(root.position, "there are no tasks in it");
    }
    let tasks = assemble::assemble(tasks, &top.done, schema, options, faults, report);
    if tasks.is_empty() {
        return None;
    }
    let place = root.position;
    let fields = vec![
        assemble::entry("name", place, Node::text(place, options.job_name.as_str())),
        assemble::entry("labels", place, Node::map(place, top.labels)),
        assemble::entry("tasks", place, Node::list(place, tasks)),
    ];
    Some(Node::map(place, fields))
}
