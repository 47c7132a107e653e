//! A process to start: its program, arguments, directory, environment and input.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::Stdio,
};

use nix::unistd::{AccessFlags, access};
use tokio::process::Command;

use super::tree::{Tree, mark};

/// What to start.
pub(crate) struct Launch {
    /// Looked up in the PATH of `env` unless it has a slash.
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) directory: PathBuf,
    /// The whole environment, but for the mark: nothing is inherited.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Its standard input; /dev/null when empty.
    pub(crate) stdin: Vec<u8>,
}

impl Launch {
    /// The PATH that the search by name looks through.
    pub(crate) fn path(&self) -> OsString {
        self.env
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }

    /// The file that the search by name will find. A command that is started by its file starts several times as fast:
    /// the system does not copy this process first.
    pub(super) fn found(&self) -> Option<PathBuf> {
        if self.program.contains('/') {
            return None;
        }
        let is_program = |file: &PathBuf| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
        std::env::split_paths(&self.path())
            .map(|directory| self.directory.join(directory).join(&self.program))
            .find(is_program)
            // The command looks from its own directory, and not from ours.
            .filter(|file| file.is_absolute())
    }

    pub(super) fn command(&self, program: &OsStr, tree: &Tree) -> Command {
        let mut command = Command::new(program);
        command
            .arg0(&self.program)
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(mark::VARIABLE, tree.mark().as_str())
            .stdin(if self.stdin.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
