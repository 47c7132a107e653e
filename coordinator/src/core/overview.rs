//! The whole coordinator on one page, as of one moment: for `GetStatus` and the metrics.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    id::{Number, QueueName, TaskId},
    limits::MAX_LINES_VISITED,
    noun::{
        agent::Agent,
        counts::Counts,
        hold::{Hold, HoldKind, Scope},
        needs::Buckets,
        presence::Presence,
    },
    rule::{fit::Liveness, unmatched::Takers},
    state::State,
    time::Timestamp,
};

use super::{Answer, Core, lock::Inner};
use crate::program::limits::{
    MAX_CLASSES_VISITED, MAX_METERED_QUEUES, MAX_PATTERNS_COMPARED, MAX_SHOWN_HOLDS,
};

/// See the module.
pub(crate) struct Overview {
    pub(crate) counts: Counts,
    /// How many tasks of a queue have not ended, for the first queues by name.
    pub(crate) queues: Vec<(QueueName, Counts)>,
    pub(crate) agents: AgentCounts,
    /// The silent agent that will be lost first, by its name or id, and its silence.
    pub(crate) longest_silence: Option<(Arc<str>, Duration)>,
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
    /// Agents that are not lost, and whose call is overdue.
    pub(crate) silent: u64,
}

/// Whether an agent can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentState {
    Online,
    /// It takes nothing more.
    Draining,
    /// It was silent for a TTL, or died.
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
            _ if agent.lost.is_some() => AgentState::Lost,
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
        let (agents, slots, longest_silence) = agents(state, liveness);
        let (unmatched, unmatched_task) = unmatched(state, liveness);
        Overview {
            counts: state.counts(),
            queues: state
                .queues()
                .take(MAX_METERED_QUEUES)
                .map(|(queue, counts)| (queue.clone(), *counts))
                .collect(),
            agents,
            longest_silence,
            slots,
            jobs: state.job_count(),
            oldest_queued: state.oldest_queued().map(|task| task.created),
            holds: state.holds().take(MAX_SHOWN_HOLDS).cloned().collect(),
            hold_counts: HoldCounts::of(state.holds()),
            unmatched,
            unmatched_task,
            waiters: inner.waiters.len(),
            parked: inner.parked.len(),
        }
    }
}

fn agents(state: &State, liveness: Liveness) -> (AgentCounts, u64, Option<(Arc<str>, Duration)>) {
    let mut counts = AgentCounts::default();
    let mut slots = 0;
    let mut longest_silence: Option<(Arc<str>, Duration)> = None;
    for agent in state.agents().filter(|agent| agent.is_expected()) {
        let hold = state.hold(&Scope::Agent(agent.id.clone()));
        let presence = state.presence(&agent.id);
        let twin = agent.twin.as_ref();
        counts.copied += u64::from(twin.is_some_and(|twin| twin.is_recent(liveness.now)));
        let agent_state = AgentState::of(agent, presence.as_ref(), hold.map(AsRef::as_ref), liveness);
        if agent_state != AgentState::Lost
            && let Some(silence) = state.silence(&agent.id, liveness)
        {
            counts.silent += 1;
            if longest_silence
                .as_ref()
                .is_none_or(|(_, longest)| silence > *longest)
            {
                let name = match &*agent.name {
                    "" => agent.id.as_str().into(),
                    _ => agent.name.clone(),
                };
                longest_silence = Some((name, silence));
            }
        }
        match agent_state {
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
    (counts, slots, longest_silence)
}

/// How many queued tasks no live agent can run, and one of them.
fn unmatched(state: &State, liveness: Liveness) -> (u64, Option<TaskId>) {
    let ready = state.ready();
    let (mut tasks, mut one) = (0, None);
    let mut add = |count: u64, task: Option<Number>| {
        tasks += count;
        one = one.or(task);
    };
    let mut left = MAX_PATTERNS_COMPARED;
    for (class, count) in ready.classes().take(MAX_CLASSES_VISITED) {
        let takers = state.takers(class, liveness);
        match takers {
            Takers::Anybody => {}
            Takers::Nobody(_) => add(count, ready.first_of(class, &Buckets::ALL)),
            Takers::Ruled(_) => {
                for (program, count) in ready.programs(class, MAX_LINES_VISITED) {
                    if !takers.run(class, program, &mut left) {
                        add(count, ready.first_with(class, program));
                    }
                }
            }
        }
    }
    let one = one.and_then(|number| state.task_numbered(number));
    (tasks, one.map(|task| task.id.clone()))
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        command::register,
        noun::{
            needs::Executor,
            rules::{Program, Rules},
        },
    };

    use crate::testing::{
        fixture::Fixture,
        requests::{TTL, agent, registration, task},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn tasks_that_no_agent_can_run_are_counted_behind_however_many_programs() {
        let swarm = Fixture::new();
        let mut request = registration(agent());
        request.rules = Rules::programs(&["allowed-*"]);
        swarm
            .core
            .execute(|draft| register::decide(draft, request))
            .await
            .unwrap();
        let programs = ["allowed", "forbidden"].into_iter().flat_map(|word| {
            (0..300).map(move |index| {
                let name = format!("{word}-{index}");
                let mut task = task(&name, &[]);
                task.needs.program = Program::named(&name);
                task
            })
        });
        let mut prompt = task("prompt", &[]);
        prompt.needs.class.executor = Executor::Prompt;
        swarm
            .submit(None, programs.chain([prompt]).collect())
            .await
            .unwrap();
        let overview = swarm.core.overview(TTL).await.value;
        assert_eq!(overview.unmatched, 301);
        assert_eq!(overview.unmatched_task.unwrap().as_str(), "forbidden-0");
    }
}
