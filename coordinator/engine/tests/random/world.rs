//! A random world: what happens in it, how its faults end, and what must hold then.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim,
        complete::{Report, Reported},
        expire, register, start,
    },
    draft::{Draft, decide},
    event::Event,
    id::{AgentId, Number, ReportHash, Session, TaskId},
    lease::Proof,
    needs::Wants,
    rejection::Rejection,
    state::State,
    task::{Task, TaskState},
    time::Timestamp,
};

use crate::{Random, Rerun, history::History, requests::TTL, shelf::Shelf};

const STEPS: usize = 250;

/// Rounds of an honest agent after which everything must have ended.
const LAST_ROUNDS: usize = 500;

/// A coordinator, its agents, and what is under way between them.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
    pub(crate) history: History,
    /// What agents were ever given.
    pub(crate) held: Vec<(AgentId, Proof)>,
    /// Reports under way; one may arrive in any order, and more than once.
    pub(crate) reports: Vec<(AgentId, Report)>,
    pub(crate) refused: usize,
    /// What the state has forgotten; `None` in a world that forgets nothing.
    shelf: Option<Shelf>,
}

impl World {
    pub(crate) fn run(seed: u64, forgets: bool) -> World {
        let _rerun = Rerun(seed);
        let mut world = World {
            random: Random { seed, drawn: 0 },
            state: State::default(),
            now: Timestamp(1_000),
            events: Vec::new(),
            history: History::default(),
            held: Vec::new(),
            reports: Vec::new(),
            refused: 0,
            shelf: forgets.then(|| Shelf::new(seed)),
        };
        world.restart();
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
        world.check_fold();
        world
    }

    fn step(&mut self) {
        match self.random.below(28) {
            0..=2 => self.submit(),
            3..=4 => self.register(),
            5..=9 => self.claim(),
            10..=12 => self.renew(),
            13..=17 => self.report(),
            18 => self.cancel(),
            19 => self.retry(),
            20 => self.deregister(),
            21 => self.prune(),
            22..=23 => self.order(),
            24 if self.random.one_in(3) => self.restart(),
            _ => self.pass_time(),
        }
    }

    pub(crate) fn decide<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Option<T> {
        let (result, changes) = decide(&mut self.state, self.now, decision);
        for change in changes {
            self.history.note(&change.event);
            self.events.push(change.event);
        }
        self.state
            .check()
            .unwrap_or_else(|fault| panic!("after seq {}: {fault}", self.state.seq().0));
        self.refused += usize::from(result.is_err());
        if let Some(shelf) = &mut self.shelf {
            shelf.forget_some(&mut self.state);
            self.state
                .check()
                .unwrap_or_else(|fault| panic!("after seq {} and forgetting: {fault}", self.state.seq().0));
        }
        result.ok()
    }

    /// Brings back what a request names.
    pub(crate) fn recall<'a>(&mut self, ids: impl IntoIterator<Item = &'a TaskId>) {
        if let Some(shelf) = &mut self.shelf {
            shelf.recall(&mut self.state, ids);
        }
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        self.shelf.as_ref().expect("a world that forgets has a shelf")
    }

    /// Every kept task.
    pub(crate) fn all(&self) -> BTreeMap<Number, Arc<Task>> {
        match &self.shelf {
            Some(shelf) => shelf.all(&self.state),
            None => Shelf::new(0).all(&self.state),
        }
    }

    fn pass_time(&mut self) {
        let most = if self.random.one_in(10) { 1_000_000 } else { 60_000 };
        self.now = self.now + Duration::from_millis(self.random.below(most));
        let jitter = self.random.next();
        self.decide(|draft| expire::decide(draft, jitter));
    }

    fn restart(&mut self) {
        self.state = self.loaded();
        self.state.grace(self.now, TTL);
        let (cluster_id, history) = ("cluster".into(), "history".into());
        let request = start::Start {
            version: "1.0.0".into(),
            cluster_id,
            history,
            new_history: None,
        };
        self.decide(|draft| start::decide(draft, request));
    }

    /// Faults stop, and one honest agent works on: everything ends.
    fn finish(&mut self) {
        self.lift_all();
        let agent = AgentId::stored("honest");
        let register = register::Register {
            agent: agent.clone(),
            name: "honest".into(),
            labels: crate::requests::gpu(),
            slots: 8,
            executors: crate::requests::everything(),
            version: "1.0.0".into(),
            held: Vec::new(),
            lease_ttl: TTL,
            jitter: 0,
        };
        self.decide(|draft| register::decide(draft, register));
        for _ in 0..LAST_ROUNDS {
            let tokens = (0..8).map(|_| self.random.token()).collect();
            let granted = self.take(claim::Claim {
                agent: agent.clone(),
                session: Session(1),
                wants: Wants::default(),
                request_id: "".into(),
                tokens,
                lease_ttl: TTL,
            });
            for (agent, proof) in self.held.split_off(self.held.len() - granted) {
                let hash = ReportHash(self.random.token().0);
                self.complete(
                    agent,
                    Report {
                        proof,
                        result: Reported::Success,
                        output: Arc::default(),
                        hash,
                    },
                );
            }
            match self.state.next_deadline() {
                Some(next) => self.now = self.now.max(next),
                None if granted == 0 => break,
                None => {}
            }
            self.decide(|draft| expire::decide(draft, 0));
        }
        for state in [
            TaskState::Blocked,
            TaskState::Delayed,
            TaskState::Queued,
            TaskState::Running,
        ] {
            assert_eq!(
                self.state.counts().of(state),
                0,
                "tasks are still {state} at the end"
            );
        }
    }

    /// Replaying the events gives the records again, also when tasks are forgotten on the way.
    fn check_fold(&self) {
        let mut replayed = State::default();
        self.events.iter().for_each(|event| replayed.apply(event));
        replayed.check().expect("a replayed state holds together");
        self.check_same(&replayed, replayed.records().tasks);

        let mut replayed = State::default();
        let mut shelf = Shelf::new(self.random.seed + 1);
        for event in &self.events {
            replayed.apply(event);
            shelf.note(event);
            shelf.forget_some(&mut replayed);
        }
        let missing = replayed.missing();
        shelf.recall(&mut replayed, &missing);
        replayed
            .check()
            .expect("a state that forgot while it was replayed holds together");
        self.check_same(&replayed, shelf.all(&replayed).into_values().collect());
    }

    fn check_same(&self, replayed: &State, tasks: Vec<Arc<Task>>) {
        assert!(tasks.iter().eq(self.all().values()), "tasks differ");
        assert_eq!(replayed.counts(), self.state.counts());
        assert!(
            replayed
                .jobs_after(Number(0))
                .eq(self.state.jobs_after(Number(0))),
            "jobs differ"
        );
        for job in replayed.jobs_after(Number(0)) {
            assert_eq!(replayed.job_counts(&job.id), self.state.job_counts(&job.id));
        }
        assert!(replayed.agents().eq(self.state.agents()), "agents differ");
        assert_eq!(replayed.identity(), self.state.identity());
    }

    fn loaded(&self) -> State {
        State::load(self.state.records())
    }
}
