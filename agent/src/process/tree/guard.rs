//! The guard: a second process of each agent, which ends the attempts' trees when the agent dies in whatever way.
//!
//! ```text
//! agent ──► agent --guard STATE/marks/SERIES     its standard input is a pipe that only the agent holds open
//! ```
//!
//! At the end of the pipe the guard kills every process with a mark of the series, removes the file, and ends. No
//! signal but KILL and STOP reaches it. It has a process group of its own, so it survives the end of the agent's
//! group or terminal. Its environment is empty: when the agent itself runs in an attempt of another agent, the guard
//! has no mark of that attempt, and survives its end.
//!
//! The agent cannot die unnoticed between two steps of a start. A forked child holds the pipe's end, too, until it
//! has become the command, and by then it carries its mark.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::ValueEnum as _;
use nix::sys::signal::SigSet;
use tokio::{
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    FINDS_MARKED,
    own::{self, Own},
    series::Series,
    sweep::Swept,
};
use crate::program::{backoff::Backoff, config::Config};

/// The flag before the guard's file; hidden from `--help`.
const FLAG: &str = "--guard";
/// The longest pause before a dead guard is replaced.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time for the guard to end when the agent lets it go. A sweep gives up after ten seconds.
const FAREWELL: Duration = Duration::from_secs(15);

/// The guard's file and the flags behind it, if a program was started as a guard with these arguments.
pub(crate) fn asked_for(args: &[OsString]) -> Option<(PathBuf, Vec<OsString>)> {
    let [program, flag, file, others @ ..] = args else {
        return None;
    };
    let flags = [std::slice::from_ref(program), others].concat();
    (flag == FLAG).then(|| (PathBuf::from(file), flags))
}

/// Lets no signal reach the guard's process, which is to do this before it starts a thread: a signal to all processes
/// of the agent must not end the guard first.
pub(crate) fn block_signals() {
    let _ = SigSet::all().thread_block();
}

/// The guard's process: waits for the end of the agent, and ends the processes that its attempts left.
pub(crate) fn run(file: &Path) -> ExitCode {
    let Some(series) = Series::at(file) else {
        tracing::error!("{} is not about an agent's marks", file.display());
        return ExitCode::FAILURE;
    };
    wait_for_end(io::stdin().lock());
    match series.end() {
        Swept { killed: 0, .. } => {}
        Swept { killed, .. } => {
            tracing::warn!("the agent has ended; killed {killed} processes that its attempts left running");
        }
    }
    ExitCode::SUCCESS
}

/// The agent's side: keeps a guard running until it is released.
pub(crate) struct Guard {
    release: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl Guard {
    /// Starts a guard, and another one whenever it ends. Does nothing on systems that find no processes by their
    /// mark.
    pub(crate) fn keep(series: &Series, config: &Config) -> Guard {
        let (release, released) = oneshot::channel();
        let flags = [
            OsString::from(FLAG),
            series.file().as_os_str().to_owned(),
            OsString::from("--log-level"),
            OsString::from(&config.log_level),
            OsString::from("--log-format"),
            config
                .log_format
                .to_possible_value()
                .map_or_else(OsString::new, |value| value.get_name().into()),
        ];
        let keeper = tokio::spawn(async move {
            if FINDS_MARKED {
                keep(&flags, released).await;
            }
        });
        Guard { release, keeper }
    }

    /// Lets the guard go, and waits for its end.
    pub(crate) async fn release(self) {
        drop(self.release);
        if timeout(FAREWELL, self.keeper).await.is_err() {
            tracing::warn!("the guard is still looking for what attempts left running; leaving it to that");
        }
    }
}

async fn keep(flags: &[OsString], mut released: oneshot::Receiver<()>) {
    let mut pauses = Backoff::new(LONGEST_PAUSE, Duration::ZERO);
    loop {
        let begun = Instant::now();
        match start(flags) {
            // `_own` keeps the guard from being taken for an orphan until it was waited for.
            Ok((mut guard, _own)) => {
                tracing::debug!("the guard is process {}", guard.id().unwrap_or_default());
                // `wait` would close the pipe first, so it is taken out of the child.
                let pipe = guard.stdin.take();
                tokio::select! {
                    status = guard.wait() => {
                        let why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                        tracing::warn!(reason = why, "the guard ended; starting another");
                    }
                    _ = &mut released => {
                        drop(pipe);
                        let _ = guard.wait().await;
                        return;
                    }
                }
            }
            Err(error) => tracing::error!(
                %error,
                "cannot start the guard; if this agent is killed now, what its attempts run is ended \
                 only at its next start"
            ),
        }
        if begun.elapsed() > LONGEST_PAUSE {
            pauses.reset();
        }
        tokio::select! {
            () = sleep(pauses.pause()) => {}
            _ = &mut released => return,
        }
    }
}

fn start(flags: &[OsString]) -> io::Result<(Child, Own)> {
    // The running program, even if its file was replaced since: agent and guard have one version.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("agent")
        .args(flags)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    own::start(|| command.spawn())
}

fn wait_for_end(mut pipe: impl io::Read) {
    let mut buffer = [0; 64];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
