//! A real agent of a test's own.

use std::{
    ffi::OsString,
    fs::File,
    io::PipeWriter,
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::Signal,
};
use tempfile::TempDir;

use super::{
    coordinator::Coordinator,
    copy_dir,
    program::{Program, command, command_behind_mounts, command_of_process_1},
    wait_until,
};

/// What makes it end at once, with all it runs.
const FAREWELL: Signal = Signal::SIGUSR1;

/// See the module. It is stopped at once, with all it runs, when it goes out of scope.
pub(crate) struct RealAgent {
    program: Program,
    name: String,
    address: String,
    flags: Vec<String>,
    // Last, so that it is removed when the program has ended.
    dir: TempDir,
}

/// What is about an agent from one start to the next.
#[derive(Debug, Default)]
pub(crate) enum Surroundings {
    #[default]
    Usual,
    /// Variables of its environment.
    Variables(Vec<(&'static str, OsString)>),
    /// Its stderr, instead of the file that is its log.
    Stderr(PipeWriter),
    /// A container whose process 1 it is.
    Container,
    /// A namespace of mounts in which a shell does this before.
    Mounts(String),
}

impl RealAgent {
    /// Starts one with these flags besides its name and state directory.
    pub(crate) fn start(coordinator: &Coordinator, name: &str, flags: &[&str]) -> RealAgent {
        RealAgent::start_at(coordinator.address(), name, flags)
    }

    /// The same for a coordinator that is reached at this address.
    pub(crate) fn start_at(address: &str, name: &str, flags: &[&str]) -> RealAgent {
        let dir = tempfile::tempdir().unwrap();
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let program = launch(address, name, dir.path(), &flags);
        RealAgent {
            program,
            name: name.to_owned(),
            address: address.to_owned(),
            flags,
            dir,
        }
    }

    /// Starts one that is process 1 of a container; `None` where that is not permitted.
    pub(crate) fn start_as_process_1(
        coordinator: &Coordinator,
        name: &str,
        flags: &[&str],
    ) -> Option<RealAgent> {
        let dir = tempfile::tempdir().unwrap();
        let command = command_of_process_1("agent", dir.path())?;
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let address = coordinator.address().to_owned();
        Some(RealAgent {
            program: launch_by(command, &address, name, dir.path(), &flags),
            name: name.to_owned(),
            address,
            flags,
            dir,
        })
    }

    /// Starts it again after its end, with the same name, address, state directory and flags.
    pub(crate) fn start_again(&mut self) {
        assert!(self.program.ended().is_some());
        self.wait_until_let_go();
        self.program = launch(&self.address, &self.name, self.dir.path(), &self.flags);
    }

    /// Starts it again in these surroundings; false, and it is not started, where they cannot be.
    pub(crate) fn start_again_in(&mut self, surroundings: &Surroundings) -> bool {
        assert!(self.program.ended().is_some());
        self.wait_until_let_go();
        let dir = self.dir.path();
        let mut command = match surroundings {
            Surroundings::Usual | Surroundings::Stderr(_) => command("agent", dir),
            Surroundings::Variables(variables) => {
                let mut command = command("agent", dir);
                command.envs(variables.iter().cloned());
                command
            }
            Surroundings::Container => match command_of_process_1("agent", dir) {
                Some(command) => command,
                None => return false,
            },
            Surroundings::Mounts(before) => match command_behind_mounts("agent", dir, before) {
                Some(command) => command,
                None => return false,
            },
        };
        complete(&mut command, &self.address, &self.name, dir, &self.flags);
        self.program = match surroundings {
            Surroundings::Stderr(pipe) => {
                command.stderr(pipe.try_clone().unwrap());
                Program::start_without_log(&format!("agent {}", self.name), command, FAREWELL)
            }
            _ => start(&self.name, command, dir),
        };
        true
    }

    /// A container's end is not waited for by who ends it, and the agent in it has the directory until then.
    fn wait_until_let_go(&self) {
        wait_until("nobody has the state directory", || {
            match File::open(self.state_dir().join("lock")) {
                Ok(lock) => Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok(),
                Err(_) => true,
            }
        });
    }

    /// Starts another one with a copy of its state directory, as on another host.
    pub(crate) fn start_copy(&self, coordinator: &Coordinator) -> RealAgent {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(&self.state_dir(), &dir.path().join("state"));
        let program = launch(coordinator.address(), &self.name, dir.path(), &self.flags);
        RealAgent {
            program,
            name: self.name.clone(),
            address: coordinator.address().to_owned(),
            flags: self.flags.clone(),
            dir,
        }
    }

    /// Its state directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The process.
    pub(crate) fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The files and directories that lie in `refused` of its outboxes.
    pub(crate) fn refused_results(&self) -> Vec<PathBuf> {
        let children = |dir: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(dir).map_or_else(
                |_| Vec::new(),
                |entries| entries.map(|entry| entry.unwrap().path()).collect(),
            )
        };
        children(&self.state_dir().join("outbox"))
            .iter()
            .flat_map(|cluster| children(&cluster.join("refused")))
            .collect()
    }
}

fn launch(address: &str, name: &str, dir: &Path, flags: &[String]) -> Program {
    launch_by(command("agent", dir), address, name, dir, flags)
}

fn launch_by(mut command: Command, address: &str, name: &str, dir: &Path, flags: &[String]) -> Program {
    complete(&mut command, address, name, dir, flags);
    start(name, command, dir)
}

fn start(name: &str, command: Command, dir: &Path) -> Program {
    Program::start(
        &format!("agent {name}"),
        command,
        &dir.join("agent.log"),
        FAREWELL,
    )
}

fn complete(command: &mut Command, address: &str, name: &str, dir: &Path, flags: &[String]) {
    command
        .args(["--coordinator", address, "--name", name])
        // A killed coordinator is found again quickly.
        .args([
            "--backoff-max",
            "200ms",
            "--jitter-max",
            "20ms",
            "--kill-grace",
            "2s",
        ])
        .arg("--state-dir")
        .arg(dir.join("state"))
        .args(flags)
        .current_dir(dir);
}
