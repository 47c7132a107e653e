//! Idle agents: each has one heartbeat and one claim parked at the coordinator, as a real agent has.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use swarm_proto::{
    duration::{read_duration, write_duration},
    limits::MAX_WAIT,
    v1::HeartbeatRequest,
};

use super::{
    agents::{Agent, Agents},
    bar::Bar,
    meter::Meter,
    phase::Phases,
    target::Target,
    workers::together,
};

/// The least time between two heartbeats of an agent, as for a real agent.
const LEAST_GAP: Duration = Duration::from_millis(200);

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(250);

/// Registers the agents, lets them begin one after another as real agents do, and watches them for `duration`.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(super) async fn watch(phases: &Phases, agents: &Agents, duration: Duration) -> anyhow::Result<()> {
    let meter = phases.begin("register", agents.count() as u64).await?;
    let registered = agents.register(&meter).await;
    phases.end().await;
    registered?;

    let (heartbeats, claims) = (Rc::new(Meter::new()), Rc::new(Meter::new()));
    let begin_within = MAX_WAIT.min(duration);
    let all = agents.all();
    let calls = |meter: &Rc<Meter>| -> Vec<ParkedCall> {
        let calls = all.iter().enumerate().map(|(number, agent)| ParkedCall {
            target: Rc::clone(phases.target()),
            meter: Rc::clone(meter),
            agent: Rc::clone(agent),
            number,
            begin: begin_within.mul_f64(number as f64 / all.len() as f64),
        });
        calls.collect()
    };
    let beating = calls(&heartbeats).into_iter().map(ParkedCall::beat);
    let claiming = calls(&claims).into_iter().map(ParkedCall::claim);
    let kinds = vec![
        ("heartbeat", Rc::clone(&heartbeats)),
        ("claim", Rc::clone(&claims)),
    ];
    let watching = async {
        pass(phases.target(), "begin", begin_within).await;
        phases.begin_with(kinds).await?;
        pass(phases.target(), "idle", duration).await;
        Ok(())
    };
    let watched = tokio::select! {
        ended = together(beating) => ended,
        ended = together(claiming) => ended,
        watched = watching => watched,
    };
    phases.end().await;
    watched
}

async fn pass(target: &Target, name: &'static str, duration: Duration) {
    let began = Instant::now();
    let bar = Bar::new(name, duration.as_secs());
    let mut seconds = 0;
    while let Some(left) = duration.checked_sub(began.elapsed())
        && !target.is_stopping()
    {
        tokio::time::sleep(left.min(TICK)).await;
        let now = began.elapsed().as_secs();
        bar.advance(now - seconds);
        seconds = now;
    }
    bar.finish();
}

/// A call that an agent sends again and again, and that the coordinator holds back.
struct ParkedCall {
    target: Rc<Target>,
    meter: Rc<Meter>,
    agent: Rc<Agent>,
    /// Chooses the connection.
    number: usize,
    /// The pause before the first call.
    begin: Duration,
}

impl ParkedCall {
    /// Renews the agent's leases for ever.
    async fn beat(self) -> anyhow::Result<()> {
        let mut service = self.target.coordinator(self.number);
        let wait = self.agent.heartbeat_interval;
        tokio::time::sleep(self.begin).await;
        loop {
            let begun = Instant::now();
            let send = async || {
                let request = HeartbeatRequest {
                    agent_id: self.agent.id.clone(),
                    session: self.agent.session,
                    leases: Vec::new(),
                    wait: write_duration(wait),
                    draining: false,
                    seen: None,
                };
                service.heartbeat(request).await
            };
            let answer = self
                .target
                .call(&self.meter, "cannot renew an agent's leases", wait, send)
                .await?;
            self.meter.did(1);
            let pause = answer.next_heartbeat.as_ref().and_then(read_duration);
            let pause = pause
                .unwrap_or(wait)
                .max(LEAST_GAP.saturating_sub(begun.elapsed()));
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks for work for ever.
    async fn claim(self) -> anyhow::Result<()> {
        let mut service = self.target.coordinator(self.number);
        tokio::time::sleep(self.begin).await;
        loop {
            let request = self.agent.claim(&self.target, 1, MAX_WAIT);
            let send = async || service.claim(request.clone()).await;
            self.target
                .call(&self.meter, "cannot wait for work", MAX_WAIT, send)
                .await?;
            self.meter.did(1);
        }
    }
}
