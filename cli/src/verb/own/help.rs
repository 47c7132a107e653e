//! `swarmctl help`: how a verb is used, and what stands in a job file.

use std::io;

use clap::Command;
use swarm_program::{exit::Exit, failure::Failure, words::nearest::near};

use crate::{
    jobfile::reference,
    program::terminal::{terminal_width, write_stdout},
};

/// The word for the reference of the job file, and other words that are tried.
pub(super) const JOB_FILE: &str = "jobfile";
const ALSO_JOB_FILE: &[&str] = &["job-file", "job_file", "swarm-job"];

/// Columns of the reference where the terminal is wider: longer lines are hard to read.
const WIDEST: usize = 100;

const EXAMPLES: &str = "\
Examples:
  swarmctl help                                the verbs
  swarmctl help submit                         what one of them does, and its flags
  swarmctl help jobfile                        every field of a job file";

/// What to explain.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// A verb, such as `submit` or `agent list`; or `jobfile`: every field of a job file
    #[arg(value_name = "VERB")]
    words: Vec<String>,
}

/// Prints the help.
///
/// # Errors
///
/// When there is no such verb, or stdout is closed.
pub async fn run(args: Args, command: fn() -> Command) -> anyhow::Result<Exit> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    if let [topic] = words.as_slice()
        && (*topic == JOB_FILE || ALSO_JOB_FILE.contains(topic))
    {
        let width = terminal_width(io::stdout()).unwrap_or(WIDEST).min(WIDEST);
        write_stdout(reference::text(Some(width)).as_bytes())?;
        return Ok(Exit::Done);
    }
    let is_whole = words.is_empty();
    let mut program = command();
    program.build();
    let mut verb = &mut program;
    for word in words {
        let known: Vec<String> = verb
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
            .collect();
        let name = verb.get_name().to_owned();
        match verb.find_subcommand_mut(word) {
            Some(found) => verb = found,
            None => return Err(unknown(word, &name, &known).into()),
        }
    }
    // Everything about every flag would hide the list of verbs.
    let printed = match is_whole {
        true => verb.print_help(),
        false => verb.print_long_help(),
    };
    printed?;
    Ok(Exit::Done)
}

fn unknown(word: &str, of: &str, known: &[String]) -> Failure {
    let topics = known.iter().map(String::as_str).chain([JOB_FILE]);
    let meant = near(word, topics);
    let failure = Failure::new(Exit::Usage, format!("there is no verb '{word}' of {of}"));
    failure.help(match meant.first() {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => "swarmctl help lists the verbs".to_owned(),
    })
}
