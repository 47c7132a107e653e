//! The guard: a second process of each agent, which ends the attempts' trees when the agent dies in whatever way.
//!
//! ```text
//! agent ──► agent --guard STATE/marks/SERIES     its standard input is a pipe that only the agent holds open
//! ```
//!
//! At the end of the pipe the guard kills every process with a mark of the series, and removes the file. Then it says
//! the agent's last words, which came through the pipe: others are given the leases, and nothing of them runs here.
//!
//! No signal but KILL and STOP reaches it. It has a process group of its own, so it survives the end of the agent's
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
use swarm_proto::v1::ReportDeathRequest;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    FINDS_MARKED,
    own::{self, Own},
    series::Series,
};
use crate::{
    coordinator::{
        CallError, Coordinator,
        last_words::{self, LastWords, Told},
        sentence,
    },
    process::private,
    program::{backoff::Backoff, config::Config},
};

/// The flag before the guard's file; hidden from `--help`.
const FLAG: &str = "--guard";
/// The longest pause before a dead guard is replaced.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the guard tries to tell the coordinator: for one lease, as coordinators make them by default. By the end of
/// a lease the coordinator knows by the silence. Where leases last longer, the guard may give up before.
const TELLING: Duration = Duration::from_secs(90);
/// The time for the pipe to take the last words: it takes a thousand of them even from a guard that is stopped.
const WRITING: Duration = Duration::from_secs(1);
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

/// The guard's process: waits for the end of the agent, ends the processes that its attempts left, and tells the
/// coordinator.
pub(crate) fn run(file: &Path, config: &Config) -> ExitCode {
    private::close();
    let Some(series) = Series::at(file) else {
        tracing::error!("{} is not about an agent's marks", file.display());
        return ExitCode::FAILURE;
    };
    let last_words = last_words::read(io::stdin().lock());
    let swept = series.end();
    if swept.killed > 0 {
        tracing::warn!(
            "the agent has ended; killed {} processes that its attempts left running",
            swept.killed
        );
    }
    match last_words {
        // What runs here must not be given to others.
        Some(_) if !swept.is_gone => tracing::warn!(
            "the agent has died, and processes of its attempts cannot be ended: the coordinator is not told, and \
             gives what ran here to others when the leases end"
        ),
        Some(last_words) => tell(&last_words, config),
        None => {}
    }
    ExitCode::SUCCESS
}

/// Tells the coordinator that the agent has died. When it does not hear it, it knows by the silence in the end.
fn tell(last_words: &ReportDeathRequest, config: &Config) {
    let telling = async {
        let coordinator = Coordinator::new(config)?;
        match timeout(TELLING, coordinator.report_death(last_words)).await {
            Ok(Ok(Told::NoNews)) => Ok(()),
            Ok(Ok(Told::Heard { leases })) => {
                tracing::warn!(
                    "the agent has died; the coordinator knows it, and {}",
                    given(leases)
                );
                Ok(())
            }
            Ok(Err(CallError::Failed(failure))) => Err(sentence(&failure)),
            Ok(Err(CallError::OtherCluster(_))) => Err("another coordinator answers".to_owned()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let told = match runtime {
        Ok(runtime) => runtime.block_on(telling),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = told {
        tracing::warn!(error, "cannot tell the coordinator that the agent has died");
    }
}

fn given(leases: u32) -> String {
    match leases {
        0 => "it held nothing".to_owned(),
        1 => "others are given the one task that it held".to_owned(),
        _ => format!("others are given the {leases} tasks that it held"),
    }
}

/// The agent's side: keeps a guard running until it is released.
pub(crate) struct Guard {
    release: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
    last_words: LastWords,
}

impl Guard {
    /// Starts a guard, and another one whenever it ends. Does nothing on systems that find no processes by their
    /// mark.
    pub(crate) fn keep(series: &Series, config: &Config) -> Guard {
        let (release, released) = oneshot::channel();
        let last_words = LastWords::none();
        let said = last_words.watch();
        let addresses = config.coordinator.iter().map(ToString::to_string);
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
            OsString::from("--coordinator"),
            OsString::from(addresses.collect::<Vec<_>>().join(",")),
        ];
        let keeper = tokio::spawn(async move {
            if FINDS_MARKED {
                keep(&flags, said, released).await;
            }
        });
        Guard {
            release,
            keeper,
            last_words,
        }
    }

    /// What the guard says when the agent has died.
    pub(crate) fn last_words(&self) -> LastWords {
        self.last_words.clone()
    }

    /// Lets the guard go, which then says nothing, and waits for its end.
    pub(crate) async fn release(self) {
        self.last_words.take_back();
        drop(self.release);
        if timeout(FAREWELL, self.keeper).await.is_err() {
            tracing::warn!("the guard is still looking for what attempts left running; leaving it to that");
        }
    }
}

async fn keep(
    flags: &[OsString],
    mut said: watch::Receiver<ReportDeathRequest>,
    mut released: oneshot::Receiver<()>,
) {
    let mut pauses = Backoff::new(LONGEST_PAUSE, Duration::ZERO);
    loop {
        let begun = Instant::now();
        match start(flags) {
            // `_own` keeps the guard from being taken for an orphan until it was waited for.
            Ok((mut guard, _own)) => {
                tracing::debug!("the guard is process {}", guard.id().unwrap_or_default());
                // `wait` would close the pipe first, so it is taken out of the child.
                let mut pipe = guard.stdin.take();
                loop {
                    write(&mut pipe, &mut said).await;
                    tokio::select! {
                        status = guard.wait() => {
                            let why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                            tracing::warn!(reason = why, "the guard ended; starting another");
                            break;
                        }
                        Ok(()) = said.changed() => {}
                        _ = &mut released => {
                            write(&mut pipe, &mut said).await;
                            drop(pipe);
                            let _ = guard.wait().await;
                            return;
                        }
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

/// Writes the last words as they are by now.
async fn write(pipe: &mut Option<ChildStdin>, said: &mut watch::Receiver<ReportDeathRequest>) {
    let words = last_words::written(&said.borrow_and_update());
    if let Some(pipe) = pipe {
        // A guard that cannot be written to has ended, which is noticed elsewhere.
        let _ = timeout(WRITING, pipe.write_all(&words)).await;
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
