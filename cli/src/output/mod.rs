//! One value printed as people, scripts and pipes want it.
//!
//! The answer goes to stdout, everything else to stderr. Text from outside is cleaned of control characters before a
//! terminal sees it.

pub mod agent;
pub mod event;
pub mod hold;
pub mod inputs;
pub mod job;
pub mod last_words;
pub mod memory;
pub mod queue;
pub mod task;

pub mod change;
pub mod counts;
pub mod names;
pub mod state;

pub mod bar;
pub mod progress;
pub mod rate;

pub mod column;
pub mod fields;
pub mod page;
pub mod pages;
pub mod sheet;
pub mod table;

pub mod text;
pub mod yaml;

use std::io;

use anstream::{AutoStream, ColorChoice};
use prost::{Message, Name};
use prost_reflect::MessageDescriptor;
use serde_json::Value;
use swarm_program::{
    exit::Exit,
    failure::Failure,
    words::{clean::clean_line, wrapped::wrapped},
};
use swarm_proto::json;

use crate::program::{
    globals::{Color, Format, Globals},
    terminal::{terminal_width, write_stdout},
};
use column::Column;
use fields::{Fields, Paths};
use pages::PrintedPages;
use sheet::Sheet;
use table::{Layout, Table};

/// Where and how a verb prints.
#[derive(Clone, Debug)]
pub struct Output {
    /// How to print, with `-q` taken into account.
    pub format: Format,
    fields: Fields,
    colored: bool,
    /// Columns of the terminal, when stdout is one.
    width: Option<usize>,
}

/// A list of things of one kind, ready for every format.
pub struct Listing {
    /// The key of the list in the JSON object.
    pub key: &'static str,
    /// The things' type of message; `None` for things that are no messages, which all have the same fields.
    pub message: Option<MessageDescriptor>,
    /// Each thing as JSON.
    pub values: Vec<Value>,
    /// The id of each thing.
    pub names: Vec<String>,
    /// The things in columns.
    pub table: Table,
    /// Fields of the message that a list never has, each with what shows them.
    pub absent: &'static [(&'static str, &'static str)],
}

impl Listing {
    /// Messages of one type, each with its id.
    pub fn of_messages<M: Message + Name>(
        key: &'static str,
        items: &[M],
        id: fn(&M) -> &String,
        table: Table,
    ) -> Listing {
        Listing {
            key,
            message: Some(json::descriptor::<M>()),
            values: items.iter().map(json::of).collect(),
            names: items.iter().map(id).cloned().collect(),
            table,
            absent: &[],
        }
    }

    /// The same list, which never has these fields of its messages.
    #[must_use]
    pub fn without(mut self, absent: &'static [(&'static str, &'static str)]) -> Listing {
        self.absent = absent;
        self
    }

    /// The chosen part of each thing: paths of the JSON, and columns by their names.
    pub fn chosen(&self, fields: &Fields) -> Vec<Value> {
        let paths = self.paths();
        let columns: Vec<(&str, usize)> = fields
            .names()
            .filter(|name| !paths.has(name))
            .filter_map(|name| Some((name, self.table.column_named(name)?)))
            .collect();
        let cell = |row: usize, column: usize| match self.table.columns()[column].path {
            Some(path) => fields::at(&self.values[row], path),
            None => self.table.value(row, column),
        };
        let rows = self.values.iter().enumerate();
        rows.map(|(row, value)| {
            let mut chosen = fields.of(value);
            for (name, column) in &columns {
                chosen[*name] = cell(row, *column);
            }
            chosen
        })
        .collect()
    }

    fn paths(&self) -> Paths {
        let paths = match &self.message {
            Some(message) => Paths::of_message(message),
            None => Paths::of_value(self.values.first().unwrap_or(&Value::Null)),
        };
        self.absent
            .iter()
            .fold(paths, |paths, (absent, _)| paths.without(absent))
    }

    /// Checks that the things have these fields: paths of the JSON, or columns.
    ///
    /// # Errors
    ///
    /// When there is no such field.
    pub fn check_fields(&self, fields: &Fields) -> Result<(), Failure> {
        if fields.is_everything() {
            return Ok(());
        }
        for (absent, where_it_is) in self.absent {
            if let Some(field) = fields.names().find(|field| fields::is_within(field, absent)) {
                let sentence = format!("a list has no field '{field}'");
                return Err(Failure::new(Exit::Usage, sentence).help(*where_it_is));
            }
        }
        let columns: Vec<String> = self.table.columns().iter().map(Column::name).collect();
        fields.check(&self.paths(), &columns)
    }
}

impl Output {
    /// Decides by the flags, the environment and the kind of stdout.
    pub fn new(globals: &Globals) -> Output {
        match globals.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        let colored = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Output {
            format: globals.format(),
            fields: Fields::new(&globals.fields),
            colored,
            width: terminal_width(io::stdout()),
        }
    }

