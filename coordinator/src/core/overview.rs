//! The whole coordinator on one page, as of one moment: for `GetStatus` and the metrics.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    id::{QueueName, TaskId},
    noun::{
        agent::Agent,
        counts::Counts,
        hold::{Hold, HoldKind, Scope},
        needs::{Buckets, Needs},
        presence::Presence,
        rules::Program,
    },
    rule::fit::Liveness,
    state::State,
    time::Timestamp,
};

use super::{Answer, Core, lock::Inner};
use crate::program::limits::{MAX_CLASSES_VISITED, MAX_METERED_QUEUES, MAX_SHOWN_HOLDS};

/// See the module.
pub(crate) struct Overview {
    pub(crate) counts: Counts,
    /// How many tasks of a queue have not ended, for the first queues by name.
    pub(crate) queues: Vec<(QueueName, Counts)>,
    pub(crate) agents: AgentCounts,
    /// Slots of agents that can be counted on.
    pub(crate) slots: u64,
    pub(crate) jobs: usize,
    /// When the oldest queued task was submitted.
    pub(crate) oldest_queued: Option<Timestamp>,
    /// The first holds.
    pub(crate) holds: Vec<Arc<Hold>>,
    pub(crate) hold_counts: HoldCounts,
    /// How many queued tasks no live agent can run at present.
    pub(crate) unmatched: u64,
    /// One of them.
    pub(crate) unmatched_task: Option<TaskId>,
    /// How many claims wait.
    pub(crate) waiters: usize,
    /// How many heartbeats are parked.
    pub(crate) parked: usize,
}

/// How many holds there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoldCounts {
    pub(crate) pauses: u64,
    pub(crate) drains: u64,
    pub(crate) stops: u64,
}

impl HoldCounts {
    fn of<'a>(holds: impl Iterator<Item = &'a Arc<Hold>>) -> HoldCounts {
        let mut counts = HoldCounts::default();
        for hold in holds {
            match hold.kind {
                HoldKind::Pause => counts.pauses += 1,
                HoldKind::Drain { .. } => counts.drains += 1,
                HoldKind::Stop => counts.stops += 1,
            }
        }
        counts
    }

    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.pauses + self.drains + self.stops
    }
}

/// How many agents can be counted on, and why others cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentCounts {
    pub(crate) online: u64,
    /// Online agents that are given nothing for a while, because their machine failed.
    pub(crate) slowed: u64,
    pub(crate) draining: u64,
    pub(crate) lost: u64,
    pub(crate) paused: u64,
    /// Agents of which a copy was refused lately.
    pub(crate) copied: u64,
}

/// Whether an agent can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentState {
    Online,
    /// It takes nothing more.
    Draining,
    /// It was silent for a TTL.
    Lost,
    /// Somebody holds it back.
    Paused,
    /// It said goodbye.
    Gone,
}

impl AgentState {
    /// The state of this agent; `hold` is the hold on it alone.
    pub(crate) fn of(
        agent: &Agent,
        presence: Option<&Presence>,
        hold: Option<&Hold>,
        liveness: Liveness,
    ) -> AgentState {
        let seen = presence.map_or(liveness.started, |presence| presence.seen);
        let own = hold.filter(|hold| hold.scope != Scope::Everything);
        let is_draining = presence.is_some_and(|presence| presence.draining);
        match own.map(|hold| hold.kind) {
            _ if agent.gone => AgentState::Gone,
            _ if liveness.now - seen > liveness.ttl => AgentState::Lost,
            _ if is_draining => AgentState::Draining,
            Some(HoldKind::Drain { .. }) => AgentState::Draining,
            Some(HoldKind::Pause | HoldKind::Stop) => AgentState::Paused,
            None => AgentState::Online,
        }
    }
}

impl Core {
    /// Looks at everything, as of a moment that is durable.
    pub(crate) async fn overview(&self, lease_ttl: Duration) -> Answer<Overview> {
        let liveness = self.liveness(lease_ttl);
        self.read_inner(|inner| Overview::of(inner, liveness)).await
    }
}

impl Overview {
    fn of(inner: &Inner, liveness: Liveness) -> Overview {
        let state = &inner.state;
        let (agents, slots) = agents(state, liveness);
        let (unmatched, unmatched_task) = unmatched(state, liveness);
        let oldest = state
            .ready()
            .oldest()
            .and_then(|number| state.task_numbered(number));
        Overview {
            counts: state.counts(),
            queues: state
                .queues()
                .take(MAX_METERED_QUEUES)
                .map(|(queue, counts)| (queue.clone(), *counts))
                .collect(),
            agents,
            slots,
            jobs: state.job_count(),
            oldest_queued: oldest.map(|task| task.created),
            holds: state.holds().take(MAX_SHOWN_HOLDS).cloned().collect(),
            hold_counts: HoldCounts::of(state.holds()),
            unmatched,
            unmatched_task,
            waiters: inner.waiters.len(),
            parked: inner.parked.len(),
        }
    }
}

fn agents(state: &State, liveness: Liveness) -> (AgentCounts, u64) {
    let mut counts = AgentCounts::default();
    let mut slots = 0;
    for agent in state.agents().filter(|agent| !agent.gone) {
        let hold = state.hold(&Scope::Agent(agent.id.clone()));
        let presence = state.presence(&agent.id);
        let twin = agent.twin.as_ref();
        counts.copied += u64::from(twin.is_some_and(|twin| twin.is_recent(liveness.now)));
        match AgentState::of(agent, presence.as_ref(), hold.map(AsRef::as_ref), liveness) {
            AgentState::Online => {
                counts.online += 1;
                counts.slowed += u64::from(state.slowed_until(&agent.id, liveness.now).is_some());
                slots += u64::from(agent.slots);
            }
            AgentState::Draining => counts.draining += 1,
            AgentState::Lost => counts.lost += 1,
            AgentState::Paused => counts.paused += 1,
            AgentState::Gone => {}
        }
    }
    (counts, slots)
}

/// How many queued tasks no live agent can run, and the first of them.
fn unmatched(state: &State, liveness: Liveness) -> (u64, Option<TaskId>) {
    let ready = state.ready();
    let has_rules = state.agents().any(|agent| !agent.gone && !agent.rules.are_none());
    let needs = ready.classes().flat_map(|(class, count)| {
        // Without rules the program decides nothing.
        let whole = (!has_rules).then(|| (&Program::Unnamed, count, ready.first_of(class, &Buckets::ALL)));
        let programs = has_rules.then(|| ready.programs(class)).into_iter().flatten();
        let programs = programs.map(|(program, count)| (program, count, ready.first_with(class, program)));
        let each = whole.into_iter().chain(programs);
        each.map(move |(program, count, first)| (class, program, count, first))
    });
    let mut first_of_all = None;
    let mut tasks = 0;
    for (class, program, count, first) in needs.take(MAX_CLASSES_VISITED) {
        let needs = Needs {
            class: class.clone(),
            program: program.clone(),
            group: None,
        };
        if state.unmatched(&needs, None, liveness).is_some() {
            tasks += count;
            first_of_all = first_of_all.or_else(|| state.task_numbered(first?).map(|task| task.id.clone()));
        }
    }
    (tasks, first_of_all)
}
