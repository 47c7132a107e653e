//! The real programs as a bench holds them.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Ends when it goes out of scope.
pub(crate) struct Coordinator(Child);

impl Drop for Coordinator {
    fn drop(&mut self) {
        // Its data go with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A coordinator with its data here, and its address.
pub(crate) fn start_coordinator(dir: &Path) -> (Coordinator, String) {
    let data = dir.join("data");
    let mut coordinator = program(dir, "coordinator")
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a coordinator can be started");
    let mut line = String::new();
    let stdout = coordinator.stdout.as_mut().expect("it has a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says where it listens");
    let address = line.trim().strip_prefix("listening on ").expect("an address");
    (Coordinator(coordinator), address.to_owned())
}

/// One of the programs, at home in this directory, and with no setting but what it is given.
pub(crate) fn program(dir: &Path, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarm-programs"));
    command
        .arg0(name)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("SWARM_LOG_LEVEL", "warn")
        .stdin(Stdio::null());
    command
}
