//! The agent as a process, with a home of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use prost::Message as _;
use swarm_proto::v1::AttemptReport;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::fake::Fake;

/// The patience of a test: no step takes longer unless something is wrong, on a busy machine either.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The exit code of an agent whose state directory was in use for too long, and how often one is started.
pub(crate) const WAITED_IN_VAIN: i32 = 75;
pub(crate) const STARTS: usize = 5;

/// The program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_agent");

/// A running agent. Dropping it kills it.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

/// The directory with the state of one test's agents.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    /// A home in memory, where there is room for some: on a slow disk each directory takes milliseconds.
    pub(crate) fn in_memory() -> Home {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Home::new();
        }
        Home(tempfile::tempdir_in(memory).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts an agent with one slot and short pauses, and these flags.
    pub(crate) fn start(&self, fake: &Fake, flags: &[&str]) -> Agent {
        self.start_with(&fake.address(), flags)
    }

    /// Starts an agent for these coordinators.
    pub(crate) fn start_with(&self, coordinators: &str, flags: &[&str]) -> Agent {
        self.start_in(&[("SWARM_COORDINATOR", coordinators)], flags)
    }

    /// Starts an agent with these variables in its environment.
    pub(crate) fn start_in(&self, environment: &[(&str, &str)], flags: &[&str]) -> Agent {
        self.launch(Command::new(AGENT), environment, flags)
    }

    /// Starts an agent by a program to which the agent and its flags are the last arguments.
    pub(crate) fn start_by(&self, program: &[&str], fake: &Fake, flags: &[&str]) -> Agent {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        self.launch(command, &[("SWARM_COORDINATOR", &fake.address())], flags)
    }

    /// Starts an agent with mounts of its own, which this script makes and which end with the agent. `None`, with a
    /// line that says so, where that is not permitted.
    pub(crate) fn start_apart(&self, fake: &Fake, mounts: &str, flags: &[&str]) -> Option<Agent> {
        self.start_apart_by(&[AGENT], fake, mounts, flags)
    }

    /// The same by these words.
    pub(crate) fn start_apart_by(
        &self,
        program: &[&str],
        fake: &Fake,
        mounts: &str,
        flags: &[&str],
    ) -> Option<Agent> {
        let tried = std::process::Command::new("unshare")
            .args(["-m", "sh", "-c", mounts])
            .output();
        match tried {
            Ok(output) if output.status.success() => {}
            other => {
                println!("SKIPPED: an agent cannot have mounts of its own here: {other:?}");
                return None;
            }
        }
        let script = format!("{mounts}\nexec \"$0\" \"$@\"");
        let words = [&["unshare", "-m", "sh", "-c", &script], program].concat();
        Some(self.start_by(&words, fake, flags))
    }

    /// Waits until an agent whose state directory was in use is registered with a coordinator that knew so many before.
    /// Like a service manager, starts it again when it has waited in vain, as on a busy machine.
    pub(crate) async fn registered(&self, fake: &Fake, flags: &[&str], before: usize, agent: Agent) -> Agent {
        let mut agent = agent;
        for _ in 0..STARTS {
            let mut ended = None;
            until("it is registered, or has waited in vain", || {
                ended = agent.ended();
                ended.is_some() || fake.world().registered.len() > before
            })
            .await;
            match ended {
                None => return agent,
                Some(code) => assert_eq!(code, WAITED_IN_VAIN, "{}", agent.log()),
            }
            agent = self.start(fake, flags);
        }
        panic!("{STARTS} agents have waited in vain: {}", agent.log());
    }

    fn launch(&self, mut command: Command, environment: &[(&str, &str)], flags: &[&str]) -> Agent {
        let log = (0..)
            .map(|n| self.path().join(format!("log{n}")))
            .find(|log| !log.exists())
            .unwrap();
        let written = File::create(&log).unwrap();
        command
            .args(flags)
            .env_clear()
            .envs(environment.iter().copied())
            .env("SWARM_BACKOFF_MAX", "200ms")
            .env("SWARM_LOG_LEVEL", "debug")
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", self.path())
            .env("SECRET", "sesame")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written)
            .kill_on_drop(true);
        if !flags.contains(&"--slots") {
            command.args(["--slots", "1"]);
        }
        Agent {
            child: command.spawn().unwrap(),
            log,
        }
    }

    /// A patient script: it notes its beginnings, and works until [`Self::go`].
    pub(crate) fn patient(&self, name: &str) -> String {
        let path = self.path().join(name);
        let path = path.display();
        format!("echo begun >> {path}.begun; until [ -e {path}.go ]; do sleep 0.02; done; echo done")
    }

    /// Waits until a patient script works.
    pub(crate) async fn begun(&self, name: &str) {
        let file = self.path().join(format!("{name}.begun"));
        until("the command runs", || file.exists()).await;
    }

    /// Lets a patient script end.
    pub(crate) fn go(&self, name: &str) {
        fs::write(self.path().join(format!("{name}.go")), "").unwrap();
    }

    /// How often a patient script began.
    pub(crate) fn beginnings(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.path().join(format!("{name}.begun"))).unwrap();
        text.lines().count()
    }

    /// The attempts with reports in the outbox of a cluster, as `task.attempt`.
    pub(crate) fn unconfirmed(&self, cluster_id: &str) -> Vec<String> {
        let files = self.find(".report").into_iter();
        files
            .filter(|file| file.parent().unwrap().ends_with(format!("outbox/{cluster_id}")))
            // Length, checksum and time come first. A report without a length is confirmed, or not written yet.
            .filter_map(|file| {
                let bytes = fs::read(file).ok()?;
                let (head, body) = bytes.split_first_chunk::<8>()?;
                let length = u32::from_le_bytes(head[..4].try_into().unwrap());
                let report = body.get(..length as usize)?.get(8..)?;
                let lease = AttemptReport::decode(report).ok()?.lease?;
                Some(format!("{}.{}", lease.task_id, lease.attempt))
            })
            .collect()
    }

    /// The files below this home with this end of their paths.
    pub(crate) fn find(&self, end: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path().to_owned()];
        while let Some(directory) = open.pop() {
            // The agent may remove entries while they are listed.
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.to_string_lossy().ends_with(end) {
                    found.push(path.clone());
                }
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        found
    }
}

