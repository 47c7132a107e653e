//! A process with all that it starts. It begins in a process group of its own, without a terminal and with a mark in
//! its environment. Its output is captured up to a bound. At its end, which no other process delays, first the group is
//! ended, then every process with the mark, then orphans, so that nothing of an attempt is left, however it ends.

pub(crate) mod private;
pub(crate) mod tree;

mod launch;
mod unix;
mod unstarted;

mod capture;
mod tail;

use std::{ffi::OsStr, io, time::Duration};

use nix::errno::Errno;
use swarm_proto::v1::Output;
use tokio::{
    io::AsyncWriteExt as _,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use self::{capture::Capture, tree::Tree, unix::Group};
pub(crate) use self::{
    launch::Launch,
    unstarted::{kill_unstarted, this_thread},
};

/// How long output is read after the process ended. Its children may hold the pipes open for ever.
const OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(1);
/// How long to wait for a killed process. One that hangs in the kernel is given up.
const GONE_AFTER_KILL: Duration = Duration::from_secs(10);
/// How often to check whether a group that was asked to end is empty.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// The process was killed and is still not gone.
    Stuck,
}

/// A running process. Dropping it kills the whole tree.
pub(crate) struct Process {
    group: Group,
    tree: Tree,
    stdout: Capture,
    stderr: Capture,
    feeder: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a process in a new process group, as the root of this tree; `None` when it is not wanted any more.
    /// Whether it is wanted is asked last of all: its program is looked up before, which may take long.
    pub(crate) fn start(
        launch: Launch,
        tree: Tree,
        is_wanted: impl Fn() -> bool,
    ) -> io::Result<Option<Process>> {
        let begin = |program: &OsStr| {
            let command = launch.command(program, &tree);
            is_wanted().then(|| Group::start(command)).transpose()
        };
        let by_name = || begin(launch.program.as_ref());
        let group = match launch.found() {
            // A script without a `#!` line. The system runs it in a shell when it is searched by name.
            Some(file) => match begin(file.as_os_str()) {
                Err(error) if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => by_name()?,
                begun => begun?,
            },
            None => by_name()?,
        };
        let Some(mut group) = group else {
            return Ok(None);
        };
        let pipes = group.take_pipes();
        let feeder = pipes.stdin.map(|mut pipe| {
            tokio::spawn(async move {
                // A process need not read its input, and may close the pipe.
                let _ = pipe.write_all(&launch.stdin).await;
            })
        });
        Ok(Some(Process {
            group,
            tree,
            stdout: Capture::of(pipes.stdout),
            stderr: Capture::of(pipes.stderr),
            feeder,
        }))
    }

    /// Waits for the end of the process itself. The wait may be dropped and begun again.
    pub(crate) async fn exit(&mut self) -> io::Result<End> {
        self.group.exit().await
    }

    /// Asks the group to end, and kills the rest of the tree after `grace`, or when `hurry` is done. Processes that
    /// left the group are killed without being asked.
    pub(crate) async fn end(&mut self, grace: Duration, hurry: impl Future<Output = ()>) -> io::Result<End> {
        self.group.terminate();
        let ended = async {
            let exit = self.group.exit().await;
            while !self.group.is_empty() {
                self.tree.reap();
                sleep(LOOK_AGAIN).await;
            }
            exit
        };
        let exit = tokio::select! {
            exit = ended => exit,
            () = sleep(grace) => return self.kill().await,
            () = hurry => return self.kill().await,
        };
        self.tree.end().await;
        exit
    }

    /// Kills the whole tree at once.
    pub(crate) async fn kill(&mut self) -> io::Result<End> {
        self.group.kill();
        let exit = timeout(GONE_AFTER_KILL, self.group.exit()).await;
        self.tree.end().await;
        exit.unwrap_or(Ok(End::Stuck))
    }

