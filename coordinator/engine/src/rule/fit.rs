//! Fits: whether an agent can be given a task, and the first reason against it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    id::{AgentId, QueueName},
    limits::{MAX_LINES_VISITED, MAX_OTHERS_VISITED, SILENCE_IN_TTL},
    noun::{
        agent::Agent,
        hold::{Hold, Scope},
        needs::{Bucket, Class, Executor, Needs, Offer, Shard, Wants},
        rules::Program,
        selector::Term,
        task::Task,
    },
    rule::avoid::{Avoided, Why, avoided},
    state::State,
    time::{Timestamp, millis},
};

/// The first reason against giving a task to an agent, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The agent can be given the task now.
    Fits,
    /// The agent has no free slot.
    Busy,
    /// The agent failed or refused this task.
    Avoided(Avoided),
    /// The agent's machine failed its last attempts; it is paused until this time.
    Slowed(Timestamp),
    /// The agent has not called since this time; `None` when not since the coordinator started.
    Lost(Option<Timestamp>),
    /// The agent only finishes its attempts, because its owner ends it.
    Leaving,
    /// A hold is on the agent.
    Held(Arc<Hold>),
    /// The agent cannot carry out tasks of this kind.
    Executor(Executor),
    /// The agent's labels do not meet this term.
    Label(Term),
    /// The agent's owner does not let it run this program.
    Rules(Program),
    /// The agent does not take tasks of this queue.
    Queue(QueueName),
    /// The agent takes other shards; this is the shard of the task.
    Shard(Shard, u16),
}

impl Fit {
    /// Whether the agent will be able to run the task, at once or after a while.
    pub fn will_do(&self) -> bool {
        matches!(self, Fit::Fits | Fit::Busy | Fit::Avoided(_) | Fit::Slowed(_))
    }
}

/// How to tell live agents from lost ones.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    /// The time now.
    pub now: Timestamp,
    /// The longest silence of a live agent.
    pub ttl: Duration,
    /// The start of the coordinator: agents that have not called since have been silent for that long only.
    pub started: Timestamp,
}

impl State {
    /// The offer of an agent that asks for these tasks.
    pub fn offer(&self, agent: &Agent, wants: &Wants) -> Offer {
        Offer {
            queues: wants.queues.clone(),
            buckets: self.buckets(&agent.id, wants),
            executors: agent.executors.clone(),
            labels: agent.labels.clone(),
            rules: agent.rules.clone(),
        }
    }

    /// The fit of an agent for a task. Reasons that go away by themselves come last.
    pub fn fit(&self, task: &Task, agent: &Agent, liveness: Liveness) -> Fit {
        let needs = &task.needs;
        match self.fit_for(needs, Some(task.bucket), agent, liveness) {
            Fit::Fits => {}
            Fit::Shard(shard, _)
                if shard.index.is_none() && !self.is_for_its_owner(task, shard.count, liveness) =>
            {
                match self.fit_for(needs, None, agent, liveness) {
                    Fit::Fits => {}
                    other => return other,
                }
            }
            other => return other,
        }
        if let Some(until) = self.slowed_until(&agent.id, liveness.now) {
            return Fit::Slowed(until);
        }
        if let Some(avoided) = self.avoids(task, agent, liveness) {
            return Fit::Avoided(avoided);
        }
        if !self.has_free_slot(agent) {
            return Fit::Busy;
        }
        Fit::Fits
    }

    fn has_free_slot(&self, agent: &Agent) -> bool {
        self.leased_to(&agent.id).count() < agent.slots as usize
    }

    /// The same for any task with these needs, or of one bucket of them, without reasons that go away by themselves.
    pub(crate) fn fit_for(
        &self,
        needs: &Needs,
        bucket: Option<Bucket>,
        agent: &Agent,
        liveness: Liveness,
    ) -> Fit {
        self.fit_of(&needs.class, Some(&needs.program), bucket, agent, liveness)
    }

