//! The coordinator as a process, serving or carrying out a verb.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::client::Client;

/// Longer than anything takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A coordinator that serves. Dropping it kills it.
pub(crate) struct Coordinator {
    child: Child,
    address: String,
    log: PathBuf,
    // Kept open: whoever cannot write to its stdout may end.
    _stdout: BufReader<ChildStdout>,
}

impl Coordinator {
    /// Starts one on this data directory, and waits until it serves. Its log is beside the directory.
    pub(crate) fn serve(data: &Path, log: &Path, flags: &[&str]) -> Coordinator {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            panic!("it did not start: {}", fs::read_to_string(log).unwrap())
        };
        Coordinator {
            child,
            address: address.to_owned(),
            log: log.to_owned(),
            _stdout: stdout,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with SIGTERM, in order.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(self.wait_for_end(), Some(0), "{}", self.log());
    }

    /// Waits until it ends by itself; its exit code.
    pub(crate) fn wait_for_end(&mut self) -> Option<i32> {
        wait_for("the end of the process", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Carries out a verb on this data directory.
pub(crate) fn verb(verb: &str, data: &Path, args: &[&str]) -> Output {
    command()
        .arg(verb)
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .output()
        .unwrap()
}

/// The program, without the settings of whoever runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
    command
        .env_clear()
        .env("NO_COLOR", "1")
        .env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// Looks again and again until there is something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(LOOK_AGAIN);
        waited += LOOK_AGAIN;
    }
    panic!("waited in vain for {what}")
}
