//! One of the three programs as a child process: started, signalled, waited for, and never left behind.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{PATIENCE, process, wait_at_most, wait_for};

/// The end of a log that is shown when a test fails.
const SHOWN_LINES: usize = 60;
/// Time for a program to end by itself before it is killed.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// A command that starts a program with nothing of the surroundings that could change what it does.
pub(crate) fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(programs());
    command.arg0(program);
    clean(command, home)
}

/// The same for a program that is to be process 1 of a container, as with Docker. `None`, with a line that says so,
/// where that is not permitted.
pub(crate) fn command_of_process_1(program: &str, home: &Path) -> Option<Command> {
    let contain = || {
        let mut command = Command::new("unshare");
        command.args(["-Urpf", "--mount-proc", "--kill-child=KILL"]);
        command
    };
    match contain().arg("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("SKIPPED: cannot make a container: {}", why.trim());
            return None;
        }
        Err(error) => {
            println!("SKIPPED: cannot run unshare: {error}");
            return None;
        }
    }
    // The file is all three programs, and its name says which.
    let named = home.join(program);
    if !named.exists() {
        std::os::unix::fs::symlink(programs(), &named).unwrap();
    }
    let mut command = contain();
    command.arg(named);
    Some(clean(command, home))
}

/// The same for a program in a namespace of mounts of its own, where a shell does something before it becomes the
/// program. `None`, with a line that says so, where that is not permitted.
pub(crate) fn command_behind_mounts(program: &str, home: &Path, before: &str) -> Option<Command> {
    let shell = |then: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "-m",
            "--",
            "bash",
            "-c",
            &format!("set -e; {before}; {then}"),
            "bash",
        ]);
        command
    };
    match shell("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("SKIPPED: cannot mount in a namespace: {}", why.trim());
            return None;
        }
        Err(error) => {
            println!("SKIPPED: cannot run unshare: {error}");
            return None;
        }
    }
    let mut command = shell(&format!("exec -a {program} \"$@\""));
    command.arg(programs());
    Some(clean(command, home))
}

/// A command without the surroundings that could change what it does, and with a home of its own.
pub(crate) fn clean(mut command: Command, home: &Path) -> Command {
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["SWARM_", "RUST_", "XDG_", "CLICOLOR", "NO_COLOR"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("TZ", "UTC");
    command
}

/// The file that is all three programs.
pub(crate) fn programs() -> PathBuf {
    // Cargo names it to tests only; the program of the proof is another such file.
    option_env!("CARGO_BIN_EXE_swarm-programs").map_or_else(
        || std::env::current_exe().expect("a program knows where it was started from"),
        PathBuf::from,
    )
}

/// A running program.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    farewell: Signal,
}

impl Program {
    /// Starts it; what it writes to stderr goes to `log`, behind what is there. `farewell` makes it end by itself.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path, farewell: Signal) -> Program {
        let stderr = File::options().create(true).append(true).open(log).unwrap();
        command.stderr(stderr);
        Program::spawn(name, command, log, farewell)
    }

    /// Starts it with the stderr that the command has: there is no log.
    pub(crate) fn start_without_log(name: &str, command: Command, farewell: Signal) -> Program {
        Program::spawn(name, command, Path::new("/dev/null"), farewell)
    }

    fn spawn(name: &str, mut command: Command, log: &Path, farewell: Signal) -> Program {
        Program {
            name: name.to_owned(),
            child: command.spawn().unwrap(),
            log: log.to_owned(),
            ended: None,
            farewell,
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The child itself, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.ended.is_none(), "{} has ended", self.name);
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Its exit status, when it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Its exit code, which it has to give within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> i32 {
        let what = format!("{} ends", self.name);
        let status = wait_for(&what, limit, || self.ended());
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        assert!(self.ended.is_none(), "{} has ended", self.name);
        self.send_kill();
        self.wait(PATIENCE);
    }

    /// Sends SIGKILL to it, and to the first process of the container that it is. `unshare` has the system do that, but
    /// for a process that it began a moment ago, which would stay for ever.
    fn send_kill(&self) {
        let pid = self.pid();
        let send = |pid: i32, signal| kill(Pid::from_raw(pid), signal);
        if process::name_of(pid).is_some_and(|name| name == "unshare") {
            // What stands still begins no process.
            let _ = send(pid, Signal::SIGSTOP);
            wait_at_most(LAST_GRACE, || {
                (process::is_stopped(pid) || !process::is_running(pid)).then_some(())
            });
            for child in process::children_of(pid) {
                let _ = send(child, Signal::SIGKILL);
            }
        }
        let _ = send(pid, Signal::SIGKILL);
    }

    /// Kills it with SIGKILL after this time, unless it has ended by itself.
    pub(crate) fn kill_after(&mut self, time: Duration) {
        if wait_at_most(time, || self.ended()).is_none() {
            self.kill();
        }
    }

    /// Its stderr so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let pid = Pid::from_raw(self.pid());
            let _ = kill(pid, self.farewell);
            let _ = kill(pid, Signal::SIGCONT);
            wait_at_most(LAST_GRACE, || self.child.try_wait().transpose());
            if self.child.try_wait().is_ok_and(|status| status.is_none()) {
                self.send_kill();
            }
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("---- the end of what {} wrote to stderr", self.name);
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                eprintln!("{line}");
            }
        }
    }
}

/// The exit code and the output of a program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; 128 and more for a signal.
    pub(crate) code: i32,
    /// Its stdout.
    pub(crate) stdout: String,
    /// Its stderr.
    pub(crate) stderr: String,
}

impl Ended {
    /// The same, after a check that it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Its stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }

    /// Its stdout as one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Checks the layout of a refusal: what is wrong, and what to do.
    #[track_caller]
    pub(crate) fn expect_error(self, code: i32, error: &[&str], help: &[&str]) {
        let ended = self.expect(code);
        let lines = |prefix: &str| -> String {
            let from = ended
                .stderr
                .find(prefix)
                .unwrap_or_else(|| panic!("no '{prefix}' in:\n{}", ended.stderr));
            ended.stderr[from..].to_owned()
        };
        let (said, told) = (lines("error: "), lines("help: "));
        for word in error {
            assert!(said.contains(word), "'{word}' is not said in:\n{}", ended.stderr);
        }
        for word in help {
            assert!(
                told.contains(word),
                "'{word}' is not among the help in:\n{}",
                ended.stderr
            );
        }
    }
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    let code = output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A program's name and arguments as one list.
pub(crate) fn args<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a OsStr> {
    words.iter().map(OsStr::new)
}
