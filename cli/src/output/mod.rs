//! One value printed as people, scripts and pipes want it.
//!
//! What was asked for goes to stdout, everything else to stderr. Whatever comes
//! from outside is cleaned of control characters before a terminal sees it.

pub mod event;
pub mod hold;
pub mod json;
pub mod pages;
pub mod progress;
pub mod state;
pub mod table;
pub mod text;
pub mod wrapped;

use std::{
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd,
};

use anstream::{AutoStream, ColorChoice};
use serde_json::{Value, json};

use crate::args::{Color, Format, Globals};
use table::Table;

/// Where and how a verb prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// How to print, with `-q` taken into account.
    pub format: Format,
    colored: bool,
    /// Columns of the terminal, when stdout is one.
    width: Option<usize>,
}

/// Some things of one kind, ready to be printed in any format.
pub struct Listing {
    /// The key of the list in the JSON object.
    pub key: &'static str,
    /// Each thing as JSON.
    pub values: Vec<Value>,
    /// The id of each thing.
    pub names: Vec<String>,
    /// The things in columns.
    pub table: Table,
}

impl Output {
    /// Reads the flags, the environment and what stdout is.
    pub fn new(globals: &Globals) -> Output {
        match globals.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        let colored = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Output {
            format: globals.format(),
            colored,
            width: terminal_width(io::stdout()),
        }
    }

    /// Columns of the terminal, when stdout is one.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Prints a list.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn list(&self, listing: &Listing) -> io::Result<()> {
        match self.format {
            Format::Table if listing.table.is_empty() => Ok(()),
            Format::Table => self.table(&listing.table),
            Format::Json => self.json(&json!({ listing.key: listing.values })),
            Format::Jsonl => listing.values.iter().try_for_each(|value| self.json_line(value)),
            Format::Name => listing.names.iter().try_for_each(|name| self.line(name)),
        }
    }

    /// Prints one thing; `page` is its form for people.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn one(&self, value: &Value, name: &str, page: &str) -> io::Result<()> {
        match self.format {
            Format::Table => self.page(page),
            Format::Json => self.json(value),
            Format::Jsonl => self.json_line(value),
            Format::Name => self.line(name),
        }
    }

    /// Prints columns.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn table(&self, table: &Table) -> io::Result<()> {
        self.page(&table.within(self.width))
    }

    /// Prints text that is already clean, with the states coloured if colours are wanted.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn page(&self, page: &str) -> io::Result<()> {
        let mut shown = if self.colored {
            state::paint(page)
        } else {
            page.to_owned()
        };
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
        write_stdout(shown.as_bytes())
    }

    /// Prints one line of untrusted text.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.page(&text::clean_line(text))
    }

    /// Prints a JSON value over several lines.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn json(&self, value: &Value) -> io::Result<()> {
        self.json_text(&format!("{value:#}\n"))
    }

    /// Prints a JSON value on one line.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn json_line(&self, value: &Value) -> io::Result<()> {
        self.json_text(&format!("{value}\n"))
    }

    fn json_text(&self, text: &str) -> io::Result<()> {
        write_stdout(json::escape(text).as_bytes())
    }
}

/// Columns of a terminal; nothing when it is none, or does not say.
pub fn terminal_width(stream: impl AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

/// Tells a person something on stderr; what a script wants is on stdout.
pub fn note(text: impl AsRef<str>) {
    // A closed stderr is no reason to stop working.
    let _ = writeln!(io::stderr().lock(), "{}", text::clean(text.as_ref()));
}

/// Prints bytes of a task: as they are into a file or pipe, cleaned on a terminal.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn task_stdout(bytes: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        write_stdout(text::clean(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        write_stdout(bytes)
    }
}

/// Prints what a task wrote to its standard error; a full stderr is not worth an error.
pub fn task_stderr(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let cleaned;
    let shown = if stderr.is_terminal() {
        cleaned = text::clean(&String::from_utf8_lossy(bytes));
        cleaned.as_bytes()
    } else {
        bytes
    };
    let _ = stderr.write_all(shown).and_then(|()| stderr.flush());
}

fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    // The kind stays: a pipe that its reader closed is no trouble.
    written.map_err(|error| io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
}
