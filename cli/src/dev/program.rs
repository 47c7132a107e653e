//! One program that `dev` started: its start, its log, its end.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_program::{exit::Exit, failure::Failure};
use tokio::{
    process::{ChildStdin, ChildStdout, Command},
    sync::watch,
};

use super::parent;

/// At most this much is shown of the log of a program that ended by itself.
const LOG_TAIL_LINES: usize = 15;
const LOG_TAIL_BYTES: u64 = 8 * 1024;

/// The log of a program, where its stderr goes.
pub(super) struct Log {
    name: String,
    path: PathBuf,
    file: File,
}

impl Log {
    /// A new log of the program of this name, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn begin(logs: &Path, name: &str) -> anyhow::Result<Log> {
        fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Log::open(
            logs,
            name,
            File::options().create(true).write(true).truncate(true),
        )
    }

    /// The log of a program that is started again goes on.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn go_on(logs: &Path, name: &str) -> anyhow::Result<Log> {
        Log::open(logs, name, File::options().create(true).append(true))
    }

    fn open(logs: &Path, name: &str, options: &OpenOptions) -> anyhow::Result<Log> {
        let path = logs.join(format!("{name}.log"));
        let file = options
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Log {
            name: name.to_owned(),
            path,
            file,
        })
    }
}

/// A program under `dev`. Dropping it closes the program's standard input, and the program stops.
pub(super) struct Program {
    name: String,
    log: PathBuf,
    pid: Pid,
    /// Set at its end; without a status when the system does not tell it.
    end: Arc<OnceLock<Option<ExitStatus>>>,
    _stdin: Option<ChildStdin>,
}

impl Program {
    /// Starts this executable under another name, and returns its standard output too. `ends` is notified of its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(super) fn start(
        program: &str,
        log: Log,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        ends: &watch::Sender<()>,
    ) -> anyhow::Result<(Program, Option<ChildStdout>)> {
        let executable = env::current_exe().context("cannot tell which program this is")?;
        let Log { name, path, file } = log;
        let mut child = Command::new(&executable)
            .arg0(program)
            .args(args)
            .env(parent::VARIABLE, "1")
            // A Ctrl-C on the terminal goes to dev alone, which then stops the programs in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {} as {name}", executable.display()))?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .context("a program without a process id")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let end = Arc::new(OnceLock::new());
        tokio::spawn({
            let (end, ends) = (Arc::clone(&end), ends.clone());
            async move {
                let status = child.wait().await.ok();
                // Nobody else sets the value.
                let _ = end.set(status);
                ends.send_replace(());
            }
        });
        Ok((
            Program {
                name,
                log: path,
                pid: Pid::from_raw(pid),
                end,
                _stdin: stdin,
            },
            stdout,
        ))
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.end.get().is_none()
    }

    /// The signal that it was killed by.
    pub(super) fn killed_by(&self) -> Option<Signal> {
        let signal = self.end.get().copied().flatten()?.signal()?;
        Signal::try_from(signal).ok()
    }

    /// Sends a signal, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        // The program is reaped on this thread, so its id cannot belong to another process meanwhile.
        if self.is_running() {
            // A signal to a zombie has no effect.
            let _ = kill(self.pid, signal);
        }
    }

    /// The failure of a program that ended by itself.
    pub(super) fn failure(&self) -> Failure {
        let status = self.end.get().copied().flatten();
        let how = status.map_or_else(|| "unexpectedly".to_owned(), |status| format!("with {status}"));
        let message = format!(
            "{} ended {how}; the end of its log, {}:",
            self.name,
            self.log.display()
        );
        let mut failure = Failure::new(exit_of(status), message);
        failure.faults = log_tail(&self.log);
        failure
    }
}

/// The coordinator's and the agent's exit codes that `dev` passes on.
fn exit_of(status: Option<ExitStatus>) -> Exit {
    match status.and_then(|status| status.code()) {
        Some(2) => Exit::Usage,
        Some(3) => Exit::Refused,
        Some(74) => Exit::Disk,
        Some(75) => Exit::Again,
        Some(78) => Exit::Configuration,
        _ => Exit::Failed,
    }
}

/// The last lines of a log; no lines when it cannot be read.
fn log_tail(log: &Path) -> Vec<String> {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines[tail..].iter().map(|line| format!("  {line}")).collect()
}
