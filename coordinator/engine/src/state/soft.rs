//! Soft facts: the expiry of leases, and the last calls of agents. A restart forgets them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    id::{AgentId, AttemptNumber, Number},
    noun::{
        attempt::Attempt, lease::end_by_its_run, needs::Wants, owners::Owners, presence::Presence,
        slow::Slow, task::Task, unstarted::Unstarted,
    },
    state::{
        State,
        scan::{Reach, Scan},
        weight::Weight,
    },
    time::{Timestamp, millis},
};

/// Soft facts: never journaled, and no promise depends on them.
#[derive(Clone, Debug, Default)]
pub struct Soft {
    /// The expiry of each lease without a renewal, never after its durable end.
    expiries: BTreeMap<Number, Timestamp>,
    pub(super) by_expiry: BTreeSet<(Timestamp, Number)>,
    /// Leases that were renewed at least once: their agents know of them.
    renewed: BTreeSet<Number>,
    /// Ends of attempts that were granted before the start, as their agents' first words since then put them. They stay
    /// until the next start, so that a lease that is lost and resumed ends when it would have.
    ends: BTreeMap<(Number, AttemptNumber), Timestamp>,
    pub(crate) presences: BTreeMap<AgentId, Presence>,
    /// The agents with a presence that are not lost, by their last calls.
    pub(crate) by_call: BTreeSet<(Timestamp, AgentId)>,
    /// The agents that have not called since the start, and were not lost before.
    uncalled: BTreeSet<AgentId>,
    /// The weight of the wishes among them.
    pub(crate) wants_bytes: u64,
    /// Where agents that were given none of the first tasks go on looking.
    pub(super) scans: BTreeMap<(AgentId, Reach), Scan>,
    /// The owners of shards.
    pub(crate) owners: Owners,
    /// Agents whose machines failed the last reported attempts.
    pub(crate) slowed: BTreeMap<AgentId, Slow>,
    /// What machines could not start.
    pub(crate) unstarted: Unstarted,
    /// How far the coordinator's time is ahead of the wall clock.
    ahead: Duration,
    /// The same at the start, which it never exceeds.
    ahead_at_start: Duration,
    /// The same as the last look at the wall clock found it.
    ahead_seen: Duration,
    /// The last start, or the end of the last pause of the coordinator: before that, no call could arrive.
    deaf_until: Timestamp,
    /// The TTL of leases since then: an agent that is silent for longer is lost.
    silence: Duration,
}

impl State {
    /// The expiry of a running task's lease without a renewal.
    pub fn expiry(&self, number: Number) -> Option<Timestamp> {
        self.soft.expiries.get(&number).copied()
    }

    /// Whether the lease of a running task was renewed after its grant or after loading.
    pub fn is_renewed(&self, number: Number) -> bool {
        self.soft.renewed.contains(&number)
    }

    /// When the attempt of a running task has to have ended, whatever is renewed: its durable end, or the later one
    /// that follows from how long the attempt has run. A clock that was set over a restart ends no attempt that its
    /// agent is still at work on.
    pub fn lease_end(&self, number: Number) -> Option<Timestamp> {
        let lease = self.tasks.get(&number)?.lease()?;
        let end = self.soft.ends.get(&(number, lease.attempt)).copied();
        Some(end.unwrap_or_default().max(lease.ends_by))
    }

    /// Whether a whole TTL is left before the end of a running task's attempt. An agent trusts a renewed lease for that
    /// long. Later it is told that the lease is lost, long after it had to end the attempt by itself.
    pub fn is_renewable(&self, number: Number, now: Timestamp) -> bool {
        let lease = self.tasks.get(&number).and_then(|task| task.lease());
        lease
            .zip(self.lease_end(number))
            .is_some_and(|(lease, end)| now + lease.ttl <= end)
    }

    /// The end of a lost attempt, if its agent resumes it and says for how long it has run.
    pub(crate) fn end_if_resumed(
        &self,
        number: Number,
        lost: &Attempt,
        ran: Option<Duration>,
        now: Timestamp,
    ) -> Timestamp {
        let told = self.soft.ends.get(&(number, lost.number)).copied();
        let ran = ran.filter(|_| self.is_older_than_the_start(lost.granted));
        let end = told.or(ran.map(|ran| end_by_its_run(lost.granted, lost.ends_by, ran, now)));
        end.unwrap_or_default().max(lost.ends_by)
    }

    /// Whether a lease was granted before the start: the clock may have been set since.
    fn is_older_than_the_start(&self, granted: Timestamp) -> bool {
        self.identity
            .as_ref()
            .is_some_and(|identity| granted < identity.started)
    }

    /// Leases that have expired by `now`, earliest first.
    pub(crate) fn expired(&self, now: Timestamp) -> impl Iterator<Item = Number> {
        let through = (now, Number(u64::MAX));
        self.soft.by_expiry.range(..=through).map(|(_, number)| *number)
    }

