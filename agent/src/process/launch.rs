//! A process to start: its program, arguments, directory, environment and input.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
    process::Stdio,
};

use nix::unistd::{AccessFlags, access};
use tokio::process::Command;

use super::tree::{Tree, mark};

/// A process that is to be started.
pub(crate) struct Launch {
    /// The program's name, looked up in the PATH of `env` unless it has a slash.
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) directory: PathBuf,
    /// The whole environment but for the mark. Nothing is inherited.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The standard input; /dev/null when empty.
    pub(crate) stdin: Vec<u8>,
}

impl Launch {
    /// The PATH in which the program is looked up.
    pub(crate) fn path(&self) -> OsString {
        self.env
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }

    /// Looks at a program that is named by its path, so that a file system that does not answer stops the thread that
    /// starts the process, and not a child of it.
    pub(crate) fn look(&self) {
        if self.program.contains('/') {
            // Whether it is there is said by the start.
            let _ = fs::metadata(self.directory.join(&self.program));
        }
    }

    /// The file of the program, when its name is to be looked up. A process starts several times as fast by file as
    /// by name, because the system does not copy this process first.
    pub(super) fn found(&self) -> Option<PathBuf> {
        if self.program.contains('/') {
            return None;
        }
        let is_program = |file: &PathBuf| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
        std::env::split_paths(&self.path())
            .map(|directory| self.directory.join(directory).join(&self.program))
            .find(is_program)
            // A relative PATH counts from the directory of the new process, not from ours.
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
