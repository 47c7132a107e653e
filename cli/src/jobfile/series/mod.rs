//! Many tasks written as one: a copy for each number, or for each line.

mod braces;
mod left;
mod line;
mod shell;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use prost::Message as _;
use swarm_proto::{
    limits::{MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_SPEC_BYTES, MAX_SUBMIT_TASKS},
    mask::{INDEX_VARIABLE, LINE_VARIABLE},
    v1::{Command, NewTask, TaskSpec, task_spec::Work},
};

pub(crate) use braces::has_braces;
pub(crate) use left::Left;
pub(crate) use shell::shell_lines;

/// Bytes of a file of lines: as many as a job file may have.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What several programs write before the first character of a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The number of a task in its series, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The number of the flag, or of the line in its file.
    pub number: u32,
    /// The line, without its end.
    pub line: Option<String>,
}

impl Item {
    /// The variable with the item's own value: its line, or else its number.
    pub(crate) fn variable(&self) -> &'static str {
        if self.line.is_some() {
            LINE_VARIABLE
        } else {
            INDEX_VARIABLE
        }
    }

    /// The line, or else the number.
    pub(crate) fn value(&self) -> String {
        self.line.clone().unwrap_or_else(|| self.number.to_string())
    }

    /// The id of this task in the series of `base`.
    pub(crate) fn id(&self, base: &str) -> String {
        format!("{base}-{}", self.number)
    }

    /// The name of this task in the series of `base`: a series of numbers without a name has none.
    pub(crate) fn name(&self, base: &str) -> String {
        if self.line.is_none() && base.is_empty() {
            return String::new();
        }
        let name = format!("{base} {}", self.value());
        let name = name.trim();
        name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned()
    }

    /// The spec of this task in the series of `spec`.
    ///
    /// # Errors
    ///
    /// When it is larger than a task may be.
    fn spec(&self, spec: &TaskSpec) -> Result<TaskSpec, String> {
        let too_large = || {
            let what = match self.line {
                Some(_) => "line",
                None => "number",
            };
            format!(
                "the task of {what} {} has more than {MAX_SPEC_BYTES} bytes in all",
                self.number
            )
        };
        let grown = spec.encoded_len().saturating_add(self.growth(spec));
        if grown > MAX_SPEC_BYTES {
            return Err(too_large());
        }
        let mut own = spec.clone();
        own.name = self.name(&spec.name);
        if let Some(Work::Command(command)) = &mut own.work {
            braces::fill(&mut command.argv, self);
            let env = &mut command.env;
            env.insert(INDEX_VARIABLE.to_owned(), self.number.to_string());
            if let Some(line) = &self.line {
                env.insert(LINE_VARIABLE.to_owned(), line.clone());
            }
        }
        match own.encoded_len() > MAX_SPEC_BYTES {
            true => Err(too_large()),
            false => Ok(own),
        }
    }

    /// The bytes that the line adds, a little more than there are: a long line in many places makes much of little.
    fn growth(&self, spec: &TaskSpec) -> usize {
        let places = match &spec.work {
            Some(Work::Command(command)) => command.argv.iter().map(|word| braces::count(word)).sum(),
            Some(Work::Prompt(_)) | None => 0_usize,
        };
        self.value().len().saturating_mul(places.saturating_add(1))
    }
}

/// A command as it was written, before the items of a series are put into it: what looks odd in a line is no fault of
/// the command.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The command.
    pub(crate) command: Command,
    /// The variable with the item's own value, when the command is that of a series.
    pub(crate) variable: Option<&'static str>,
}

impl Written {
    /// The command of a spec; `None` when its work is none.
    pub(crate) fn of(spec: &TaskSpec, variable: Option<&'static str>) -> Option<Written> {
        match &spec.work {
            Some(Work::Command(command)) => Some(Written {
                command: command.clone(),
                variable,
            }),
            Some(Work::Prompt(_)) | None => None,
        }
    }

    /// Why braces stay as they are when an item is put into it, where they do.
    pub(crate) fn left(&self) -> Option<Left> {
        self.variable?;
        let line = (self.variable == Some(LINE_VARIABLE)).then(String::new);
        braces::fill(&mut self.command.argv.clone(), &Item { number: 0, line })
    }
}

/// A task for each item. `base` begins their ids, and `room` is what others have left of a submit.
///
/// # Errors
///
/// When one of them, or all together, are larger than a submit may be.
pub(crate) fn expand(
    items: &[Item],
    base: &str,
    spec: &TaskSpec,
    room: &mut usize,
) -> Result<Vec<NewTask>, String> {
    let mut tasks = Vec::with_capacity(items.len());
    for item in items {
        let spec = item.spec(spec)?;
        *room = room.checked_sub(spec.encoded_len()).ok_or_else(|| {
            format!(
                "with the {} tasks of this series there are more than {MAX_MESSAGE_BYTES} bytes: submit them in parts",
                items.len()
            )
        })?;
        tasks.push(NewTask {
            task_id: item.id(base),
            spec: Some(spec),
        });
    }
    Ok(tasks)
}

