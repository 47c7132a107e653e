//! A coordinator and its agents as children of `dev`.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::sys::signal::Signal;
use swarm_program::failure::Failure;
use swarm_proto::channel::Address;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::ChildStdout,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    interruption::Interruption,
    program::{Log, Program},
};
use crate::program::terminal::note;

/// The beginning of the coordinator's line on stdout when its port is open.
const LISTENING: &str = "listening on ";

/// How long an agent lets its attempts finish when `dev` stops.
const DRAIN_TIMEOUT: &str = "2s";

/// How long a program may take to leave in order: longer than an agent's drain and its attempts' kill grace.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an agent may take to kill its attempts.
const KILL_TIMEOUT: Duration = Duration::from_secs(3);

/// An agent that was killed sooner after its start waits a moment before it is started again.
const STEADY: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_secs(1);

/// The running programs.
pub(super) struct Swarm {
    coordinator: Option<Program>,
    agents: Vec<Agent>,
    ends: watch::Sender<()>,
    /// Held so that the coordinator never writes to a closed pipe.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Swarm {
    /// No program runs yet.
    pub(super) fn new() -> Swarm {
        Swarm {
            coordinator: None,
            agents: Vec::new(),
            ends: watch::Sender::new(()),
            _stdout: None,
        }
    }

    /// Starts a coordinator, waits until it listens, and returns its address.
    ///
    /// # Errors
    ///
    /// When the coordinator cannot be started or ends by itself, with the end of its log.
    pub(super) async fn start_coordinator(
        &mut self,
        listen: SocketAddr,
        directory: &Path,
    ) -> anyhow::Result<Address> {
        let (listen, data) = (listen.to_string(), directory.join("coordinator"));
        let args = [
            "--listen".as_ref(),
            listen.as_ref(),
            "--data-dir".as_ref(),
            data.as_os_str(),
        ];
        let log = Log::begin(&directory.join("logs"), "coordinator")?;
        let (program, stdout) = Program::start("coordinator", log, args, &self.ends)?;
        self.coordinator = Some(program);
        let mut stdout = BufReader::new(stdout.context("the coordinator has no standard output")?);
        let mut line = String::new();
        let read = stdout
            .read_line(&mut line)
            .await
            .context("cannot read what the coordinator says")?;
        if read == 0 {
            return Err(self.keep_up().await);
        }
        self._stdout = Some(stdout);
        let address = line
            .trim()
            .strip_prefix(LISTENING)
            .and_then(|address| address.parse().ok());
        address.with_context(|| {
            format!(
                "cannot read an address out of what the coordinator says: {}",
                line.trim()
            )
        })
    }

    /// Starts this many agents, numbered from 1.
    ///
    /// # Errors
    ///
    /// When an agent cannot be started.
    pub(super) fn start_agents(
        &mut self,
        count: u32,
        slots: u32,
        coordinator: &Address,
        directory: &Path,
    ) -> anyhow::Result<()> {
        for number in 1..=count {
            let plan = Plan {
                name: format!("agent-{number}"),
                agent: format!("dev-{number}"),
                slots: slots.to_string(),
                coordinator: coordinator.to_string(),
                directory: directory.to_owned(),
            };
            let log = Log::begin(&plan.logs(), &plan.name)?;
            self.agents.push(Agent {
                program: plan.start(log, &self.ends)?,
                started: Instant::now(),
                plan,
            });
        }
        Ok(())
    }

    /// Starts an agent again whenever one was killed, until a program ends otherwise by itself; returns its failure.
    pub(super) async fn keep_up(&mut self) -> anyhow::Error {
        let mut ends = self.ends.subscribe();
        loop {
            let killed = match self.first_ended() {
                None => {
                    // The sender lives as long as `self`.
                    let _ = ends.changed().await;
                    continue;
                }
                Some(Ended::Agent(number)) => number,
                Some(Ended::Otherwise(failure)) => return failure.into(),
            };
            if let Err(error) = self.agents[killed].start_again(&self.ends).await {
                return error;
            }
        }
    }

