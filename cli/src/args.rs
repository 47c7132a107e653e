//! The command line: the global flags and the list of verbs.

use std::{sync::OnceLock, time::Duration};

use clap::{Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use swarm_proto::{channel::Address, duration::parse_duration};
use swarm_settings::{Settings, completions, manual};

use crate::{command, exit::Exit, trouble::Trouble};

const EXAMPLES: &str = "\
Examples:
  swarmctl dev --demo                          a whole swarm on this machine, at work
  swarmctl submit -- make -j2                  queue a command for any agent
  swarmctl run -- sh -c 'uname -a; nproc'      run a command somewhere and see what it prints";

/// The program by its name.
pub const PROGRAM: swarm_settings::Program = swarm_settings::Program { name: "swarmctl" };

/// The coordinator that is asked when no flag names one: the environment's, a file's, or the default.
static USUAL: OnceLock<Address> = OnceLock::new();

/// Where a coordinator listens unless told otherwise.
const DEFAULT_COORDINATOR: &str = "127.0.0.1:50051";

/// Submits tasks to a Swarm coordinator and shows what happens to them.
#[derive(Debug, Parser)]
#[command(name = "swarmctl", version, before_help = EXAMPLES, max_term_width = 100, propagate_version = false)]
pub struct Program {
    /// What every verb understands.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands, before or after the verb.
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
    /// Print only these fields, in this order: columns of the table, or paths of the JSON such as spec.queue
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
    /// How long to wait for the answer to a request, which is repeated when its answer is lost
    #[arg(
        long,
        global = true,
        value_parser = parse_duration,
        default_value = "30s",
        value_name = "DURATION",
        help_heading = "Global options"
    )]
    pub retry_for: Duration,
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
    /// When they do not.
    pub fn check(&self) -> Result<(), Trouble> {
        if self.format() == Format::Name && !self.fields.is_empty() {
            let sentence = "--fields and ids only (-q, -o name) do not go together";
            return Err(Trouble::new(Exit::Usage, sentence).help("leave one of them out"));
        }
        Ok(())
    }

    /// A command line for the same coordinator, to be typed next.
    pub fn next(&self, rest: &str) -> String {
        next(&self.coordinator, rest)
    }
}

/// A command line for this coordinator, to be typed next; it is named unless it is the one that is asked anyway.
pub fn next(coordinator: &Address, rest: &str) -> String {
    if USUAL.get() == Some(coordinator) {
        format!("swarmctl {rest}")
    } else {
        format!("swarmctl --coordinator {coordinator} {rest}")
    }
}

/// Keeps in mind which coordinator needs no flag.
pub(crate) fn remember_usual(settings: &Settings) {
    if let Some(usual) = settings.usual("coordinator").and_then(|usual| usual.parse().ok()) {
        // Set once, before any verb.
        let _ = USUAL.set(usual);
    }
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
    /// Whether it is one value, and not one for each thing.
    pub fn is_one_value(self) -> bool {
        matches!(self, Format::Json | Format::Yaml)
    }

    /// Whether it is laid out for people, and not for programs.
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

/// The verbs, in the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a coordinator and agents on this machine
    Dev(command::dev::Args),
    /// Queue a command or the tasks of a job file
    Submit(command::submit::Args),
    /// Submit a command, wait for it, and end with its exit code
    Run(command::run::Args),
    /// Wait until tasks and jobs have ended
    Wait(command::wait::Args),
    /// List tasks
    #[command(alias = "ls")]
    List(command::list::Args),
    /// Say why a task is not running, and what would change that
    #[command(alias = "why")]
    Explain(command::explain::Args),
    /// Show one task or job with everything known about it
    #[command(visible_alias = "show")]
    Inspect(command::inspect::Args),
    /// Show everything on one page
    Status(command::status::Args),
    /// Print what happened, or what is happening
    Events(command::events::Args),
    /// Print what a task printed
    #[command(alias = "log")]
    Logs(command::logs::Args),
    /// Cancel tasks and jobs
    Cancel(command::cancel::Args),
    /// Bring ended tasks back, with fresh counts of tries
    Retry(command::retry::Args),
    /// Submit the tasks of another system's file, or of ours
    Import(command::import::Args),
    /// Write tasks in the format of another system, or in ours
    Export(command::export::Args),
    /// List and show jobs
    #[command(alias = "jobs")]
    Job(command::job::Args),
    /// List, show, pause and drain agents
    #[command(alias = "agents")]
    Agent(command::agent::Args),
    /// Load a coordinator and measure what it takes
    Bench(command::bench::Args),
    /// List, show, limit and pause queues
    #[command(alias = "queues")]
    Queue(command::queue::Args),
    /// Give no more work to anybody, of a queue, or to an agent
    Pause(command::pause::Args),
    /// Give work again
    Resume(command::resume::Args),
    /// Give an agent nothing more, and let it finish
    Drain(command::drain::Args),
    /// Let a drained agent work again
    Undrain(command::undrain::Args),
    /// End everything that runs on every agent at once
    #[command(alias = "emergency-stop")]
    Stop(command::stop::Args),
    /// Look what is wrong with the coordinator, its agents and this machine
    Doctor(command::doctor::Args),
    /// Show the settings of this program
    Config(command::config::Args),
    /// Print a script that completes command lines in a shell
    #[command(alias = "completion")]
    Completions(completions::Args),
    /// Print the manual page, or write a page for each verb into a directory
    Man(manual::Args),
    /// What could stand where the words end: asked by the completion scripts
    #[command(name = command::complete_ids::VERB, hide = true)]
    CompleteIds(command::complete_ids::Args),
}
