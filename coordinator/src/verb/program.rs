//! The verbs about the program itself: its settings, its completions, its manual.

use std::io::{self, Write as _};

use clap::Command;
use swarm_program::{
    completions,
    exit::Exit,
    failure::Failure,
    manual,
    settings::{Form, Settings},
};

use crate::program::{config::Config, failure::chain};

/// The flags of serving, to see what comes out of them.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowConfig {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    output: Form,
    #[command(flatten)]
    config: Config,
}

impl ShowConfig {
    /// Prints the settings and their faults.
    ///
    /// # Errors
    ///
    /// When the coordinator would refuse to serve with them.
    pub(crate) fn run(&self, mut settings: Settings) -> Result<(), Failure> {
        if let Ok(dir) = self.config.data_dir() {
            settings.fill("data_dir", dir.display().to_string());
        }
        print(settings.print(self.output).as_bytes())?;
        self.config.check()
    }
}

/// Prints the completions of the program whose command line `command` is.
pub(super) fn print_completions(command: &Command, args: &completions::Args) -> Result<(), Failure> {
    let script = completions::script(command, args.shell, None).map_err(|error| failure(&error))?;
    print(script.as_bytes())
}

/// Prints or writes the manual of the program whose command line `command` is.
pub(super) fn print_manual(command: &Command, args: &manual::Args) -> Result<(), Failure> {
    let said = manual::run(command, args, &[])?;
    print(&said)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failure(&error)),
        _ => Ok(()),
    }
}

fn failure(error: &io::Error) -> Failure {
    let help = "is there room on the disk, and may this user write there?";
    Failure::new(Exit::Disk, format!("cannot write: {}", chain(error))).help(help)
}
