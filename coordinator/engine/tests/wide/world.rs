//! One agent, and a state in which it claims what is submitted.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim::{self, Claim},
        complete::{self, Complete, Report, Reported},
        expire,
        hold::{self, LiftHold, PlaceHold, Wanted},
        register::{self, Register},
        retry::{self, Retry},
        submit::{self, NewTask, Submit},
    },
    draft::{Draft, decide},
    id::{AgentId, LeaseToken, QueueName, ReportHash, Session, SessionToken, TaskId},
    limits::{MAX_DECISION_EVENTS, SETTLE_STEP},
    noun::{
        hold::Scope,
        lease::Proof,
        needs::{Bucket, Executor, Needs, Wants},
        outcome::{Blame, Failure},
        rules::Rules,
        task::{Condition, TaskState},
        tries::RetryPolicy,
    },
    rejection::Rejection,
    state::State,
    time::Timestamp,
};

pub(crate) const TTL: Duration = Duration::from_secs(90);

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    tokens: u128,
    pub(crate) session: Session,
}

impl World {
    pub(crate) fn new() -> World {
        let mut world = World {
            state: State::default(),
            now: Timestamp(0),
            tokens: 0,
            session: Session(0),
        };
        world.register();
        world
    }

    /// Runs a decision that must not be refused, and answers with its number of events.
    pub(crate) fn decide<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> (T, usize) {
        let (result, changes) = decide(&mut self.state, self.now, decision);
        assert!(changes.len() <= MAX_DECISION_EVENTS);
        self.state.check().expect("the state holds together");
        (result.expect("nothing here is refused"), changes.len())
    }

    pub(crate) fn submit(&mut self, tasks: Vec<NewTask>) {
        self.decide(|draft| {
            submit::decide(
                draft,
                Submit {
                    tasks,
                    ..Submit::default()
                },
            )
        });
    }

    pub(crate) fn register(&mut self) {
        self.register_with(Rules::Everything);
    }

    pub(crate) fn register_with(&mut self, rules: Rules) {
        self.session = self.introduce(Register {
            rules,
            ..registration(agent())
        });
    }

    /// Registers any agent.
    pub(crate) fn introduce(&mut self, request: Register) -> Session {
        let registered = self.decide(|draft| register::decide(draft, request)).0;
        registered.expect("an agent may register again").session
    }

    pub(crate) fn claim(&mut self, count: usize) -> Vec<Proof> {
        self.claim_for(Wants::default(), count)
    }

    pub(crate) fn claim_for(&mut self, wants: Wants, count: usize) -> Vec<Proof> {
        let request = self.claim_of(agent(), self.session, wants, count);
        let (granted, _) = self.decide(|draft| claim::decide(draft, request));
        let proof = |task: &Arc<swarm_engine::noun::task::Task>| {
            let token = task.lease().map(|lease| lease.token);
            Proof {
                task: task.id.clone(),
                attempt: task.attempt_count,
                token,
            }
        };
        granted.iter().map(proof).collect()
    }

    /// A claim with fresh tokens.
    pub(crate) fn claim_of(&mut self, agent: AgentId, session: Session, wants: Wants, count: usize) -> Claim {
        let tokens = self.tokens..self.tokens + count as u128;
        self.tokens = tokens.end;
        Claim {
            agent,
            session,
            wants,
            request_id: "".into(),
            tokens: tokens.map(|token| LeaseToken(token.to_be_bytes())).collect(),
            lease_ttl: TTL,
        }
    }

    /// Reports the same for all tasks, and answers with the number of events.
    pub(crate) fn complete(&mut self, granted: Vec<Proof>, result: Reported) -> usize {
        let report = |proof| Report {
            proof,
            result: result.clone(),
            output: Arc::default(),
            hash: ReportHash([1; 16]),
        };
        let request = Complete {
            agent: agent(),
            reports: granted.into_iter().map(report).collect(),
            jitter: 0,
            lease_ttl: Duration::from_secs(90),
            started: Timestamp(0),
        };
        let (results, events) = self.decide(|draft| Ok(complete::decide(draft, request)));
        assert!(results.iter().all(Result::is_ok));
        events
    }

    pub(crate) fn retry(&mut self, id: &str) {
        let request = Retry {
            task: TaskId::stored(id),
            revision: None,
        };
        let (results, _) = self.decide(|draft| Ok(retry::decide(draft, &[request])));
        assert!(results.iter().all(Result::is_ok));
    }

    /// Keeps all agents from being given anything.
    pub(crate) fn pause(&mut self) {
        let request = PlaceHold {
            scope: Scope::Everything,
            kind: Wanted::Pause,
            actor: "ann".into(),
            reason: "".into(),
        };
        self.decide(|draft| hold::place(draft, request));
    }

    pub(crate) fn resume(&mut self) {
        let request = LiftHold {
            scope: Scope::Everything,
            actor: "ann".into(),
        };
        self.decide(|draft| hold::lift(draft, request));
    }

    pub(crate) fn expire(&mut self) {
        let (_, events) = self.decide(|draft| expire::decide(draft, 0));
        assert!(events <= SETTLE_STEP);
    }

    /// Lets the engine settle everything, and answers with the number of steps.
    pub(crate) fn settle(&mut self) -> usize {
        let mut steps = 0;
        while self.state.next_deadline().is_some_and(|next| next <= self.now) {
            self.expire();
            steps += 1;
        }
        steps
    }

    pub(crate) fn count(&self, state: TaskState) -> u64 {
        self.state.counts().of(state)
    }
}

pub(crate) fn registration(agent: AgentId) -> Register {
    Register {
        agent,
        name: "laptop".into(),
        labels: BTreeMap::new(),
        slots: 8,
        executors: [Executor::Command].into(),
        rules: Rules::Everything,
        version: "1.0.0".into(),
        held: Vec::new(),
        lease_ttl: TTL,
        jitter: 0,
        token: SessionToken([7; 16]),
        process: None,
    }
}

pub(crate) fn agent() -> AgentId {
    AgentId::stored("laptop")
}

pub(crate) fn task(id: &str, needs: &[&str]) -> NewTask {
    NewTask {
        id: TaskId::stored(id),
        spec: id.as_bytes().into(),
        needs: Needs::command(QueueName::stored("default")),
        bucket: Bucket(0),
        priority: 0,
        dependencies: needs
            .iter()
            .map(|id| (TaskId::stored(id), Condition::Succeeded))
            .collect(),
        retry: RetryPolicy {
            max_retries: 0,
            initial_backoff: TTL.into(),
            max_backoff: TTL.into(),
        },
        timeout: TTL.into(),
        not_before: None,
        delay: None,
        deadline: None,
    }
}

/// A refusal: the agent avoids the task for a while.
pub(crate) fn refusal() -> Reported {
    Reported::Released {
        reason: "consent".into(),
        refused: true,
    }
}

pub(crate) fn failure() -> Reported {
    let (reason, message) = ("exit".into(), "".into());
    let failure = Failure {
        reason,
        blame: Blame::Task,
        message,
        exit_code: Some(1),
        signal: None,
    };
    Reported::Failure {
        failure,
        retry_after: None,
    }
}
