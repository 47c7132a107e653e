//! A coordinator of a test's own, which can be killed and started again on the same port and data.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead as _, BufReader, PipeWriter},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{
    PATIENCE,
    client::Client,
    clock::WrongClock,
    copy_dir,
    disk::Plan,
    program::{Ended, Program, command},
    swarmctl::swarmctl,
};

/// See the module.
pub(crate) struct Coordinator {
    program: Program,
    address: String,
    flags: Vec<String>,
    /// The faults of its disk; none when the disk is well.
    disk: Option<Plan>,
    /// What a shell does before it becomes the coordinator.
    before: Option<String>,
    /// Its stderr, instead of the file that is its log.
    stderr: Option<PipeWriter>,
    /// Its wall clock; the machine's when it is right.
    clock: Option<WrongClock>,
    // Closed with the coordinator: a program that writes to a closed stdout may end.
    stdout: BufReader<ChildStdout>,
    // Last, so that they are removed when the program has ended.
    files: Files,
}

/// The place of a coordinator's files.
enum Files {
    /// In a directory that is removed with it.
    Own(TempDir),
    /// In one of the test's.
    Given(PathBuf),
    /// In one of the test's, but for the data directory, which is elsewhere.
    Apart { dir: PathBuf, data: PathBuf },
}

impl Files {
    fn dir(&self) -> &Path {
        match self {
            Files::Own(dir) => dir.path(),
            Files::Given(dir) | Files::Apart { dir, .. } => dir,
        }
    }

    fn data(&self) -> PathBuf {
        match self {
            Files::Own(_) | Files::Given(_) => self.dir().join("data"),
            Files::Apart { data, .. } => data.clone(),
        }
    }
}

impl Coordinator {
    /// Starts one with the default settings.
    pub(crate) fn start() -> Coordinator {
        Coordinator::with(&[])
    }

    /// Starts one with these flags besides its address and data directory.
    pub(crate) fn with(flags: &[&str]) -> Coordinator {
        Coordinator::on(Files::Own(tempfile::tempdir().unwrap()), flags, None)
    }

    /// Starts one with its files in this directory, whose disk does what the plan says.
    pub(crate) fn with_disk(dir: TempDir, disk: Plan) -> Coordinator {
        Coordinator::on(Files::Own(dir), &[], Some(disk))
    }

    /// Starts one with these flags, whose disk does what the plan says.
    pub(crate) fn with_flags_and_disk(dir: TempDir, flags: &[&str], disk: Option<Plan>) -> Coordinator {
        Coordinator::on(Files::Own(dir), flags, disk)
    }

    /// Starts one with its files in this directory, which stays.
    pub(crate) fn serving(dir: &Path, flags: &[&str]) -> Coordinator {
        Coordinator::on(Files::Given(dir.to_owned()), flags, None)
    }

    /// Starts one with this data directory, and with its other files in `dir`; both stay.
    pub(crate) fn serving_data(data: &Path, dir: &Path) -> Coordinator {
        let files = Files::Apart {
            dir: dir.to_owned(),
            data: data.to_owned(),
        };
        Coordinator::on(files, &[], None)
    }

    /// Starts one with these flags by a shell that does something before: `ulimit -n 512`.
    pub(crate) fn behind(before: &str, flags: &[&str]) -> Coordinator {
        let files = Files::Own(tempfile::tempdir().unwrap());
        Coordinator::by(files, flags, None, Some(before.to_owned()))
    }

    fn on(files: Files, flags: &[&str], disk: Option<Plan>) -> Coordinator {
        Coordinator::by(files, flags, disk, None)
    }

    fn by(files: Files, flags: &[&str], disk: Option<Plan>, before: Option<String>) -> Coordinator {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let (program, address, stdout) = serve(
            &files,
            "127.0.0.1:0",
            &flags,
            disk.as_ref(),
            before.as_deref(),
            None,
            None,
        );
        Coordinator {
            program,
            address,
            flags,
            disk,
            before,
            stderr: None,
            clock: None,
            stdout,
            files,
        }
    }

    /// Starts one with a copy of this data directory, which nobody uses now, after a change to the copy.
    pub(crate) fn with_copy(data: &Path, change: impl FnOnce(&Path)) -> Coordinator {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("data");
        copy_dir(data, &copy);
        change(&copy);
        Coordinator::on(Files::Own(dir), &[], None)
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The address of its metrics, which it prints after its start when it was told to serve them.
    pub(crate) fn metrics_address(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("metrics on ");
        address
            .unwrap_or_else(|| panic!("the coordinator printed {line:?}"))
            .to_owned()
    }

    /// A directory for the test's own files; the data directory is usually in it.
    pub(crate) fn dir(&self) -> &Path {
        self.files.dir()
    }

    /// Its data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.files.data()
    }

