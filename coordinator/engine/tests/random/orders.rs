//! What people order: holds, and limits of queues.

use std::time::Duration;

use swarm_engine::{
    command::{hold, limit},
    hold::Scope,
    id::QueueName,
};

use crate::world::World;

impl World {
    pub(crate) fn order(&mut self) {
        match self.random.below(5) {
            0 | 1 => self.place(),
            2 | 3 => self.lift(),
            _ => self.limit(),
        }
    }

    /// Everything goes on, for the end of a world.
    pub(crate) fn lift_all(&mut self) {
        let scopes: Vec<Scope> = self.state.holds().map(|hold| hold.scope.clone()).collect();
        for scope in scopes {
            let request = hold::Lift {
                scope,
                actor: "tester".into(),
            };
            self.decide(|draft| hold::lift(draft, request));
        }
        for queue in ["default", "other"] {
            let request = limit::Limit {
                queue: QueueName::stored(queue),
                max_running: None,
                actor: "tester".into(),
            };
            self.decide(|draft| limit::decide(draft, request));
        }
    }

    fn place(&mut self) {
        let scope = self.scope();
        let timeout = self
            .random
            .one_in(2)
            .then(|| Duration::from_secs(self.random.below(100)));
        let kind = match (&scope, self.random.below(3)) {
            (Scope::Agent(_), 0 | 1) => hold::Wanted::Drain { timeout },
            (Scope::Everything, 0) => hold::Wanted::Stop,
            _ => hold::Wanted::Pause,
        };
        let request = hold::Place {
            scope,
            kind,
            actor: "tester".into(),
            reason: "a test".into(),
        };
        self.decide(|draft| hold::place(draft, request));
    }

    fn lift(&mut self) {
        let known: Vec<Scope> = self.state.holds().map(|hold| hold.scope.clone()).collect();
        let scope = match known.len() as u64 {
            0 => self.scope(),
            count => known[self.random.below(count) as usize].clone(),
        };
        let request = hold::Lift {
            scope,
            actor: "tester".into(),
        };
        self.decide(|draft| hold::lift(draft, request));
    }

    fn limit(&mut self) {
        let request = limit::Limit {
            queue: self.queue(),
            max_running: self.random.one_in(2).then(|| 1 + self.random.below(3) as u32),
            actor: "tester".into(),
        };
        self.decide(|draft| limit::decide(draft, request));
    }

    fn scope(&mut self) -> Scope {
        match self.random.below(4) {
            0 => Scope::Everything,
            1 => Scope::Queue(self.queue()),
            _ => Scope::Agent(self.agent()),
        }
    }

    fn queue(&mut self) -> QueueName {
        QueueName::stored(if self.random.one_in(2) { "default" } else { "other" })
    }
}
