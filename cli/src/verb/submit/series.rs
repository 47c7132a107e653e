//! Many tasks of one command: one for each number of `--array`, or each line of `--each-line`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::{MAX_NAME_BYTES, MAX_SUBMIT_TASKS},
    mask::{INDEX_VARIABLE, LINE_VARIABLE},
    v1::{NewJob, NewTask, SubmitTasksRequest, task_spec::Work},
};

use crate::{jobfile::MAX_FILE_BYTES, program::value};

/// The flags of a series.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct SeriesFlags {
    /// One task for each number, which it finds in ARRAY_INDEX: 1-10, 1-9:2, or 3,7
    #[arg(long, value_name = "NUMBERS", value_parser = parse_numbers, requires = "command")]
    array: Option<Numbers>,
    /// One task for each line that is not empty, which it finds in ENTRY, and its number in ARRAY_INDEX;
    /// - reads the lines from stdin
    #[arg(long, value_name = "FILE", requires = "command", conflicts_with = "array")]
    each_line: Option<PathBuf>,
}

/// Numbers in the order of the flag, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers(Vec<u32>);

/// The number of a task in its series, and its line.
struct Item {
    number: u32,
    line: Option<String>,
}

impl SeriesFlags {
    /// The request for a series, if the flags ask for one. The task's id becomes the job's id and begins each task's
    /// id.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has no or too many lines.
    pub(crate) fn expand(&self, task: &NewTask) -> anyhow::Result<Option<SubmitTasksRequest>> {
        let items = match (&self.array, &self.each_line) {
            (Some(numbers), _) => numbers
                .0
                .iter()
                .map(|&number| Item { number, line: None })
                .collect(),
            (None, Some(path)) => lines(path)?,
            (None, None) => return Ok(None),
        };
        let name = task
            .spec
            .as_ref()
            .map(|spec| spec.name.clone())
            .unwrap_or_default();
        let job = NewJob {
            job_id: task.task_id.clone(),
            name,
            ..NewJob::default()
        };
        let tasks: Result<Vec<NewTask>, Failure> = items.iter().map(|item| one(task, item)).collect();
        Ok(Some(SubmitTasksRequest {
            job: Some(job),
            tasks: tasks?,
        }))
    }
}

fn one(task: &NewTask, item: &Item) -> Result<NewTask, Failure> {
    let mut task = task.clone();
    task.task_id = format!("{}-{}", task.task_id, item.number);
    value::check_id(&task.task_id).map_err(|why| Failure::new(Exit::Usage, format!("--id: {why}")))?;
    let spec = task.spec.get_or_insert_default();
    let own = item.line.clone().unwrap_or_else(|| item.number.to_string());
    if item.line.is_some() || !spec.name.is_empty() {
        let name = format!("{} {own}", spec.name);
        let name = name.trim();
        spec.name = name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned();
    }
    if let Some(Work::Command(command)) = &mut spec.work {
        command
            .env
            .insert(INDEX_VARIABLE.to_owned(), item.number.to_string());
        if let Some(line) = &item.line {
            command.env.insert(LINE_VARIABLE.to_owned(), line.clone());
        }
    }
    Ok(task)
}

fn lines(path: &Path) -> Result<Vec<Item>, Failure> {
    let (origin, items) = if path == Path::new("-") {
        ("stdin".to_owned(), read_lines(io::stdin().lock()))
    } else {
        let items = File::open(path)
            .map_err(|error| error.to_string())
            .and_then(|file| read_lines(BufReader::new(file)));
        (path.display().to_string(), items)
    };
    let items = items
        .map_err(|why| Failure::new(Exit::Usage, format!("--each-line: cannot read {origin}: {why}")))?;
    if items.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format!("--each-line: {origin} has no line that is not empty"),
        ));
    }
    Ok(items)
}

fn read_lines(reader: impl BufRead) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    // One byte beyond the limit tells whether the file is longer.
    let mut reader = reader.take(MAX_FILE_BYTES as u64 + 1);
    let mut line = Vec::new();
    for number in 1_u32.. {
        line.clear();
        if reader
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?
            == 0
        {
            break;
        }
        if reader.limit() == 0 {
            return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| format!("line {number} is not UTF-8"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.contains('\0') {
            return Err(format!(
                "line {number} has a NUL character, which no environment can have"
            ));
        }
        if text.trim().is_empty() {
            continue;
        }
        if items.len() == MAX_SUBMIT_TASKS {
            return Err(format!(
                "it has more than {MAX_SUBMIT_TASKS} lines: submit it in parts"
            ));
        }
        items.push(Item {
            number,
            line: Some(text.to_owned()),
        });
    }
    Ok(items)
}

fn parse_numbers(text: &str) -> Result<Numbers, String> {
    let nonsense = || format!("'{text}' is not a list of numbers such as 1-10, 1-9:2 or 3,7");
    let mut numbers: Vec<u32> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part
            .split_once(':')
            .map_or((part, "1"), |(range, step)| (range, step));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let read = |number: &str| number.trim().parse::<u32>().map_err(|_| nonsense());
        let (first, last, step) = (read(first)?, read(last)?, read(step)?);
        if step == 0 || first > last {
            return Err(nonsense());
        }
        for number in (first..=last).step_by(step as usize) {
            if seen.insert(number) {
                numbers.push(number);
            }
            if numbers.len() > MAX_SUBMIT_TASKS {
                return Err(format!(
                    "'{text}' has more than {MAX_SUBMIT_TASKS} numbers: submit it in parts"
                ));
            }
        }
    }
    Ok(Numbers(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ranges_steps_and_lists() {
        for (text, expected) in [
            ("1-4", &[1, 2, 3, 4][..]),
            ("0-9:3", &[0, 3, 6, 9]),
            ("7", &[7]),
            ("3,1-2,2", &[3, 1, 2]),
        ] {
            assert_eq!(parse_numbers(text), Ok(Numbers(expected.to_vec())), "{text}");
        }
        for text in [
            "",
            "a",
            "4-1",
            "1-9:0",
            "-3",
            "1-",
            "1-2-3",
            "0-10000",
            "4294967296",
        ] {
            assert!(parse_numbers(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn lines_keep_their_numbers_and_empty_ones_are_left_out() {
        let items = read_lines("a b\r\n\n  \nc".as_bytes()).unwrap();
        let items: Vec<_> = items
            .iter()
            .map(|item| (item.number, item.line.as_deref().unwrap()))
            .collect();
        assert_eq!(items, [(1, "a b"), (4, "c")]);
        let many = "x\n".repeat(MAX_SUBMIT_TASKS + 1);
        for bad in [&b"\xff"[..], b"a\0b", many.as_bytes()] {
            assert!(read_lines(bad).is_err());
        }
        assert!(read_lines(std::io::BufReader::new(std::io::repeat(b'a'))).is_err());
    }
}
