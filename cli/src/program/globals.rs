//! The flags that every verb understands.

use std::{ffi::OsString, time::Duration};

use clap::{ValueEnum, builder::BoolishValueParser};
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{channel::Address, duration::parse_duration};

use super::next::next;

/// Where a coordinator listens unless told otherwise.
const DEFAULT_COORDINATOR: &str = "127.0.0.1:50051";

/// The flags that every verb understands, before or after the verb.
#[derive(Clone, Debug, clap::Args)]
pub struct Globals {
    /// Where the coordinator listens
    #[arg(
        long,
        global = true,
        env = "SWARM_COORDINATOR",
        default_value = DEFAULT_COORDINATOR,
        value_name = "HOST:PORT",
        help_heading = "Global options"
    )]
    pub coordinator: Address,
    /// How to print what was asked for
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub output: Format,
    /// Print only these fields, in this order: columns of the table, or paths of the JSON such as spec.queue. A list
    /// has no output of tasks: see logs and inspect
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        value_name = "FIELD",
        help_heading = "Global options"
    )]
    pub fields: Vec<String>,
    /// Print ids only, one a line: short for -o name
    #[arg(short, long, global = true, value_parser = BoolishValueParser::new(), help_heading = "Global options")]
    pub quiet: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Color::Auto,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub color: Color,
    /// How long to wait for the answer to a request, which is repeated when its answer is lost; when it is given, also
    /// for a coordinator that is not there: otherwise that is told at once
    #[arg(
        long,
        global = true,
        value_parser = parse_duration,
        default_value = "30s",
        value_name = "DURATION",
        help_heading = "Global options"
    )]
    pub retry_for: Duration,
    /// Whether somebody said how long, so that the first connection is waited for, too.
    #[arg(skip)]
    pub retry_for_is_given: bool,
}

impl Globals {
    /// How to print, with `-q` taken into account.
    pub fn format(&self) -> Format {
        if self.quiet { Format::Name } else { self.output }
    }

    /// Checks that the flags go together.
    ///
    /// # Errors
    ///
    /// When two of them contradict each other.
    pub fn check(&self) -> Result<(), Failure> {
        if self.format() == Format::Name && !self.fields.is_empty() {
            let sentence = "--fields and ids only (-q, -o name) do not go together";
            return Err(Failure::new(Exit::Usage, sentence).help("leave one of them out"));
        }
        Ok(())
    }

    /// A command line to type next, for the same coordinator.
    pub fn next(&self, rest: &str) -> String {
        next(&self.coordinator, rest)
    }
}

/// The format of JSON that the words of a wrong command line ask for.
pub fn json_among(words: &[OsString]) -> Option<Format> {
    let words = words.iter().skip(1).map(|word| word.to_string_lossy());
    let words: Vec<_> = words.take_while(|word| word != "--").collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let value = match word.as_ref() {
            "-o" | "--output" => words.get(at + 1)?,
            word => {
                let value = word
                    .strip_prefix("--output=")
                    .or_else(|| word.strip_prefix("-o"))?;
                value.strip_prefix('=').unwrap_or(value)
            }
        };
        let format = Format::from_str(value, true).ok()?;
        matches!(format, Format::Json | Format::Jsonl).then_some(format)
    })
}

/// How to print what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people, as many as there is room for
    Table,
    /// All columns, however wide the terminal is
    Wide,
    /// One JSON value
    Json,
    /// One JSON object a line
    Jsonl,
    /// The same as json, as YAML
    Yaml,
    /// Ids only, one a line
    Name,
}

impl Format {
    /// Whether the whole list is one value, rather than a value for each item.
    pub fn is_one_value(self) -> bool {
        matches!(self, Format::Json | Format::Yaml)
    }

    /// Whether the format is for people rather than programs.
    pub fn is_for_people(self) -> bool {
        match self {
            Format::Table | Format::Wide => true,
            Format::Json | Format::Jsonl | Format::Yaml | Format::Name => false,
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
