//! The command line: the list of verbs.

use clap::{Parser, Subcommand};
use swarm_settings::{completions, manual};

use crate::{command, program::globals::Globals};

const EXAMPLES: &str = "\
Examples:
  swarmctl dev --demo                          a whole swarm on this machine, at work
  swarmctl submit -- make -j2                  queue a command for any agent
  swarmctl run -- sh -c 'uname -a; nproc'      run a command somewhere and see what it prints";

/// The program by its name.
pub const PROGRAM: swarm_settings::Program = swarm_settings::Program { name: "swarmctl" };

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