/// Reads `1-10`, `1-9:2` or `3,7`: numbers in the order of the text, none twice.
///
/// # Errors
///
/// A sentence that quotes the text.
pub(crate) fn numbers(text: &str) -> Result<Vec<Item>, String> {
    let nonsense = || format!("'{text}' is not a list of numbers such as 1-10, 1-9:2 or 3,7");
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    for part in text.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let read = |number: &str| number.trim().parse::<u32>().map_err(|_| nonsense());
        let (first, last, step) = (read(first)?, read(last)?, read(step)?);
        if step == 0 || first > last {
            return Err(nonsense());
        }
        for number in (first..=last).step_by(step as usize) {
            if seen.insert(number) {
                items.push(Item { number, line: None });
            }
            if items.len() > MAX_SUBMIT_TASKS {
                return Err(format!(
                    "'{text}' has more than {MAX_SUBMIT_TASKS} numbers: submit it in parts"
                ));
            }
        }
    }
    Ok(items)
}

/// Texts in place of the lines of a file.
///
/// # Errors
///
/// A sentence that says which of them is at fault.
pub(crate) fn texts(texts: &[&str]) -> Result<Vec<Item>, String> {
    if texts.is_empty() {
        return Err("the list is empty".to_owned());
    }
    let item = |(number, text): (u32, &&str)| match text {
        text if text.contains('\0') => Err(format!(
            "text {number} has a NUL character, which no environment can have"
        )),
        text => Ok(Item {
            number,
            line: Some((*text).to_owned()),
        }),
    };
    (1..).zip(texts).map(item).collect()
}

/// The lines of a file; `-` is standard input.
///
/// # Errors
///
/// A sentence that says which line is at fault, or why the file cannot be read.
pub(crate) fn lines_of(path: &Path, comments: bool) -> Result<Vec<Item>, String> {
    let (origin, items) = if path == Path::new("-") {
        ("stdin".to_owned(), lines(io::stdin().lock(), comments))
    } else {
        let file = File::open(path).map_err(|error| error.to_string());
        let items = file.and_then(|file| lines(BufReader::new(file), comments));
        (path.display().to_string(), items)
    };
    let items = items.map_err(|why| format!("cannot read {origin}: {why}"))?;
    if items.is_empty() {
        return Err(format!("{origin} has no line that is not empty"));
    }
    Ok(items)
}

/// The lines that are not empty, with their numbers. Those that begin with `#` are data unless they are `comments`.
fn lines(reader: impl BufRead, comments: bool) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    // One byte beyond the limit tells whether the file is longer.
    let mut reader = reader.take(MAX_BYTES + 1);
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
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        let bytes = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if number == 1 => rest,
            Some(_) | None => &line,
        };
        let text = std::str::from_utf8(bytes).map_err(|_| format!("line {number} is not UTF-8"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.contains('\0') {
            return Err(format!(
                "line {number} has a NUL character, which no environment can have"
            ));
        }
        if text.trim().is_empty() || (comments && text.trim_start().starts_with('#')) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ranges_steps_and_lists() {
        let of = |text| numbers(text).map(|items| items.iter().map(|item| item.number).collect::<Vec<_>>());
        for (text, expected) in [
            ("1-4", &[1, 2, 3, 4][..]),
            ("0-9:3", &[0, 3, 6, 9]),
            ("7", &[7]),
            ("3,1-2,2", &[3, 1, 2]),
        ] {
            assert_eq!(of(text), Ok(expected.to_vec()), "{text}");
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
            assert!(of(text).is_err(), "{text:?} was read");
        }
    }

    fn read(bytes: &[u8], comments: bool) -> Vec<(u32, String)> {
        let items = lines(bytes, comments).unwrap();
        items
            .into_iter()
            .map(|item| (item.number, item.line.unwrap()))
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers_and_empty_ones_are_left_out() {
        assert_eq!(
            read(b"a b\r\n\n  \nc", false),
            [(1, "a b".to_owned()), (4, "c".to_owned())]
        );
        let many = "x\n".repeat(MAX_SUBMIT_TASKS + 1);
        for bad in [&b"\xff"[..], b"a\0b", many.as_bytes()] {
            assert!(lines(bad, false).is_err());
        }
        assert!(lines(BufReader::new(io::repeat(b'a')), false).is_err());
    }

    #[test]
    fn what_other_programs_add_to_lines_goes_and_a_number_sign_is_data() {
        let text = "\u{feff}a\r\n#b\r\n  # c\nd#e\u{feff}\n".as_bytes();
        let all = ["a", "#b", "  # c", "d#e\u{feff}"];
        let lines =
            |comments| -> Vec<String> { read(text, comments).into_iter().map(|(_, line)| line).collect() };
        assert_eq!(lines(false), all);
        assert_eq!(lines(true), [all[0], all[3]]);
    }
}
