//! The phase of calls that decide nothing. They show the cost of gRPC itself on this machine.

use std::{cell::Cell, rc::Rc, time::Duration};

use swarm_proto::v1::GetServerInfoRequest;

use super::{load::Load, meter::Meter, phase::Phases, target::Target, workers::together};

/// The most calls of this phase, enough to measure.
const MAX_CALLS: u64 = 100_000;

/// Sends a call for each task, up to a limit.
///
/// # Errors
///
/// When the coordinator refuses, or stays away for too long.
pub(super) async fn echo(phases: &Phases, load: Load, tasks: u64) -> anyhow::Result<()> {
    let calls = tasks.min(MAX_CALLS);
    let meter = phases.begin("echo", calls).await?;
    let left = Rc::new(Cell::new(calls));
    let workers = (0..load.in_flight).map(|worker| {
        let (target, meter, left) = (Rc::clone(phases.target()), Rc::clone(&meter), Rc::clone(&left));
        async move { call(&target, &meter, worker, &left).await }
    });
    let echoed = together(workers).await;
    phases.end().await;
    echoed
}

async fn call(target: &Target, meter: &Meter, worker: usize, left: &Cell<u64>) -> anyhow::Result<()> {
    let mut service = target.admin(worker);
    while left.get() > 0 && !target.is_stopping() {
        left.set(left.get() - 1);
        let send = async || service.get_server_info(GetServerInfoRequest {}).await;
        target
            .call(meter, "cannot ask who the coordinator is", Duration::ZERO, send)
            .await?;
        meter.did(1);
    }
    Ok(())
}