    /// The first program that has ended by itself.
    fn first_ended(&self) -> Option<Ended> {
        let mut agents = self.agents.iter();
        if let Some(coordinator) = self.coordinator.iter().find(|program| !program.is_running()) {
            return Some(Ended::Otherwise(coordinator.failure()));
        }
        let number = agents.position(|agent| !agent.program.is_running())?;
        let program = &self.agents[number].program;
        Some(match program.killed_by() {
            Some(_) => Ended::Agent(number),
            None => Ended::Otherwise(program.failure()),
        })
    }

    /// Ends all programs: first the agents, so that the coordinator still hears of their attempts, then the
    /// coordinator. Another Ctrl-C shortens each wait.
    pub(super) async fn stop(&self, interruption: &mut Interruption) {
        // SIGUSR1 makes an agent kill its attempts, which a SIGKILL would leave behind.
        let steps = [
            (Signal::SIGTERM, STOP_TIMEOUT),
            (Signal::SIGUSR1, KILL_TIMEOUT),
            (Signal::SIGKILL, KILL_TIMEOUT),
        ];
        let agents: Vec<&Program> = self.agents.iter().map(|agent| &agent.program).collect();
        self.end_with(&agents, &steps, interruption).await;
        if let Some(coordinator) = &self.coordinator {
            self.end_with(&[coordinator], &[steps[0], steps[2]], interruption)
                .await;
        }
    }

    async fn end_with(
        &self,
        programs: &[&Program],
        steps: &[(Signal, Duration)],
        interruption: &mut Interruption,
    ) {
        for (signal, patience) in steps {
            programs.iter().for_each(|program| program.signal(*signal));
            let mut ends = self.ends.subscribe();
            let all_ended = async {
                while programs.iter().any(|program| program.is_running()) {
                    let _ = ends.changed().await;
                }
            };
            tokio::select! {
                _ = timeout(*patience, all_ended) => {}
                () = interruption.next() => {}
            }
            if !programs.iter().any(|program| program.is_running()) {
                return;
            }
        }
    }
}

/// What has ended by itself.
enum Ended {
    /// An agent, by its place, that was killed.
    Agent(usize),
    /// A program that says why, or the coordinator.
    Otherwise(Failure),
}

/// An agent, and how it is started again.
struct Agent {
    program: Program,
    started: Instant,
    plan: Plan,
}

impl Agent {
    /// Says that it was killed, and starts it again.
    async fn start_again(&mut self, ends: &watch::Sender<()>) -> anyhow::Result<()> {
        let signal = self.program.killed_by().map_or("a signal", Signal::as_str);
        let name = &self.plan.name;
        if self.started.elapsed() < STEADY {
            sleep(MOMENT).await;
        }
        note(format!("{name} was killed by {signal}; starting it again"));
        let log = Log::go_on(&self.plan.logs(), name)?;
        self.program = self.plan.start(log, ends)?;
        self.started = Instant::now();
        Ok(())
    }
}

/// How an agent is started.
struct Plan {
    /// Of its log.
    name: String,
    /// As the coordinator knows it.
    agent: String,
    slots: String,
    coordinator: String,
    directory: PathBuf,
}

impl Plan {
    fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    fn start(&self, log: Log, ends: &watch::Sender<()>) -> anyhow::Result<Program> {
        let state = self.directory.join(&self.name);
        let args = [
            "--coordinator".as_ref(),
            self.coordinator.as_ref(),
            "--name".as_ref(),
            self.agent.as_ref(),
            "--state-dir".as_ref(),
            state.as_os_str(),
            "--slots".as_ref(),
            self.slots.as_ref(),
            "--drain-timeout".as_ref(),
            DRAIN_TIMEOUT.as_ref(),
        ];
        let (program, _) = Program::start("agent", log, args, ends)?;
        Ok(program)
    }
}

/// Whether the address is free to listen on.
pub(super) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}
