//! One file of settings: keys and values with their places, and every fault in it at once.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Bytes of a file of settings, which has some hundred lines; a longer file was named by mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A file that was read.
pub(crate) struct SettingsFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its entries, in their order.
    pub(crate) entries: Vec<Entry>,
    /// Faults of its syntax.
    pub(crate) faults: Vec<Fault>,
}

/// A fault in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Where.
    pub(crate) place: Place,
    /// The fault, for people.
    pub(crate) why: String,
}

/// One key with its value.
pub(crate) struct Entry {
    /// The key as it is written.
    pub(crate) key: String,
    /// The place of the key.
    pub(crate) key_place: Place,
    /// Its value.
    pub(crate) value: Value,
    /// The place of the value.
    pub(crate) place: Place,
}

/// A place in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value of an entry.
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// A whole number or one with a point.
    Number(String),
    /// True or false.
    Truth(bool),
    /// A list of the other kinds.
    List(Vec<Value>),
    /// A value that no flag takes, such as `a date`.
    Other(&'static str),
}

impl SettingsFile {
    /// Reads a file. Its contents may have faults, which are noted.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(crate) fn read(path: &Path) -> io::Result<SettingsFile> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other(
                "it is longer than 1 MiB, which no file of settings is",
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))?;
        Ok(Self::parse(path, &text))
    }

    fn parse(path: &Path, text: &str) -> SettingsFile {
        let (table, errors) = DeTable::parse_recoverable(text);
        let faults = errors.iter().map(|error| Fault {
            place: Place::of(text, error.span().map_or(0, |span| span.start)),
            why: sentence(error.message()),
        });
        let entries = table.get_ref().iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: Place::of(text, key.span().start),
            value: Value::of(value),
            place: Place::of(text, value.span().start),
        });
        SettingsFile {
            path: path.to_owned(),
            faults: faults.collect(),
            entries: entries.collect(),
        }
    }
}

impl Place {
    fn of(text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// `FILE:LINE:COLUMN`.
    pub(crate) fn within(self, path: &Path) -> String {
        format!("{}:{}:{}", path.display(), self.line, self.column)
    }
}

impl Value {
    fn of(value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            // Digits may be grouped with underscores, and written to another base.
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number.to_string()),
                Err(_) => Value::Number(number.as_str().to_owned()),
            },
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Array(items) => Value::List(items.iter().map(Value::of).collect()),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Table(_) => Value::Other("a table"),
        }
    }

    /// The kind of the value, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Number(_) => "a number",
            Value::Truth(_) => "true or false",
            Value::List(_) => "a list",
            Value::Other(kind) => kind,
        }
    }
}

/// The words of the TOML reader on one line.
fn sentence(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "a = 1\n# ä\n  b = \"é\" \n";
        let file = SettingsFile::parse(Path::new("x.toml"), text);
        let places: Vec<_> = file
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.key.as_str(),
                    entry.key_place.within(&file.path),
                    entry.place.within(&file.path),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("a", "x.toml:1:1".to_owned(), "x.toml:1:5".to_owned()),
                ("b", "x.toml:3:3".to_owned(), "x.toml:3:7".to_owned()),
            ]
        );
    }

    #[test]
    fn several_faults_of_writing_are_found_at_once() {
        let file = SettingsFile::parse(Path::new("x.toml"), "a = \nb = 1\nb = 2\nc = [1\n");
        let mut lines: Vec<usize> = file.faults.iter().map(|fault| fault.place.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 3, 4], "{:?}", file.faults);
    }
}
