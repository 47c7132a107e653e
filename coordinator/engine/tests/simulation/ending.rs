//! The end of a world: faults stop, every party finishes its work, and then every task must have ended.

use std::time::Duration;

use swarm_engine::{
    command::{
        claim,
        complete::{Complete, Report, Reported},
        register,
    },
    event::Fact,
    id::{AgentId, ReportHash, SessionToken},
    noun::{needs::Wants, rules::Rules, task::TaskState},
    time::Timestamp,
};

use super::{
    fault::{Deed, Habits},
    network::{Body, Party, Request},
    people::relief,
    tasks::{TTL, everything, gpu, proof_of},
    world::World,
};

/// Rounds of an honest agent after which everything must have ended.
const LAST_ROUNDS: usize = 500;

/// The shortest time between two rounds in which nothing is done.
const SHORTEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// Tasks that it claims at once.
const SLOTS: usize = 8;

impl World {
    /// Brings the world to its end.
    pub(crate) fn finish(&mut self) {
        self.coordinator.trace.line(|| "faults stop".to_owned());
        let calm: Habits = self.habits.calm();
        self.habits = calm;
        self.network.clear();
        (self.stopped_until, self.down_until) = (0, 0);
        // The wall clock is set right, and what waits for a time of the calendar can come.
        self.wall_ahead = i64::MAX / 2;
        self.go_on();
        self.sync(usize::MAX);
        for request in relief(self.coordinator.state()) {
            self.take(Party::Nobody, 0, request);
        }
        self.submit_last();
        self.report_last();
        self.work_honestly();
        self.sync(usize::MAX);
        for state in [
            TaskState::Blocked,
            TaskState::Delayed,
            TaskState::Queued,
            TaskState::Running,
        ] {
            let left = self.coordinator.state().counts().of(state);
            assert_eq!(left, 0, "tasks are still {state} at the end");
        }
        let (state, stored) = (self.coordinator.state(), &self.coordinator.stored);
        self.coordinator
            .history
            .check_acknowledged(|task| state.task(task).or_else(|| stored.task(task)).is_some());
        self.coordinator.history.check_skipped();
        self.coordinator.check_fold(&mut self.random);
        for event in &self.coordinator.journal {
            let kind = Fact::KINDS.iter().position(|kind| *kind == event.fact.kind());
            self.tally.events[kind.expect("every kind is listed")] += 1;
        }
    }

    /// Repeats unanswered submits until they are answered.
    fn submit_last(&mut self) {
        for index in 0..self.submitters.len() {
            let Some(sent) = &self.submitters[index].sent else {
                continue;
            };
            let (call, submit) = (sent.call, sent.submit.clone());
            self.take(Party::Submitter(index), call, Request::Submit(submit));
        }
        self.sync(usize::MAX);
        self.boot += 1_000;
        let (habits, random, tally) = (&self.habits, &mut self.random, &mut self.tally);
        let mut arrived = Vec::new();
        while let Some(envelope) = self.network.receive(self.boot, habits, random, tally) {
            arrived.push(envelope);
        }
        for envelope in arrived {
            if let (Body::Answer(answer), Party::Submitter(_)) = (envelope.body, envelope.party) {
                self.tell(envelope.party, envelope.call, answer);
            }
        }
        assert!(
            self.submitters.iter().all(|submitter| submitter.sent.is_none()),
            "a submit has no answer"
        );
    }

    /// Empties every outbox.
    fn report_last(&mut self) {
        let outboxes = self
            .processes
            .iter()
            .chain(self.ended.iter().map(|(process, _)| process));
        let last: Vec<(AgentId, Vec<Report>)> = outboxes
            .map(|process| (process.agent.clone(), process.outbox.clone()))
            .collect();
        for (agent, reports) in last {
            let jitter = self.random.next();
            self.take(
                Party::Nobody,
                0,
                Request::Complete(Complete {
                    agent,
                    reports,
                    jitter,
                    lease_ttl: TTL,
                    started: Timestamp(0),
                }),
            );
        }
    }

    /// Lets an agent that can run every task work until nothing is left.
    fn work_honestly(&mut self) {
        let agent = AgentId::stored("honest");
        let register = register::Register {
            agent: agent.clone(),
            name: "honest".into(),
            labels: gpu(),
            slots: SLOTS as u32,
            executors: everything(),
            rules: Rules::Everything,
            version: "1.0.0".into(),
            held: Vec::new(),
            lease_ttl: TTL,
            jitter: 0,
            token: SessionToken([7; 16]),
            process: None,
        };
        self.take(Party::Nobody, 0, Request::Register(register));
        for _ in 0..LAST_ROUNDS {
            let request = claim::Claim {
                agent: agent.clone(),
                session: self
                    .coordinator
                    .state()
                    .agent(&agent)
                    .expect("it has just registered")
                    .session,
                wants: Wants::default(),
                request_id: "".into(),
                tokens: (0..SLOTS).map(|_| self.random.token()).collect(),
                lease_ttl: TTL,
            };
            let granted = self
                .decide(Deed::Claim, |draft| claim::decide(draft, request))
                .expect("an honest agent is not refused");
            for task in &granted {
                let report = Report {
                    proof: proof_of(task),
                    result: Reported::Success,
                    output: Default::default(),
                    hash: ReportHash(self.random.bytes()),
                };
                let complete = Complete {
                    agent: agent.clone(),
                    reports: vec![report],
                    jitter: 0,
                    lease_ttl: TTL,
                    started: Timestamp(0),
                };
                self.take(Party::Nobody, 0, Request::Complete(complete));
            }
            let now = self.coordinator.now(self.boot);
            let state = self.coordinator.state();
            if state.counts().total() == state.ended().total() {
                break;
            }
            if let Some(next) = state.next_deadline() {
                // The next thing may be that the agent falls silent.
                let pause = (next - now).max(SHORTEST_PAUSE);
                self.boot += u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                self.expire();
            }
            self.sync(usize::MAX);
            self.network.clear();
        }
        self.boot += Duration::from_secs(1).as_millis() as u64;
    }
}