    /// The same for tasks of a class that run this program; whatever the program when there is none.
    pub(crate) fn fit_of(
        &self,
        class: &Class,
        program: Option<&Program>,
        bucket: Option<Bucket>,
        agent: &Agent,
        liveness: Liveness,
    ) -> Fit {
        if agent.has_died() {
            return Fit::Lost(Some(agent.changed));
        }
        // It was silent for too long before the last start, and has not been heard of since.
        if agent.lost.is_some() {
            return Fit::Lost(None);
        }
        let presence = self.soft.presences.get(&agent.id);
        let heard = presence.map_or(liveness.started, |presence| presence.seen);
        if liveness.now - heard > liveness.ttl {
            return Fit::Lost(presence.map(|presence| presence.seen));
        }
        if !agent.executors.contains(&class.executor) {
            return Fit::Executor(class.executor);
        }
        if let Some(term) = class.selector.first_unmet(&agent.labels) {
            return Fit::Label(term.clone());
        }
        if let Some(program) = program
            && !agent.rules.allow(class, program)
        {
            return Fit::Rules(program.clone());
        }
        if let Some(wants) = presence.and_then(|presence| presence.wants.as_ref()) {
            if !wants.queues.is_empty() && !wants.queues.contains(&class.queue) {
                return Fit::Queue(class.queue.clone());
            }
            if let (Some(bucket), Some(shard)) = (bucket, wants.shard)
                && !self.buckets(&agent.id, wants).has(bucket)
                && (shard.index.is_some()
                    || self.owner_will_do(class, program, bucket, shard.count, liveness))
            {
                return Fit::Shard(shard, shard.index_of(bucket));
            }
        }
        if let Some(hold) = self.hold(&Scope::Agent(agent.id.clone())) {
            return Fit::Held(hold.clone());
        }
        if presence.is_some_and(|presence| presence.draining) {
            return Fit::Leaving;
        }
        Fit::Fits
    }

    /// Whether the agent can be given a task that another agent avoids, be it of the other's shard: an agent that
    /// leaves its shards to the coordinator is given it, too.
    pub(crate) fn could_be_given(&self, task: &Task, agent: &Agent, liveness: Liveness) -> bool {
        let presence = self.soft.presences.get(&agent.id);
        let wants = presence.and_then(|presence| presence.wants.as_ref());
        let shard = wants.and_then(|wants| wants.shard);
        let keeps_to_shards = shard.is_none_or(|shard| shard.index.is_some());
        let bucket = keeps_to_shards.then_some(task.bucket);
        self.fit_for(&task.needs, bucket, agent, liveness) == Fit::Fits
    }

    /// Whether a task is left to the owner of its shard. Otherwise any agent may run it that leaves its shards to the
    /// coordinator: also while the owner avoids the task, or is paused because of its machine.
    pub(crate) fn is_for_its_owner(&self, task: &Task, count: u16, liveness: Liveness) -> bool {
        let index = Shard { count, index: None }.index_of(task.bucket);
        let Needs { class, program, .. } = &*task.needs;
        self.owner_will_do(class, Some(program), task.bucket, count, liveness)
            && self
                .shard_owner(count, index)
                .and_then(|owner| self.agent(owner))
                .is_some_and(|owner| {
                    self.slowed_until(&owner.id, liveness.now).is_none()
                        && self.avoids(task, owner, liveness).is_none()
                })
    }

    /// Whether the owner of a task's shard will be able to run it. Otherwise any agent may that leaves its shards to
    /// the coordinator.
    pub(crate) fn owner_will_do(
        &self,
        class: &Class,
        program: Option<&Program>,
        bucket: Bucket,
        count: u16,
        liveness: Liveness,
    ) -> bool {
        let shard = Shard { count, index: None };
        let owner = self.shard_owner(count, shard.index_of(bucket));
        let owner = owner
            .and_then(|owner| self.agent(owner))
            .filter(|owner| !owner.gone);
        owner.is_some_and(|owner| self.fit_of(class, program, None, owner, liveness).will_do())
    }

    /// The silence of an agent, when it is so long that a call is overdue. Nobody waits for a call of one that said
    /// goodbye or that was told of as lost.
    pub fn silence(&self, agent: &AgentId, liveness: Liveness) -> Option<Duration> {
        self.agent(agent)
            .filter(|agent| !agent.gone && agent.lost.is_none())?;
        let presence = self.soft.presences.get(agent);
        let heard = presence.map_or(liveness.started, |presence| presence.seen);
        let silence = liveness.now - heard;
        (silence > liveness.ttl / SILENCE_IN_TTL).then_some(silence)
    }

