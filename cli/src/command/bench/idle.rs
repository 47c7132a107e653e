//! Agents that do nothing: each has one heartbeat and one claim parked at the coordinator, as real ones do.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use swarm_proto::{
    duration::{read_duration, write_duration},
    v1::HeartbeatRequest,
};

use super::{
    agents::{Agent, Agents},
    bar::Bar,
    meter::Meter,
    phase::Phases,
    target::Target,
    together,
};

/// How long a claim waits for work: as long as those of real agents.
const CLAIM_WAIT: Duration = Duration::from_secs(30);

/// A coordinator that answers at once is not asked more often than this, as by real agents.
const LEAST_GAP: Duration = Duration::from_millis(200);

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(250);

/// Registers the agents and watches them for so long.
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
    let kinds = vec![
        ("heartbeat", Rc::clone(&heartbeats)),
        ("claim", Rc::clone(&claims)),
    ];
    phases.begin_with(kinds).await?;
    let all = agents.all();
    let count = all.len();
    let (beating, claiming) = (all.clone().into_iter().enumerate(), all.into_iter().enumerate());
    let target = phases.target();
    let beating = together(beating.map(|(number, agent)| {
        let (target, meter) = (Rc::clone(target), Rc::clone(&heartbeats));
        async move { beat(&target, &meter, &agent, number, count).await }
    }));
    let claiming = together(claiming.map(|(number, agent)| {
        let (target, meter) = (Rc::clone(target), Rc::clone(&claims));
        async move { claim(&target, &meter, &agent, number, count).await }
    }));
    let watched = tokio::select! {
        ended = beating => ended,
        ended = claiming => ended,
        () = pass(duration) => Ok(()),
    };
    phases.end().await;
    watched
}

async fn pass(duration: Duration) {
    let began = Instant::now();
    let bar = Bar::new("idle", duration.as_secs());
    let mut seconds = 0;
    while let Some(left) = duration.checked_sub(began.elapsed()) {
        tokio::time::sleep(left.min(TICK)).await;
        let now = began.elapsed().as_secs();
        bar.advance(now - seconds);
        seconds = now;
    }
    bar.finish();
}

/// Agents do not start together: the first call of each waits for its share of the time that others do.
fn first(wait: Duration, number: usize, count: usize) -> Duration {
    wait.mul_f64(number as f64 / count as f64)
}

async fn beat(
    target: &Target,
    meter: &Meter,
    agent: &Agent,
    number: usize,
    count: usize,
) -> anyhow::Result<()> {
    let mut service = target.coordinator(number);
    let mut wait = first(agent.heartbeat_interval, number, count);
    loop {
        let begun = Instant::now();
        let send = async || {
            let request = HeartbeatRequest {
                agent_id: agent.id.clone(),
                session: agent.session,
                leases: Vec::new(),
                wait: write_duration(wait),
                draining: false,
            };
            service.heartbeat(request).await
        };
        let answer = target
            .call(meter, "cannot renew an agent's leases", wait, send)
            .await?;
        meter.did(1);
        wait = agent.heartbeat_interval;
        let pause = answer.next_heartbeat.as_ref().and_then(read_duration);
        let pause = pause
            .unwrap_or(wait)
            .max(LEAST_GAP.saturating_sub(begun.elapsed()));
        tokio::time::sleep(pause).await;
    }
}

async fn claim(
    target: &Target,
    meter: &Meter,
    agent: &Agent,
    number: usize,
    count: usize,
) -> anyhow::Result<()> {
    let mut service = target.coordinator(number);
    let mut wait = first(CLAIM_WAIT, number, count);
    loop {
        let request = agent.claim(target, 1, wait);
        let send = async || service.claim(request.clone()).await;
        target.call(meter, "cannot wait for work", wait, send).await?;
        meter.did(1);
        wait = CLAIM_WAIT;
    }
}