    /// Columns of the terminal, when stdout is one.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// A sentence for people, wrapped to the terminal's width.
    pub fn sentence(&self, sentence: &str) -> String {
        let sentence = clean_line(sentence);
        match self.width {
            Some(_) => wrapped("", &sentence, self.width),
            None => format!("{sentence}\n"),
        }
    }

    /// The chosen fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Checks that the things of a list have the chosen fields.
    ///
    /// # Errors
    ///
    /// When there is no such field.
    pub fn check_fields(&self, listing: &Listing) -> Result<(), Failure> {
        listing.check_fields(&self.fields)
    }

    /// Whether to print a page that says everything in words.
    pub fn wants_page(&self) -> bool {
        self.format.is_for_people() && self.fields.is_everything()
    }

    /// Prints a list.
    ///
    /// # Errors
    ///
    /// When a chosen field cannot be there, or stdout cannot be written.
    pub fn list(&self, listing: &Listing) -> anyhow::Result<()> {
        let mut printed = PrintedPages::new(self);
        printed.print(listing)?;
        printed.end()
    }

    /// Prints one message; `page` is its form for people.
    ///
    /// # Errors
    ///
    /// When a chosen field cannot be there, or stdout cannot be written.
    pub fn one<M: Message + Name>(
        &self,
        message: &M,
        name: &str,
        page: impl Into<Sheet>,
    ) -> anyhow::Result<()> {
        self.fields
            .check(&Paths::of_message(&json::descriptor::<M>()), &[])?;
        self.checked(&json::of(message), name, &page.into())
    }

    /// Prints a value that is no message and has all of its fields.
    ///
    /// # Errors
    ///
    /// When a chosen field is not there, or stdout cannot be written.
    pub fn figures(&self, value: &Value, name: &str, page: impl Into<Sheet>) -> anyhow::Result<()> {
        self.fields.check(&Paths::of_value(value), &[])?;
        self.checked(value, name, &page.into())
    }

    fn checked(&self, value: &Value, name: &str, page: &Sheet) -> anyhow::Result<()> {
        match self.format {
            Format::Table | Format::Wide if self.fields.is_everything() => self.sheet(page)?,
            Format::Table | Format::Wide => self.page(&self.fields.page(value))?,
            Format::Name => self.line(name)?,
            Format::Json | Format::Jsonl | Format::Yaml => self.value(&self.fields.of(value))?,
        }
        Ok(())
    }

    /// Prints a JSON value as JSON, as one line, or as YAML.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn value(&self, value: &Value) -> io::Result<()> {
        match self.format {
            Format::Jsonl => self.json_line(value),
            Format::Yaml => self.yaml(value),
            Format::Table | Format::Wide | Format::Json | Format::Name => self.json(value),
        }
    }

    fn layout(&self, table: &Table) -> Layout {
        match self.format {
            Format::Wide => table.wide_layout(),
            Format::Table | Format::Json | Format::Jsonl | Format::Yaml | Format::Name => {
                table.layout(self.width)
            }
        }
    }

    /// A table of the chosen columns; a column may also be a path of the JSON.
    fn chosen_table(&self, listing: &Listing) -> Table {
        let columns = listing.table.columns();
        let sources: Vec<Option<usize>> = self
            .fields
            .names()
            .map(|name| listing.table.column_named(name))
            .collect();
        let heading = |(name, source): (&str, &Option<usize>)| match source {
            Some(index) => columns[*index].shown(),
            None => Column::of_path(name),
        };
        let headings = self.fields.names().zip(&sources).map(heading);
        let mut table = Table::of(headings.collect());
        for (row, value) in listing.values.iter().enumerate() {
            let cells = self
                .fields
                .names()
                .zip(&sources)
                .map(|(name, source)| match source {
                    Some(column) => listing.table.cell(row, *column).to_owned(),
                    None => fields::cell(value, name),
                });
            table.add(cells.collect());
        }
        table
    }

    /// Prints lines of ours, with the states coloured if colours are wanted: text from outside has no line ends.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn page(&self, page: &str) -> io::Result<()> {
        self.sheet(&page.into())
    }

    /// Prints a sheet, with ink if colours are wanted.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn sheet(&self, sheet: &Sheet) -> io::Result<()> {
        write_stdout(sheet.shown(self.colored).as_bytes())
    }

    /// Draws a sheet at the top of the screen over what was there. One write, so that nothing flickers.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn redraw(&self, sheet: &Sheet) -> io::Result<()> {
        let lines = sheet.shown(self.colored).replace('\n', "\x1b[K\n");
        write_stdout(format!("\x1b[H{lines}\x1b[J").as_bytes())
    }

    /// Prints one line of untrusted text.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.page(&clean_line(text))
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

    /// Prints a JSON value as YAML.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn yaml(&self, value: &Value) -> io::Result<()> {
        write_stdout(yaml::text(value).as_bytes())
    }

    fn json_text(&self, text: &str) -> io::Result<()> {
        write_stdout(json::escape(text).as_bytes())
    }
}