impl Agent {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap())
    }

    /// The agent's process, when another program has started it.
    pub(crate) async fn inner(&self) -> Pid {
        let mut found = None;
        until("the agent runs", || {
            found = processes().find(|pid| parent_of(*pid) == Some(self.pid()));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// The agent's guard.
    pub(crate) async fn guard(&self) -> Pid {
        let mut found = None;
        until("there is a guard", || {
            found = guard_of(self.pid());
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Kills the agent without warning, and waits until it is gone.
    pub(crate) async fn crash(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the agent's end; returns its exit code and its log.
    pub(crate) async fn end(self) -> (i32, String) {
        self.end_within(PATIENCE).await
    }

    /// The same with another patience.
    pub(crate) async fn end_within(mut self, patience: Duration) -> (i32, String) {
        let Ok(status) = timeout(patience, self.child.wait()).await else {
            panic!("the agent does not end; its log:\n{}", self.log());
        };
        (status.unwrap().code().unwrap_or(-1), self.log())
    }

    /// The exit code, when the agent has ended.
    fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap();
        status.map(|status| status.code().unwrap_or(-1))
    }

    pub(crate) async fn until_log(&self, text: &str) {
        until(&format!("'{text}' in the log"), || self.log().contains(text)).await;
    }
}

/// Waits for a condition that nobody announces.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// The guard among the children of an agent.
fn guard_of(agent: Pid) -> Option<Pid> {
    processes().find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0);
        arguments.nth(1) == Some(b"--guard") && parent_of(*pid) == Some(agent)
    })
}

/// The parent of a process.
pub(crate) fn parent_of(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"))?;
    parent.parse().ok().map(Pid::from_raw)
}

/// The children of a process.
pub(crate) fn children_of(parent: Pid) -> Vec<Pid> {
    processes()
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// The children of a process that wait to be reaped.
pub(crate) fn zombies_of(parent: Pid) -> Vec<Pid> {
    let is_zombie = |pid: &Pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:\tZ"))
    };
    processes()
        .filter(|pid| parent_of(*pid) == Some(parent) && is_zombie(pid))
        .collect()
}

/// The processes with this word among their arguments.
pub(crate) fn named(word: &str) -> Vec<Pid> {
    processes()
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
        .collect()
}

/// The processes with this mark in their environment.
pub(crate) fn carriers(mark: &str) -> Vec<Pid> {
    let wanted = format!("SWARM_MARK={mark}");
    processes()
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == wanted.as_bytes())
        })
        .collect()
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

/// Whether a process still runs. A zombie that nobody reaps has no command line.
pub(crate) fn is_alive(pid: &str) -> bool {
    fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| !line.is_empty())
}