    /// The agents that are not lost: those that called last come first, and those that may still call after the start
    /// come last. Agents that are lost are not even visited, however many are kept.
    pub(crate) fn live_agents(&self, liveness: Liveness) -> impl Iterator<Item = &Arc<Agent>> {
        let earliest = Timestamp(liveness.now.0.saturating_sub(millis(liveness.ttl)));
        let called = self.soft.by_call.iter().rev();
        let called = called
            .take_while(move |(seen, _)| *seen >= earliest)
            .filter_map(|(_, id)| self.agent(id));
        let may_still_call = liveness.started >= earliest;
        let silent = self
            .agents()
            .filter(|agent| !self.soft.presences.contains_key(&agent.id));
        let silent = may_still_call.then_some(silent).into_iter().flatten();
        called.chain(silent).filter(|agent| !agent.gone)
    }

    /// The time for which an agent avoids a task: after a refusal, or after a failure while another live agent with a
    /// free slot could be given the task. A task that could not be started or was given up here waits for a busy or
    /// slowed agent, too.
    pub fn avoids(&self, task: &Task, agent: &Agent, liveness: Liveness) -> Option<Avoided> {
        let own = avoided(task, &agent.id, liveness.now)?;
        let waits_for_busy = match own.why {
            Why::Refused => return Some(own),
            Why::NotStarted | Why::GivenUp => true,
            Why::Failed => false,
        };
        let other = self
            .live_agents(liveness)
            .filter(|other| other.id != agent.id)
            .take(MAX_OTHERS_VISITED)
            .any(|other| {
                self.could_be_given(task, other, liveness)
                    && avoided(task, &other.id, liveness.now).is_none()
                    && (waits_for_busy
                        || self.has_free_slot(other) && self.slowed_until(&other.id, liveness.now).is_none())
            });
        other.then_some(own)
    }

    /// The queued tasks that an empty claim passed over, counted by reason. Of more lines than are looked at, the rest
    /// of each class is put with the most of its tasks.
    pub fn passed(&self, agent: &Agent, wants: &Wants) -> Vec<(Passed, u64)> {
        let offer = self.offer(agent, wants);
        let mut passed: BTreeMap<Passed, u64> = BTreeMap::new();
        let mut left = MAX_LINES_VISITED;
        let mut add = |reason, count| {
            if count > 0 {
                *passed.entry(reason).or_default() += count;
            }
        };
        for (class, count) in self.ready().classes() {
            let queue = &class.queue;
            if !offer.executors.contains(&class.executor) {
                add(Passed::Executor(class.executor), count);
            } else if let Some(term) = class.selector.first_unmet(&offer.labels) {
                add(Passed::Label(term.clone()), count);
            } else if !offer.serves(queue) {
                add(Passed::Queue(queue.clone()), count);
            } else if let Some(hold) = self.hold(&Scope::Queue(queue.clone())) {
                add(Passed::PausedQueue(queue.clone(), hold.actor.clone()), count);
            } else if self.is_at_limit(queue) {
                add(Passed::QueueLimit(queue.clone()), count);
            } else {
                let kept = self.ready().kept_from(class, &offer, &mut left);
                add(Passed::Rules, kept.rules);
                add(Passed::Group, kept.group);
                add(Passed::Shard, kept.shard);
                add(Passed::Avoided, kept.nothing);
            }
        }
        passed.into_iter().collect()
    }
}

/// The reason why a claim passed over a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passed {
    /// The agent cannot carry out tasks of this kind.
    Executor(Executor),
    /// The agent's labels do not meet this term.
    Label(Term),
    /// The agent's owner does not let it run their programs.
    Rules,
    /// The agent did not ask for this queue.
    Queue(QueueName),
    /// The queue is paused, by this person.
    PausedQueue(QueueName, Arc<str>),
    /// The queue is at its limit.
    QueueLimit(QueueName),
    /// Another task of its exclusive group runs.
    Group,
    /// The task is in another shard.
    Shard,
    /// The agent failed or refused the task a short while ago.
    Avoided,
}
