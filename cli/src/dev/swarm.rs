//! A coordinator and its agents as children of `dev`.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use nix::sys::signal::Signal;
use swarm_program::failure::Failure;
use swarm_proto::channel::Address;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::ChildStdout,
    sync::watch,
    time::timeout,
};

use super::{interruption::Interruption, program::Program};

/// The beginning of the coordinator's line on stdout when its port is open.
const LISTENING: &str = "listening on ";

/// How long an agent lets its attempts finish when `dev` stops.
const DRAIN_TIMEOUT: &str = "2s";

/// How long a program may take to leave in order: longer than an agent's drain and its attempts' kill grace.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an agent may take to kill its attempts.
const KILL_TIMEOUT: Duration = Duration::from_secs(3);

/// The running programs.
pub(super) struct Swarm {
    coordinator: Option<Program>,
    agents: Vec<Program>,
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
        let (program, stdout) = Program::start(
            "coordinator",
            "coordinator",
            args,
            &directory.join("logs"),
            &self.ends,
        )?;
        self.coordinator = Some(program);
        let mut stdout = BufReader::new(stdout.context("the coordinator has no standard output")?);
        let mut line = String::new();
        let read = stdout
            .read_line(&mut line)
            .await
            .context("cannot read what the coordinator says")?;
        if read == 0 {
            return Err(self.first_end().await.into());
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

    /// Starts the agent of a number.
    ///
    /// # Errors
    ///
    /// When the agent cannot be started.
    pub(super) fn start_agent(
        &mut self,
        number: u32,
        slots: u32,
        coordinator: &Address,
        directory: &Path,
    ) -> anyhow::Result<()> {
        let (name, state) = (format!("dev-{number}"), directory.join(format!("agent-{number}")));
        let (coordinator, slots) = (coordinator.to_string(), slots.to_string());
        let args = [
            "--coordinator".as_ref(),
            coordinator.as_ref(),
            "--name".as_ref(),
            name.as_ref(),
            "--state-dir".as_ref(),
            state.as_os_str(),
            "--slots".as_ref(),
            slots.as_ref(),
            "--drain-timeout".as_ref(),
            DRAIN_TIMEOUT.as_ref(),
        ];
        let log_name = format!("agent-{number}");
        let (program, _) = Program::start("agent", &log_name, args, &directory.join("logs"), &self.ends)?;
        self.agents.push(program);
        Ok(())
    }

    /// Waits until a program has ended by itself, and returns its failure.
    pub(super) async fn first_end(&self) -> Failure {
        let mut ends = self.ends.subscribe();
        loop {
            let mut programs = self.coordinator.iter().chain(&self.agents);
            if let Some(program) = programs.find(|program| !program.is_running()) {
                return program.failure();
            }
            // The sender lives as long as `self`.
            let _ = ends.changed().await;
        }
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
        self.end_with(&self.agents, &steps, interruption).await;
        if let Some(coordinator) = &self.coordinator {
            self.end_with(
                std::slice::from_ref(coordinator),
                &[steps[0], steps[2]],
                interruption,
            )
            .await;
        }
    }

    async fn end_with(
        &self,
        programs: &[Program],
        steps: &[(Signal, Duration)],
        interruption: &mut Interruption,
    ) {
        for (signal, patience) in steps {
            programs.iter().for_each(|program| program.signal(*signal));
            let mut ends = self.ends.subscribe();
            let all_ended = async {
                while programs.iter().any(Program::is_running) {
                    let _ = ends.changed().await;
                }
            };
            tokio::select! {
                _ = timeout(*patience, all_ended) => {}
                () = interruption.next() => {}
            }
            if !programs.iter().any(Program::is_running) {
                return;
            }
        }
    }
}

/// Whether the address is free to listen on.
pub(super) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}
