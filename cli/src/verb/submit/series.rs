//! The flags of a series: many tasks of one command, one for each number of `--array`, or each line of `--each-line`.

use std::path::PathBuf;

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_MESSAGE_BYTES,
    mask::{INDEX_VARIABLE, LINE_VARIABLE},
    v1::{NewJob, NewTask, SubmitTasksRequest},
};

use crate::{
    jobfile::series::{self, Item},
    program::value,
};

/// The flags of a series.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct SeriesFlags {
    /// One task for each number, which it finds in ARRAY_INDEX and in place of {}: 1-10, 1-9:2, or 3,7. \{}
    /// stays as a {}
    #[arg(long, value_name = "NUMBERS", value_parser = parse_numbers, requires = "command")]
    array: Option<Numbers>,
    /// One task for each line that is not empty, which it finds in ENTRY and in place of {}, and its number in
    /// ARRAY_INDEX; - reads the lines from stdin. \{} stays as a {}. The line of a shell gets the variable in place of
    /// {}, quoted; where that is not safe, and in a line that uses the variable, {} stays as it is, with a warning.
    /// ssh, python -c and the like are given the text, which they read as commands
    #[arg(long, value_name = "FILE", requires = "command", conflicts_with = "array")]
    each_line: Option<PathBuf>,
    /// With --each-line: lines that begin with # are comments; without it they are lines like any other
    #[arg(long, requires = "each_line")]
    comments: bool,
}

/// The numbers of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers(Vec<Item>);

impl SeriesFlags {
    /// Whether the lines come from standard input.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.each_line
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }

    /// The variable with the item's own value, if the flags ask for a series.
    pub(crate) fn variable(&self) -> Option<&'static str> {
        match (&self.array, &self.each_line) {
            (Some(_), _) => Some(INDEX_VARIABLE),
            (None, Some(_)) => Some(LINE_VARIABLE),
            (None, None) => None,
        }
    }

    /// The request for a series, if the flags ask for one. The task's id becomes the job's id and begins each task's
    /// id.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has no or too many lines.
    pub(crate) fn expand(&self, task: &NewTask) -> anyhow::Result<Option<SubmitTasksRequest>> {
        let is_series = self.array.is_some() || self.each_line.is_some();
        let name = task
            .spec
            .as_ref()
            .filter(|_| is_series)
            .map_or("", |spec| &spec.name);
        value::check_new_name(name).map_err(|why| Failure::new(Exit::Usage, format!("--name: {why}")))?;
        let items = match (&self.array, &self.each_line) {
            (Some(numbers), _) => numbers.0.clone(),
            (None, Some(path)) => series::lines_of(path, self.comments)
                .map_err(|why| Failure::new(Exit::Usage, format!("--each-line: {why}")))?,
            (None, None) => return Ok(None),
        };
        let spec = task.spec.clone().unwrap_or_default();
        let job = NewJob {
            job_id: task.task_id.clone(),
            name: spec.name.clone(),
            ..NewJob::default()
        };
        let mut room = MAX_MESSAGE_BYTES;
        let tasks = series::expand(&items, &task.task_id, &spec, &mut room)
            .map_err(|why| Failure::new(Exit::Usage, why))?;
        for task in &tasks {
            value::check_id(&task.task_id)
                .map_err(|why| Failure::new(Exit::Usage, format!("--id: {why}")))?;
        }
        Ok(Some(SubmitTasksRequest {
            job: Some(job),
            tasks,
        }))
    }
}

fn parse_numbers(text: &str) -> Result<Numbers, String> {
    series::numbers(text).map(Numbers)
}