    /// Gives every lease at least one full TTL from `now` on, within its durable end. After a pause of the coordinator
    /// the silence of agents proves nothing.
    pub fn grace(&mut self, now: Timestamp, ttl: Duration) {
        self.soft.deaf_until = now;
        self.soft.silence = ttl;
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            self.extend(number, now, ttl);
        }
    }

    /// The same after a start, even beyond durable ends. A clock that was set meanwhile may say that an end has passed,
    /// but an agent still trusts the TTL that it was promised before.
    pub fn grace_at_start(&mut self, now: Timestamp, ttl: Duration) {
        self.soft.deaf_until = now;
        self.soft.silence = ttl;
        let expected = self
            .agents
            .values()
            .filter(|agent| !agent.gone && agent.lost.is_none());
        self.soft.uncalled = expected.map(|agent| agent.id.clone()).collect();
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            if let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) {
                let until = now + ttl.max(lease.ttl);
                // The expiry since loading may be by a clock that this start has set back.
                self.soft.set_expiry(number, until);
            }
        }
    }

    /// The time for which an agent may trust all its leases after a renewal: the shortest TTL of their grants, and at
    /// most `ttl`, which may have been set since.
    pub fn trust_of(&self, agent: &AgentId, ttl: Duration) -> Duration {
        let leases = self.leased_to(agent).filter_map(|task| task.lease());
        leases.map(|lease| lease.ttl).fold(ttl, Duration::min)
    }

    /// Renews the lease of a running task after a call of its agent. False when its durable end is too near: the agent
    /// must not be told to go on.
    pub(crate) fn renew(
        &mut self,
        number: Number,
        now: Timestamp,
        ttl: Duration,
        ran: Option<Duration>,
    ) -> bool {
        self.soft.renewed.insert(number);
        if let Some(ran) = ran {
            self.put_off_end(number, now, ran);
        }
        self.extend(number, now, ttl)
    }

    /// Takes an agent's word for how long an attempt has run, once after a start: an agent that lies gains no more than
    /// one attempt's time by it.
    fn put_off_end(&mut self, number: Number, now: Timestamp, ran: Duration) {
        let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) else {
            return;
        };
        let key = (number, lease.attempt);
        if self.is_older_than_the_start(lease.granted) && !self.soft.ends.contains_key(&key) {
            let end = end_by_its_run(lease.granted, lease.ends_by, ran, now);
            self.soft.ends.insert(key, end);
        }
    }

    pub(crate) fn extend(&mut self, number: Number, now: Timestamp, ttl: Duration) -> bool {
        let lease = self.tasks.get(&number).and_then(|task| task.lease());
        let Some((lease, end)) = lease.zip(self.lease_end(number)) else {
            return false;
        };
        let until = (now + ttl.max(lease.ttl)).min(end);
        self.lengthen(number, until);
        self.is_renewable(number, now)
    }

    /// Only the end of a lease moves its expiry earlier.
    fn lengthen(&mut self, number: Number, until: Timestamp) {
        let until = self.expiry(number).map_or(until, |current| until.max(current));
        self.soft.set_expiry(number, until);
    }

    /// The running tasks with an expiry; for `check`.
    pub(crate) fn soft_leases(&self) -> BTreeSet<Number> {
        assert_eq!(
            self.soft.expiries.len(),
            self.soft.by_expiry.len(),
            "each lease has one expiry, kept in two orders"
        );
        self.soft.expiries.keys().copied().collect()
    }

    /// How far the coordinator's time is ahead of the machine's wall clock, as it is after a clock was wrong.
    pub fn ahead_of_wall(&self) -> Duration {
        self.soft.ahead
    }

    /// The same, when the wall clock says `now` how far: never more than at the start.
    pub fn ahead_of_wall_at(&self, now: Duration) -> Duration {
        self.soft.ahead.max(now.min(self.soft.ahead_at_start))
    }

    /// Says how far the coordinator's time is ahead of the wall clock at the start.
    pub fn set_ahead_of_wall(&mut self, ahead: Duration) {
        self.soft.ahead = ahead;
        self.soft.ahead_at_start = ahead;
        self.soft.ahead_seen = ahead;
    }

    /// Looks at the wall clock, which may have been set since the start. Two looks in a row have to find that the time
    /// is less far ahead: one wrong tick of the wall clock proves nothing. When it is as far behind as it was, one is
    /// enough.
    pub fn look_at_wall(&mut self, ahead: Duration) {
        let seen = ahead.min(self.soft.ahead_at_start);
        self.soft.ahead = seen.max(self.soft.ahead_seen);
        self.soft.ahead_seen = seen;
    }

    /// A time of the calendar by the coordinator's clock. What people wait for comes when the wall clock says so.
    pub(crate) fn of_calendar(&self, time: Timestamp) -> Timestamp {
        time + self.soft.ahead
    }

    /// The deadline of a task by the coordinator's clock.
    pub(crate) fn deadline(&self, task: &Task) -> Option<Timestamp> {
        task.times.deadline.map(|deadline| self.of_calendar(deadline))
    }

    /// The time of the calendar now.
    pub(crate) fn calendar(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(millis(self.soft.ahead)))
    }

    /// When an agent was last heard, or could have been: its silence counts from then on.
    pub(crate) fn heard(&self, agent: &AgentId) -> Timestamp {
        let seen = self
            .soft
            .presences
            .get(agent)
            .map_or(Timestamp(0), |presence| presence.seen);
        seen.max(self.soft.deaf_until)
    }

    /// The agents that are lost by `now` because they did not call, and of which that was not told yet.
    pub(crate) fn fallen_silent(&self, now: Timestamp) -> impl Iterator<Item = AgentId> {
        let since = Timestamp(now.0.saturating_sub(millis(self.soft.silence)));
        let proves = !self.soft.silence.is_zero() && self.soft.deaf_until < since;
        let called = self
            .soft
            .by_call
            .iter()
            .take_while(move |(seen, _)| *seen < since);
        let silent = called.map(|(_, agent)| agent).chain(&self.soft.uncalled);
        silent.take_while(move |_| proves).cloned()
    }

    /// When the next agent is lost unless it calls; `None` when no agent is expected to call.
    pub(crate) fn next_silence(&self) -> Option<Timestamp> {
        if self.soft.silence.is_zero() {
            return None;
        }
        let called = self.soft.by_call.first().map(|(seen, _)| *seen);
        let uncalled = self.soft.uncalled.first().map(|_| self.soft.deaf_until);
        let last_word = called
            .into_iter()
            .chain(uncalled)
            .min()?
            .max(self.soft.deaf_until);
        // A live agent may be silent for exactly this long.
        Some(last_word + self.soft.silence + Duration::from_millis(1))
    }

    /// The presence of an agent; `None` when it has not called since the start.
    pub fn presence(&self, agent: &AgentId) -> Option<Presence> {
        self.soft.presences.get(agent).cloned()
    }
}

