//! Everything on one page, and who answers.

use std::sync::Arc;

use swarm_engine::time::millis;
use swarm_proto::v1;

use super::{Context, Refusal};
use crate::{
    core::{admission::Load, budget::Part, overview::Overview},
    machine::usage::Usage,
    wire::{
        agent::agent_counts,
        hold::hold_message,
        state::counts_message,
        time::{duration, timestamp},
    },
};

/// Shows counts, rates, holds, and how the coordinator itself is.
///
/// # Errors
///
/// None today.
pub(crate) async fn status(
    cx: &Context,
    _request: v1::GetStatusRequest,
) -> Result<v1::GetStatusResponse, Refusal> {
    let (happened, seconds) = cx.core.last_minute();
    let answer = cx.core.overview(cx.settings.lease_ttl).await;
    let as_of = cx.as_of(&answer);
    let durable = cx.core.durable().borrow().0;
    let journal_lag = cx.core.decided().0.saturating_sub(durable);
    let Overview {
        counts,
        agents,
        longest_silence,
        slots,
        jobs,
        oldest_queued,
        holds,
        hold_counts,
        unmatched,
        unmatched_task,
        ..
    } = answer.value;
    let (silent_agent, silence) = longest_silence.unzip();
    Ok(v1::GetStatusResponse {
        as_of,
        tasks: Some(counts_message(&counts)),
        agents: Some(agent_counts(agents)),
        slots,
        jobs: jobs as u64,
        oldest_queued_time: oldest_queued.map(timestamp),
        uptime: Some(duration(cx.core.clock().uptime())),
        store_seq: cx.core.store().applied_seq(),
        server_time: Some(timestamp(cx.core.clock().now())),
        wall_clock_ahead_ms: cx.core.clock().wall_ahead_ms(),
        holds: holds.iter().map(|held| hold_message(held)).collect(),
        rates: Some(v1::Rates {
            submitted: happened.submitted as f64 / seconds,
            granted: happened.granted as f64 / seconds,
            succeeded: happened.succeeded as f64 / seconds,
            failed: happened.failed as f64 / seconds,
        }),
        journal_seq: answer.as_of.0,
        journal_lag,
        unmatched,
        unmatched_task_id: unmatched_task.map(|id| id.to_string()).unwrap_or_default(),
        process: Usage::now().map(|usage| v1::ProcessUsage {
            cpu_time: Some(duration(usage.cpu)),
            resident_bytes: usage.resident_bytes,
            peak_resident_bytes: usage.peak_resident_bytes,
        }),
        journal_bytes: cx.core.journal().bytes(),
        // A figure for people: a file system that does not say is no reason to refuse the others.
        store_bytes: cx.core.store().size_on_disk().unwrap_or_default(),
        free_bytes: cx.core.store().free_bytes().ok(),
        disk_refuses_submits: !cx.core.has_space_for(Load::Submit),
        disk_refuses_claims: !cx.core.has_space_for(Load::Claim),
        memory: cx.core.budget().parts().map(memory_share).into(),
        more_holds: hold_counts.total().saturating_sub(holds.len() as u64),
        clock_doubt_ms: millis(cx.core.clock().doubt()),
        time_ahead_ms: millis(cx.core.ahead_of_wall()),
        agents_saw_seq: cx.core.agents_saw().0,
        silent_agent: silent_agent.map(|name| name.to_string()).unwrap_or_default(),
        silence: silence.map(duration),
    })
}

fn memory_share(part: &Arc<Part>) -> v1::MemoryShare {
    v1::MemoryShare {
        purpose: part.name().to_owned(),
        bytes: part.used(),
        limit_bytes: part.limit(),
        refused: part.refused(),
    }
}

/// Shows which coordinator this is, and what it does unless a task says otherwise.
///
/// # Errors
///
/// None today.
pub(crate) async fn server_info(
    cx: &Context,
    _request: v1::GetServerInfoRequest,
) -> Result<v1::GetServerInfoResponse, Refusal> {
    let answer = cx.core.read(|state| state.identity().cloned()).await;
    let as_of = cx.as_of(&answer);
    let (cluster_id, epoch) = answer
        .value
        .map(|identity| (identity.cluster_id.to_string(), identity.epoch))
        .unwrap_or_default();
    Ok(v1::GetServerInfoResponse {
        as_of,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id,
        epoch,
        lease_ttl: Some(duration(cx.settings.lease_ttl)),
        default_timeout: Some(duration(cx.settings.default_timeout)),
        default_retries: cx.settings.default_retries,
        listen_address: cx.settings.address.to_string(),
    })
}
