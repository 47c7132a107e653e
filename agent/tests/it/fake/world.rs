//! The world of the fake: what it is told to do, and what it was asked for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::MutexGuard,
};

use nix::unistd::Pid;
use swarm_proto::{
    call,
    reason::Reason,
    refusal::Details,
    v1::{
        Assignment, AttemptReport, ClaimRequest, ClaimResponse, CompleteRequest, Directive, HeartbeatRequest,
        Hold, Passed, RegisterAgentRequest, ReportDeathRequest, attempt_report::Outcome,
    },
};
use tokio::{sync::watch, time::Instant};
use tonic::Status;

use super::{Fake, cut, seconds};

/// The instructions to the fake, and the requests that it got.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) queue: VecDeque<Assignment>,
    pub(crate) granted: BTreeMap<String, Vec<Assignment>>,
    pub(crate) registered: Vec<RegisterAgentRequest>,
    pub(crate) claims: Vec<ClaimRequest>,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    pub(crate) completes: Vec<CompleteRequest>,
    pub(crate) goodbyes: usize,
    /// What guards said, and which processes carried this mark then.
    pub(crate) deaths: Vec<(ReportDeathRequest, Vec<Pid>)>,
    pub(crate) watched_mark: Option<String>,
    /// How often the fake was asked for its cluster id.
    pub(crate) asked: usize,
    /// The cluster id, unless it is `c1`.
    pub(crate) cluster_id: Option<&'static str>,
    /// When each claim came.
    pub(crate) claimed_at: Vec<Instant>,
    /// Answer claims at once, whatever they ask for.
    pub(crate) hasty: bool,
    /// Refuse registrations, and to show tasks.
    pub(crate) refuse_register: Option<Status>,
    pub(crate) refuse_get_task: Option<Status>,
    /// Register agents, and answer nothing for the moment.
    pub(crate) withholds_registrations: bool,
    /// Show no task for the moment, and how many are waited for.
    pub(crate) withholds_tasks: bool,
    pub(crate) withheld: usize,
    /// The cluster id from then on.
    pub(crate) cluster_id_after_get_task: Option<&'static str>,
    /// Seconds, instead of 0.
    pub(crate) next_heartbeat: i64,
    /// Answer heartbeats with this about a task.
    pub(crate) directives: BTreeMap<String, Directive>,
    /// Refuse reports about these tasks with LEASE_LOST.
    pub(crate) refused: BTreeSet<String>,
    /// Carry out so many claims or completes, and lose their answers.
    pub(crate) lose_claims: usize,
    pub(crate) lose_completes: usize,
    /// Refuse completes with these, one after another.
    pub(crate) refusals: VecDeque<Status>,
    /// Refuse claims as of an older session, or of an unknown agent.
    pub(crate) replaced: bool,
    pub(crate) forget_agent: bool,
    /// Put released tasks back into the queue.
    pub(crate) requeues: bool,
    /// Answer nothing, as if the connection were cut.
    pub(crate) away: bool,
    /// Seconds, instead of 90.
    pub(crate) lease_ttl: Option<i64>,
    /// The hold in force.
    pub(crate) hold: Option<Hold>,
    /// The reason in empty answers.
    pub(crate) passed: Vec<Passed>,
    /// Seconds that an agent is told to wait by an empty answer.
    pub(crate) retry_after: Option<i64>,
    pub(super) session: u64,
    /// The newest session of each agent.
    pub(super) sessions: BTreeMap<String, u64>,
}

impl World {
    /// The checks before every call of an agent.
    pub(super) fn admit(&self, agent_id: &str, session: u64) -> Result<(), Status> {
        if self.away {
            return Err(cut());
        }
        if self.replaced
            || self
                .sessions
                .get(agent_id)
                .is_some_and(|newest| session < *newest)
        {
            return Err(call::status(
                Reason::AgentReplaced,
                "a newer session exists",
                Details::default(),
            ));
        }
        if self.forget_agent {
            return Err(call::status(
                Reason::AgentNotFound,
                "never heard of it",
                Details::default(),
            ));
        }
        Ok(())
    }

    pub(super) fn cluster_id(&self) -> String {
        self.cluster_id.unwrap_or("c1").to_owned()
    }

    pub(super) fn lease_ttl(&self) -> Option<prost_types::Duration> {
        seconds(self.lease_ttl.unwrap_or(90))
    }

    /// Every accepted or refused report, in order, repeats included.
    pub(crate) fn reports(&self) -> Vec<&AttemptReport> {
        self.completes
            .iter()
            .flat_map(|complete| &complete.results)
            .collect()
    }

    /// The first report about a task.
    pub(crate) fn report(&self, task_id: &str) -> Option<AttemptReport> {
        self.reports()
            .into_iter()
            .find(|report| report.lease.as_ref().unwrap().task_id == task_id)
            .cloned()
    }
}

/// Access to the world. When it is dropped, waiting tests check their conditions again.
pub(crate) struct WorldGuard<'a> {
    pub(super) world: MutexGuard<'a, World>,
    pub(super) changed: &'a watch::Sender<()>,
}

impl std::ops::Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        self.changed.send_replace(());
    }
}

impl Fake {
    /// Puts a task that is given back into the queue, where the coordinator is to do that.
    pub(super) fn requeue(&self, report: &AttemptReport) {
        let mut world = self.world();
        let (true, Some(Outcome::Released(_)), Some(lease)) =
            (world.requeues, &report.outcome, &report.lease)
        else {
            return;
        };
        let granted = world.granted.values().flatten();
        let mut again = granted
            .filter(|assignment| {
                assignment
                    .lease
                    .as_ref()
                    .is_some_and(|held| held.task_id == lease.task_id)
            })
            .max_by_key(|assignment| assignment.lease.as_ref().map(|held| held.attempt))
            .cloned()
            .unwrap();
        if let Some(lease) = &mut again.lease {
            lease.attempt += 1;
        }
        world.queue.push_back(again);
    }

    pub(super) fn grant(&self, request: &ClaimRequest) -> ClaimResponse {
        let mut world = self.world();
        let known = world.granted.get(&request.request_id).cloned();
        let assignments = known.unwrap_or_else(|| {
            let open = if world.hold.is_some() {
                0
            } else {
                world.queue.len()
            };
            let count = open.min(request.max_tasks.max(1) as usize);
            let granted: Vec<_> = world.queue.drain(..count).collect();
            if !granted.is_empty() {
                world.granted.insert(request.request_id.clone(), granted.clone());
            }
            granted
        });
        if assignments.is_empty() {
            return world.nothing();
        }
        ClaimResponse {
            assignments,
            ..ClaimResponse::default()
        }
    }
}