    /// The output, after the process ended. The rest of the tree is killed.
    pub(crate) async fn output(mut self) -> Output {
        let deadline = Instant::now() + OUTPUT_AFTER_EXIT;
        self.stdout.finish(deadline).await;
        self.stderr.finish(deadline).await;
        self.group.kill();
        self.tree.end().await;
        // A process that no sweep finds may still hold the pipes. Its output does not belong to the attempt.
        let deadline = Instant::now() + OUTPUT_AFTER_EXIT;
        self.stdout.finish(deadline).await;
        self.stderr.finish(deadline).await;
        if let Some(feeder) = &self.feeder {
            feeder.abort();
        }
        let (stdout, stdout_bytes) = self.stdout.take();
        let (stderr, stderr_bytes) = self.stderr.take();
        Output {
            stdout,
            stderr,
            stdout_bytes,
            stderr_bytes,
            ..Output::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::tree::{series::Series, sweep::Sweeper};
    use super::*;
    use crate::attempt_key::AttemptKey;

    fn start_if(launch: Launch, is_wanted: impl Fn() -> bool) -> io::Result<Option<Process>> {
        let key = AttemptKey {
            task_id: "t".to_owned(),
            attempt: 1,
        };
        let mark = Series::begin(&std::env::temp_dir()).mark();
        Process::start(launch, Tree::new(mark, key, Sweeper::start().unwrap()), is_wanted)
    }

    fn start(launch: Launch) -> io::Result<Process> {
        start_if(launch, || true).map(|started| started.expect("it is wanted"))
    }

    fn shell(script: &str) -> Launch {
        Launch {
            program: "sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            directory: std::env::temp_dir(),
            env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
            stdin: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_grandchild_that_holds_the_pipe_does_not_hang_and_is_ended() {
        let mut process = start(shell("sleep 600 & echo $!")).unwrap();
        assert_eq!(process.exit().await.unwrap(), End::Code(0));
        let output = timeout(Duration::from_secs(8), process.output())
            .await
            .expect("it hung");
        let pid: i32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        wait_until_gone(pid).await;
    }

    #[tokio::test]
    async fn a_command_has_ended_though_its_group_goes_on() {
        let mut process = start(shell("sleep 600 > /dev/null 2>&1 & exit 3")).unwrap();
        let exit = timeout(Duration::from_secs(8), process.exit())
            .await
            .expect("it waits for the group");
        assert_eq!(exit.unwrap(), End::Code(3));
    }

    #[tokio::test]
    async fn a_group_that_ignores_the_request_is_killed_after_the_grace() {
        let mut process = start(shell("trap '' TERM; echo ready; while :; do sleep 1; done")).unwrap();
        while process.stdout.is_empty() {
            tokio::task::yield_now().await;
        }
        let exit = process.end(Duration::from_millis(200), pending()).await.unwrap();
        assert_eq!(exit, End::Signal(9));
    }

    #[tokio::test]
    async fn the_grace_belongs_to_the_whole_group() {
        let script =
            "(trap 'sleep 0.3; echo tidied; exit' TERM; echo ready; while :; do sleep 0.05; done) & wait";
        let mut process = start(shell(script)).unwrap();
        while process.stdout.is_empty() {
            tokio::task::yield_now().await;
        }
        process.end(Duration::from_secs(30), pending()).await.unwrap();
        assert!(String::from_utf8_lossy(&process.output().await.stdout).contains("tidied"));
    }

    #[tokio::test]
    async fn input_is_given_and_a_command_that_ignores_it_still_ends() {
        let mut process = start(Launch {
            stdin: b"hello".to_vec(),
            ..shell("cat")
        })
        .unwrap();
        assert_eq!(process.exit().await.unwrap(), End::Code(0));
        assert_eq!(process.output().await.stdout, b"hello");
        let mut process = start(Launch {
            stdin: vec![b'x'; 1 << 20],
            ..shell("exit 3")
        })
        .unwrap();
        assert_eq!(process.exit().await.unwrap(), End::Code(3));
        assert_eq!(process.output().await.stdout, b"");
    }

    #[tokio::test]
    async fn a_program_is_found_as_the_system_would_and_knows_its_name() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain-script");
        std::fs::write(&plain, "echo plain $1").unwrap();
        std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o755)).unwrap();
        // A file with the name of a program that may not be executed.
        std::fs::write(dir.path().join("sh"), "").unwrap();
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let launch = |program: &str, arguments: &[&str]| Launch {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            env: vec![("PATH".into(), path.clone().into())],
            ..shell("")
        };
        assert_eq!(launch("plain-script", &[]).found(), Some(plain));
        for (launch, printed) in [
            (launch("sh", &["-c", "echo $0"]), "sh\n"),
            (launch("plain-script", &["words"]), "plain words\n"),
        ] {
            let mut process = start(launch).unwrap();
            assert_eq!(process.exit().await.unwrap(), End::Code(0));
            assert_eq!(process.output().await.stdout, printed.as_bytes());
        }
        let missing = start(launch("no-such-program", &[]));
        assert_eq!(
            missing.err().map(|error| error.kind()),
            Some(io::ErrorKind::NotFound)
        );
    }

    #[tokio::test]
    async fn a_process_is_asked_for_before_each_try_and_after_its_program_was_looked_up() {
        use std::{cell::Cell, os::unix::fs::PermissionsExt as _};

        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("plain");
        std::fs::write(&script, "touch begun").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let launch = || Launch {
            program: "plain".to_owned(),
            arguments: Vec::new(),
            directory: dir.path().to_owned(),
            env: vec![("PATH".into(), dir.path().into())],
            stdin: Vec::new(),
        };
        assert!(start_if(launch(), || false).unwrap().is_none());
        // The script has no first line that names a shell, so there is a second try.
        let asked = Cell::new(0);
        let started = start_if(launch(), || asked.replace(asked.get() + 1) == 0);
        assert!(started.unwrap().is_none());
        assert_eq!(asked.get(), 2);
        assert!(!dir.path().join("begun").exists());
    }

    async fn wait_until_gone(pid: i32) {
        let gone = async {
            // A zombie that nobody reaps has no command line.
            while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(Duration::from_secs(10), gone)
            .await
            .expect("the process is still there");
    }
}
