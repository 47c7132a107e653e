//! The command line: the list of verbs and nothing else.

use std::fmt::Write as _;

use clap::{CommandFactory as _, Parser, Subcommand};
use swarm_program::{exit::Exit, settings::Settings};

use crate::{
    bench, dev,
    program::globals::Globals,
    verb::{change, doctor, files, hold, look, own, submit},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl dev --demo                          a whole swarm on this machine, at work
  swarmctl submit --cwd \"$PWD\" -- make -j2     queue a command, to be run in this directory
  swarmctl run -- sh -c 'uname -a; nproc'      run a command somewhere and see what it prints";

/// Submits tasks to a Swarm coordinator and shows what happens to them.
#[derive(Debug, Parser)]
#[command(name = "swarmctl", version, before_help = EXAMPLES, max_term_width = 100, propagate_version = false)]
#[command(
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Program {
    /// The flags of every verb.
    #[command(flatten)]
    pub globals: Globals,
    /// The verb with its own flags.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The parts of the program that a verb may ask for, besides its own flags.
pub struct Given<'a> {
    /// The flags of every verb.
    pub globals: &'a Globals,
    /// The settings with their origins.
    pub settings: &'a Settings,
    /// The program's command line, for the verbs that describe it.
    pub command: fn() -> clap::Command,
}

/// The verbs as `--help` groups them. Those that people do not type are in no group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["dev", "doctor", "help"]),
    ("Give work", &["submit", "run", "wait", "import", "export"]),
    (
        "See what happens",
        &["status", "list", "inspect", "explain", "logs", "events"],
    ),
    ("Change what happens", &["cancel", "retry", "remove", "lease"]),
    (
        "Jobs, queues and agents",
        &[
            "job", "queue", "agent", "pause", "resume", "drain", "undrain", "stop",
        ],
    ),
    ("This program", &["config", "completions", "man", "bench"]),
];

/// The command line, with the verbs in groups.
pub fn command() -> clap::Command {
    let command = Program::command();
    let styles = command.get_styles().clone();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut list = String::new();
    for (title, verbs) in GROUPS {
        let _ = write!(list, "\n{header}{title}:{header:#}\n");
        for verb in verbs.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(list, "  {literal}{:<12}{literal:#} {about}", verb.get_name());
        }
    }
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{list}\n{header}Options:{header:#}\n\
         {{options}}{{after-help}}"
    ))
}

/// Makes the verbs out of one list: the line of help, the verb, its module, and the arguments of its `run`.
macro_rules! verbs {
    ($($(#[$about:meta])* $name:ident: $($module:ident)::+ ($($given:ident),*);)*) => {
        /// The verbs, in the order in which a newcomer needs them.
        #[derive(Debug, Subcommand)]
        pub enum Verb {
            $($(#[$about])* $name($($module)::+::Args),)*
        }

        impl Verb {
            /// Does what the verb says.
            ///
            /// # Errors
            ///
            /// The verb's failure, for a person.
            pub async fn run(self, given: Given<'_>) -> anyhow::Result<Exit> {
                match self {
                    $(Verb::$name(args) => Box::pin($($module)::+::run(args, $(given.$given),*)).await,)*
                }
            }
        }
    };
}

verbs! {
    /// Start a coordinator and agents on this machine
    Dev: dev (globals);
    /// Queue a command or the tasks of a job file
    Submit: submit::submit (globals);
    /// Submit a command, wait for it, and end with its exit code
    Run: submit::run (globals);
    /// Wait until tasks and jobs have ended
    Wait: look::wait (globals);
    /// List tasks
    #[command(alias = "ls")]
    List: look::list (globals);
    /// Say why a task is not running, and what would change that
    #[command(alias = "why")]
    Explain: look::explain (globals);
    /// Show one task or job with everything known about it
    #[command(visible_alias = "show")]
    Inspect: look::inspect (globals);
    /// Show everything on one page
    Status: look::status (globals);
    /// Print what happened, or what is happening
    Events: look::events (globals);
    /// Print what a task printed
    #[command(alias = "log")]
    Logs: look::logs (globals);
    /// Cancel tasks and jobs
    Cancel: change::cancel (globals);
    /// Bring ended tasks back, with fresh counts of tries
    Retry: change::retry (globals);
    /// Remove ended tasks before their time
    #[command(alias = "rm")]
    Remove: change::remove (globals);
    /// Give a task to another agent, because its machine is gone
    Lease: change::lease (globals);
    /// Submit the tasks of another system's file, or of ours
    Import: files::import (globals);
    /// Write tasks in the format of another system, or in ours
    Export: files::export (globals);
    /// List and show jobs
    #[command(alias = "jobs")]
    Job: look::job (globals);
    /// List, show, pause, drain and forget agents
    #[command(alias = "agents")]
    Agent: hold::agent (globals);
    /// Load a coordinator and measure what it takes
    Bench: bench (globals);
    /// List, show, limit and pause queues
    #[command(alias = "queues")]
    Queue: hold::queue (globals);
    /// Hold back all work, a queue, or an agent
    Pause: hold::pause (globals);
    /// Lift a hold, so that work is given again
    Resume: hold::resume (globals);
    /// Give an agent nothing more, and let it finish
    Drain: hold::drain (globals);
    /// Let a drained agent work again
    Undrain: hold::undrain (globals);
    /// End everything that runs on every agent at once
    #[command(alias = "emergency-stop")]
    Stop: hold::stop (globals);
    /// Look what is wrong with the coordinator, its agents and this machine
    Doctor: doctor (globals);
    /// Show the settings of this program
    Config: own::config (globals, settings);
    /// Print a script that completes command lines in a shell
    #[command(alias = "completion", before_help = own::completions::EXAMPLES)]
    Completions: own::completions (command);
    /// Print a manual page, or write all of them into a directory
    #[command(before_help = own::manual::EXAMPLES)]
    Man: own::manual (command);
    /// Say how a verb is used, or what stands in a job file: help jobfile
    Help: own::help (command);
    /// What could stand where the words end: asked by the completion scripts
    #[command(name = own::complete_ids::VERB, hide = true)]
    CompleteIds: own::complete_ids (globals, command);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_in_one_group_of_the_help() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        grouped.sort_unstable();
        let command = Program::command();
        let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let mut verbs: Vec<&str> = shown.map(clap::Command::get_name).collect();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }
}