    /// The process.
    pub(crate) fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// From its next start on its disk is as it should be.
    pub(crate) fn mend_disk(&mut self) {
        self.change_disk(None);
    }

    /// From its next start on its disk does what this plan says.
    pub(crate) fn change_disk(&mut self, disk: Option<Plan>) {
        self.disk = disk;
    }

    /// From its next start on a shell does this before it becomes the coordinator.
    pub(crate) fn change_before(&mut self, before: Option<String>) {
        self.before = before;
    }

    /// From its next start on its stderr is this pipe, and it has no log.
    pub(crate) fn change_stderr(&mut self, stderr: Option<PipeWriter>) {
        self.stderr = stderr;
    }

    /// From its next start on it has this wall clock; the machine's with `None`.
    pub(crate) fn change_clock(&mut self, clock: Option<WrongClock>) {
        self.clock = clock;
    }

    /// From its next start on it has these flags besides its address and data directory.
    pub(crate) fn change_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Starts it again after its end, with the same address, data and flags.
    pub(crate) fn start_again(&mut self) {
        let (program, address, stdout) = serve(
            &self.files,
            &self.address,
            &self.flags,
            self.disk.as_ref(),
            self.before.as_deref(),
            self.stderr.as_ref(),
            self.clock.as_ref(),
        );
        assert_eq!(address, self.address);
        self.program = program;
        self.stdout = stdout;
    }

    /// Asks it to stop; gives its exit code.
    pub(crate) fn stop(&mut self, limit: Duration) -> i32 {
        self.program.signal(Signal::SIGTERM);
        self.program.wait(limit)
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    /// Runs `swarmctl` against it.
    pub(crate) fn swarmctl(&self, words: &[&str]) -> Ended {
        swarmctl(&self.address, self.dir(), words)
    }
}

/// Starts the program and waits until its port is open.
fn serve(
    files: &Files,
    listen: &str,
    flags: &[String],
    disk: Option<&Plan>,
    before: Option<&str>,
    stderr: Option<&PipeWriter>,
    clock: Option<&WrongClock>,
) -> (Program, String, BufReader<ChildStdout>) {
    let dir = files.dir();
    let mut command = command("coordinator", dir);
    command
        .args(["--listen", listen, "--data-dir"])
        .arg(files.data())
        .args(flags)
        .envs(surroundings(disk, clock));
    if let Some(before) = before {
        command = by_shell(before, &command);
    }
    command.stdout(Stdio::piped());
    let name = "the coordinator";
    let mut program = match stderr {
        Some(pipe) => {
            command.stderr(pipe.try_clone().unwrap());
            Program::start_without_log(name, command, Signal::SIGTERM)
        }
        None => Program::start(name, command, &dir.join("coordinator.log"), Signal::SIGTERM),
    };
    let mut stdout = BufReader::new(program.child().stdout.take().unwrap());
    let (opened, line) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        // Ends with the line, or with the program.
        let read = stdout.read_line(&mut line);
        let _ = opened.send(read.map(|_| (stdout, line)));
    });
    let (stdout, line) = line
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("the coordinator does not open its port in {PATIENCE:?}"))
        .unwrap();
    let Some(address) = line.trim_end().strip_prefix("listening on ") else {
        let code = program.wait(PATIENCE);
        panic!("the coordinator printed {line:?} and ended with {code}");
    };
    (program, address.to_owned(), stdout)
}

/// The variables of a disk that fails and of a clock that is wrong; each has libraries that are loaded before.
fn surroundings(disk: Option<&Plan>, clock: Option<&WrongClock>) -> BTreeMap<&'static str, OsString> {
    let mut variables: BTreeMap<&'static str, OsString> =
        disk.map_or(&[][..], Plan::env).iter().cloned().collect();
    for (name, value) in clock.into_iter().flat_map(WrongClock::env) {
        match variables.get_mut(name) {
            Some(libraries) if name == "LD_PRELOAD" => {
                libraries.push(":");
                libraries.push(value);
            }
            _ => {
                variables.insert(name, value);
            }
        }
    }
    variables
}

/// The same program by a shell that does something before it becomes the program.
fn by_shell(before: &str, program: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell
        .args([
            "-c",
            &format!("set -e; {before}; exec -a coordinator \"$@\""),
            "bash",
        ])
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}
