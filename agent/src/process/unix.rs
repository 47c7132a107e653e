//! Process groups on Unix.

use std::{any::Any, fs::File, io, os::unix::process::ExitStatusExt as _, sync::LazyLock};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use process_wrap::tokio::{CommandWrap, ProcessSession};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::{
    End,
    tree::own::{self, Own},
};

/// Whether the agent runs in a terminal. Only a process with none is refused its `/dev/tty` with ENXIO.
static HAS_TERMINAL: LazyLock<bool> = LazyLock::new(|| match File::open("/dev/tty") {
    Ok(_) => true,
    Err(error) => error.raw_os_error() != Some(Errno::ENXIO as i32),
});

/// A process group without a terminal whose leader is our child. Dropping it kills the group.
pub(super) struct Group {
    child: Child,
    /// `None` once the leader was waited for.
    own: Option<Own>,
    id: Option<Pid>,
}

/// Our ends of the leader's pipes.
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Group {
    pub(super) fn start(command: Command) -> io::Result<Group> {
        let (child, own) = own::start(|| start_leader(command))?;
        let id = Some(Pid::from_raw(own.pid()));
        Ok(Group {
            child,
            own: Some(own),
            id,
        })
    }

    pub(super) fn take_pipes(&mut self) -> Pipes {
        Pipes {
            stdin: self.child.stdin.take(),
            stdout: self.child.stdout.take(),
            stderr: self.child.stderr.take(),
        }
    }

    /// Waits for the leader alone: other members may run for as long as they like.
    pub(super) async fn exit(&mut self) -> io::Result<End> {
        let status = self.child.wait().await?;
        self.own = None;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code),
            (None, Some(signal)) => End::Signal(signal),
            (None, None) => End::Stuck,
        })
    }

    /// Asks every member to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
        // A stopped process takes the signal only when it goes on.
        self.signal(Signal::SIGCONT);
    }

    /// Kills every member. The group gets no signal afterwards, because the number of an empty group is reused.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.id = None;
    }

    /// Whether no member is left.
    pub(super) fn is_empty(&self) -> bool {
        self.id.is_none_or(|id| killpg(id, None).is_err())
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // Fails only when no member is left.
            let _ = killpg(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a process as the leader of a group, and of a session if the agent's own has a terminal.
fn start_leader(mut command: Command) -> io::Result<Child> {
    // For a new session the system first copies the agent, which makes a start several times as long. Without a
    // terminal the agent's session has nothing that a process of an attempt could take from it.
    if !*HAS_TERMINAL {
        return command.process_group(0).spawn();
    }
    let mut wrapped = CommandWrap::from(command);
    wrapped.wrap(ProcessSession);
    // The wrapper around the child would wait for the whole group.
    let child: Box<dyn Any> = wrapped.spawn()?.into_inner();
    let child = child.downcast::<Child>();
    child
        .map(|child| *child)
        .map_err(|_| io::Error::other("the started process has no handle"))
}