impl Soft {
    pub(crate) fn set_expiry(&mut self, number: Number, at: Timestamp) {
        if let Some(before) = self.expiries.insert(number, at) {
            self.by_expiry.remove(&(before, number));
        }
        self.by_expiry.insert((at, number));
    }

    pub(crate) fn clear_expiry(&mut self, number: Number) {
        if let Some(before) = self.expiries.remove(&number) {
            self.by_expiry.remove(&(before, number));
        }
        self.renewed.remove(&number);
    }

    /// Notes a call of an agent.
    pub(crate) fn seen(&mut self, agent: &AgentId, now: Timestamp, draining: Option<bool>) {
        if let Some(presence) = self.presences.get_mut(agent) {
            if presence.seen != now {
                self.by_call.remove(&(presence.seen, agent.clone()));
                self.by_call.insert((now, agent.clone()));
            }
            presence.seen = now;
            if presence.draining != draining.unwrap_or(presence.draining) {
                presence.draining = !presence.draining;
            }
        } else {
            let presence = Presence {
                seen: now,
                draining: draining.unwrap_or_default(),
                wants: None,
            };
            self.presences.insert(agent.clone(), presence);
            self.by_call.insert((now, agent.clone()));
            self.uncalled.remove(agent);
        }
    }

    /// Notes that an agent is known to be silent.
    pub(crate) fn await_no_call(&mut self, agent: &AgentId) {
        self.uncalled.remove(agent);
        if let Some(presence) = self.presences.get(agent) {
            self.by_call.remove(&(presence.seen, agent.clone()));
        }
    }

    /// Notes the wishes of a claim. A look at all tasks begins anew with other wishes: what was passed may suit them.
    pub(crate) fn wants(&mut self, agent: &AgentId, wants: &Wants) {
        if let Some(presence) = self.presences.get_mut(agent)
            && presence.wants.as_deref() != Some(wants)
        {
            let before = presence.wants.replace(Arc::new(wants.clone()));
            self.wants_bytes += wants.weight() as u64;
            self.wants_bytes -= before.map_or(0, |before| before.weight() as u64);
            self.clear_scans(agent);
        }
    }

    pub(crate) fn forget_presence(&mut self, agent: &AgentId) {
        self.clear_scans(agent);
        self.uncalled.remove(agent);
        let presence = self.presences.remove(agent);
        if let Some(presence) = &presence {
            self.by_call.remove(&(presence.seen, agent.clone()));
        }
        let wants = presence.and_then(|presence| presence.wants);
        self.wants_bytes -= wants.map_or(0, |wants| wants.weight() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_tick_of_the_wall_clock_does_not_hide_that_the_time_is_ahead() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let mut state = State::default();
        state.set_ahead_of_wall(hours(5));
        let mut after = |seen| {
            state.look_at_wall(hours(seen));
            state.ahead_of_wall()
        };
        assert_eq!([5, 0, 5, 9].map(&mut after), [5, 5, 5, 5].map(hours));
        // It was set right, and then wrong again.
        assert_eq!([0, 0, 4].map(&mut after), [hours(5), hours(0), hours(4)]);
        assert_eq!(state.ahead_of_wall_at(hours(7)), hours(5));
    }
}
