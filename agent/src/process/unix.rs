//! Process groups on Unix.

use std::{io, os::unix::process::ExitStatusExt as _};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

use super::End;

/// A process group whose leader is our child. Dropping it kills the group.
pub(super) struct Group {
    child: Box<dyn ChildWrapper>,
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
        let mut wrapped = CommandWrap::from(command);
        wrapped.wrap(ProcessGroup::leader());
        let child = wrapped.spawn()?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw);
        Ok(Group { child, id })
    }

    pub(super) fn take_pipes(&mut self) -> Pipes {
        Pipes {
            stdin: self.child.stdin().take(),
            stdout: self.child.stdout().take(),
            stderr: self.child.stderr().take(),
        }
    }

    /// Waits for the leader.
    pub(super) async fn exit(&mut self) -> io::Result<End> {
        let status = self.child.wait().await?;
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
