//! The coordinator's door: it decides requests, and notes the promises of their answers.

use swarm_engine::{
    command::{
        cancel,
        complete::{self, Complete, Report, Reported},
        death::{self, Death},
        deregister::{self, Deregister},
        expire,
        forget::{self, Forget},
        hold, limit, prune,
        prune_agents::{self, PruneAgents},
        register::{self, Register},
        release::{self, Release},
        remove,
        renew::{self, Order, Renew},
        retry,
        submit::{self, Submit},
    },
    draft::Draft,
    id::{AgentId, AttemptNumber, Number, ReportHash, SessionToken},
    noun::{
        lease::{Held, Proof},
        process::Process,
    },
    rejection::Rejection,
    time::Timestamp,
};

use super::{
    coordinator::Told,
    fault::Deed,
    network::{Answer, Party, Request},
    people::long_ago,
    tasks::{TTL, proof_of},
    world::World,
};

impl World {
    /// Takes a request; the coordinator is up and awake.
    pub(crate) fn take(&mut self, party: Party, call: u64, request: Request) {
        self.coordinator
            .trace
            .line(|| format!("  decides {call} of {party:?}"));
        let answer = match request {
            Request::Claim(mut claim, count, wait) => {
                claim.tokens = (0..count).map(|_| self.random.token()).collect();
                let (coordinator, tally) = (&mut self.coordinator, &mut self.tally);
                coordinator.claim(self.boot, tally, (party, call), claim, wait);
                None
            }
            Request::Submit(submit) => Some(self.take_submit(submit)),
            Request::Register(register) => Some(self.take_register(register)),
            Request::Renew(renew) => Some(self.take_renew(&renew)),
            Request::Complete(complete) => Some(self.take_complete(complete)),
            Request::Deregister(deregister) => Some(self.take_deregister(deregister)),
            Request::Death(death) => {
                self.take_death(death);
                Some(Answer::Ordered)
            }
            Request::Cancel(tasks) => {
                self.coordinator.recall(&tasks);
                let results = self.decide(Deed::Cancel, |draft| Ok(cancel::decide(draft, &tasks)));
                self.count_refusals(results);
                Some(Answer::Ordered)
            }
            Request::Retry(retries) => {
                self.recall_for(&retries);
                let results = self.decide(Deed::Retry, |draft| Ok(retry::decide(draft, &retries)));
                self.count_refusals(results);
                Some(Answer::Ordered)
            }
            Request::Remove(removals) => {
                self.coordinator
                    .recall(removals.iter().map(|request| &request.task));
                let results = self.decide(Deed::Remove, |draft| Ok(remove::decide(draft, &removals)));
                self.count_refusals(results);
                Some(Answer::Ordered)
            }
            Request::PlaceHold(place) => {
                let _ = self.decide(Deed::Hold, |draft| hold::place(draft, place));
                Some(Answer::Ordered)
            }
            Request::LiftHold(lift) => {
                let _ = self.decide(Deed::Hold, |draft| hold::lift(draft, lift));
                Some(Answer::Ordered)
            }
            Request::Release(release) => {
                self.take_release(&release);
                Some(Answer::Ordered)
            }
            Request::Forget(forget) => {
                self.take_forget(forget);
                Some(Answer::Ordered)
            }
            Request::Limit(limit) => {
                let _ = self.decide(Deed::Limit, |draft| limit::decide(draft, limit));
                Some(Answer::Ordered)
            }
        };
        if let Some(answer) = answer {
            self.coordinator.answer(party, call, answer);
        }
        self.coordinator.serve_waiters(self.boot, &mut self.tally);
    }

    pub(crate) fn decide<T>(
        &mut self,
        deed: Deed,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let result = self.coordinator.decide(self.boot, &mut self.tally, decision);
        if result.is_ok() {
            self.tally.deed(deed);
        }
        result
    }

    fn count_refusals<T>(&mut self, results: Result<Vec<Result<T, Rejection>>, Rejection>) {
        let refused = results.into_iter().flatten().filter(Result::is_err).count();
        self.tally.refused += refused as u64;
    }

    fn take_submit(&mut self, submit: Submit) -> Answer {
        for task in &submit.tasks {
            self.coordinator.recall([&task.id]);
            self.coordinator
                .recall(task.dependencies.iter().map(|(id, _)| id));
        }
        let result = self.decide(Deed::Submit, |draft| submit::decide(draft, submit));
        for accepted in result.iter().flatten() {
            self.coordinator.promise(Told::Acknowledged(accepted.id.clone()));
        }
        Answer::Submitted(result)
    }

    fn take_register(&mut self, register: Register) -> Answer {
        let (agent, named) = (register.agent.clone(), register.held.clone());
        let held: Vec<Proof> = named.iter().map(|held| held.proof.clone()).collect();
        let is_used_twice = self.is_used_twice(&agent, &held);
        let first = self.alive_elsewhere(&agent, register.process.as_ref());
        let decided = self.decide(Deed::Register, |draft| register::decide(draft, register));
        let result = decided.expect("a registration is answered inside");
        if result.is_ok() {
            assert_eq!(
                first, None,
                "{agent} takes the place of a process that is alive elsewhere"
            );
            self.may_overlap |= is_used_twice;
            self.note_renewed(&agent, &named);
            // Two copies of one identity cannot both work.
            for task in self.coordinator.state().leased_to(&agent) {
                assert!(
                    held.contains(&proof_of(task)),
                    "{agent} begins anew without {} and keeps it",
                    task.id
                );
            }
        }
        Answer::Registered(result)
    }

    /// The process that works for this agent at another place and trusts one of its leases, if there is one.
    fn alive_elsewhere(&self, agent: &AgentId, process: Option<&Process>) -> Option<u32> {
        let place = process.map(|process| &process.place);
        let is_live = |proof: &Proof| {
            let mut leases = self.coordinator.state().leased_to(agent);
            leases.any(|task| proof_of(task) == *proof)
        };
        let works = |process: &&super::agent::Process| {
            let mut running = process.running.values();
            running.any(|work| work.trusted_until > self.boot && is_live(&work.proof))
        };
        let mut others = self.processes.iter().filter(|other| other.agent == *agent);
        others
            .find(|other| Some(&other.place().place) != place && works(other))
            .map(|other| other.number)
    }

    /// Whether another process with this identity is at work on a task that this registration does not list, or may yet
    /// be told to be. That process loses the task, and learns of it later.
    fn is_used_twice(&self, agent: &AgentId, held: &[Proof]) -> bool {
        let mut alive = self.processes.iter().filter(|process| process.agent == *agent);
        alive.any(|process| {
            let mut leases = self.coordinator.state().leased_to(agent);
            leases.any(|task| !held.contains(&proof_of(task)) && process.may_work_on(task))
        })
    }

    /// A person may be wrong, and release what a process is still at work on.
    fn take_release(&mut self, release: &Release) {
        self.coordinator.recall([&release.task]);
        let task = self.coordinator.state().task(&release.task).cloned();
        if let Some(task) = task.filter(|task| task.lease().is_some()) {
            self.may_overlap |= self.processes.iter().any(|process| process.may_work_on(&task));
        }
        let result = self.decide(Deed::GiveUp, |draft| release::decide(draft, release));
        if let Ok(released) = result {
            let lease = self
                .coordinator
                .state()
                .task(&release.task)
                .and_then(|task| task.lease());
            assert!(
                lease.is_none_or(|lease| lease.attempt != released.attempt),
                "{} was released and is still leased",
                release.task
            );
        }
    }

    fn take_forget(&mut self, forget: Forget) {
        let agent = forget.agent.clone();
        self.may_overlap |= self.is_used_twice(&agent, &[]);
        let result = self.decide(Deed::GiveUp, |draft| forget::decide(draft, forget));
        assert!(
            result.is_err() || self.coordinator.state().leased_to(&agent).next().is_none(),
            "{agent} was forgotten and keeps a lease"
        );
    }

    fn take_deregister(&mut self, deregister: Deregister) -> Answer {
        let agent = deregister.agent.clone();
        let result = self.decide(Deed::Leave, |draft| deregister::decide(draft, deregister));
        assert!(
            result.is_err() || self.coordinator.state().leased_to(&agent).next().is_none(),
            "{agent} has left and holds leases"
        );
        Answer::Left(result)
    }

    /// A guard says that its agent's process has died; nobody else can say it of a process that lives.
    fn take_death(&mut self, death: Death) {
        let (agent, session) = (death.agent.clone(), death.session);
        self.may_overlap |= self.is_used_twice(&agent, &[]);
        let result = self.decide(Deed::Death, |draft| death::decide(draft, death));
        if result.is_ok() {
            let mut alive = self.processes.iter();
            assert!(
                !alive.any(|process| process.agent == agent && process.session == Some(session)),
                "{agent} is taken for dead and is alive"
            );
            assert!(
                self.coordinator.state().leased_to(&agent).next().is_none(),
                "{agent} is dead and holds leases"
            );
        }
    }

    fn take_renew(&mut self, renew: &Renew) -> Answer {
        let result = self.decide(Deed::Renew, |draft| renew::decide(draft, renew));
        if let Ok(directives) = &result {
            self.note_renewed(&renew.agent, &renew.leases);
            let now = self.coordinator.now(self.boot);
            for (Held { proof, ran: _ }, directive) in renew.leases.iter().zip(directives) {
                let state = self.coordinator.state();
                let task = state.task(&proof.task);
                // An agent that is told to go on trusts the lease for a whole TTL.
                let goes_on = task.and_then(|task| Some((task.lease()?, state.lease_end(task.number)?)));
                let goes_on = goes_on
                    .is_some_and(|(lease, end)| lease.is_proven_by(&renew.agent, proof) && now + TTL <= end);
                assert_eq!(
                    directive.order != Order::Lost,
                    goes_on,
                    "{} is told {:?} about attempt {} of {}",
                    renew.agent,
                    directive.order,
                    proof.attempt.0,
                    proof.task
                );
            }
        }
        Answer::Renewed(result)
    }

    fn note_renewed(&mut self, agent: &AgentId, named: &[Held]) {
        let now = self.coordinator.now(self.boot);
        let running = self.coordinator.up_mut();
        for held in named {
            running.leases.renew(&running.state, agent, held, now);
        }
    }

    fn take_complete(&mut self, complete: Complete) -> Answer {
        self.coordinator
            .recall(complete.reports.iter().map(|report| &report.proof.task));
        let agent = complete.agent.clone();
        let sent = complete
            .reports
            .iter()
            .map(|report| (report.proof.clone(), report.hash, kind(&report.result)));
        let sent: Vec<(Proof, ReportHash, Deed)> = sent.collect();
        let results = self
            .coordinator
            .decide(self.boot, &mut self.tally, |draft| {
                Ok(complete::decide(draft, complete))
            })
            .expect("never refused whole");
        for ((proof, hash, kind), result) in sent.into_iter().zip(&results) {
            match result {
                Ok(accepted) if accepted.already_completed => {
                    self.coordinator.promise(Told::Repeated(proof));
                }
                Ok(_) => {
                    self.tally.deed(kind);
                    self.coordinator
                        .promise(Told::Accepted(agent.clone(), proof, hash));
                }
                Err(_) => {
                    self.tally.refused += 1;
                    self.coordinator.promise(Told::Refused(proof, hash));
                }
            }
        }
        Answer::Reported(results)
    }

    fn recall_for(&mut self, retries: &[retry::Retry]) {
        for request in retries {
            self.coordinator.recall([&request.task]);
            if let Some(record) = self.coordinator.state().task(&request.task).cloned() {
                let unmet = record.unmet_dependencies();
                self.coordinator.recall(unmet.map(|dependency| &dependency.task));
            }
        }
    }

    /// Runs upkeep: it asks to remove some tasks, whether they may go or not.
    pub(crate) fn prune(&mut self) {
        if !self.is_awake() || !self.habits.does(Deed::Prune) {
            return;
        }
        let all = self.coordinator.all();
        let chosen: Vec<_> = all.into_iter().filter(|_| !self.random.one_in(3)).collect();
        self.coordinator.recall(chosen.iter().map(|task| &task.id));
        let request = prune::Prune {
            tasks: chosen.iter().map(|task| task.number).collect(),
            ended_by: long_ago(self.coordinator.now(self.boot)),
        };
        let _ = self.decide(Deed::Prune, |draft| Ok(prune::decide(draft, &request)));
        self.prune_agents();
    }

    /// Asks to remove all agents, whether they may go or not.
    fn prune_agents(&mut self) {
        let now = self.coordinator.now(self.boot);
        let request = PruneAgents {
            agents: self
                .coordinator
                .state()
                .agents()
                .map(|agent| agent.id.clone())
                .collect(),
            heard_by: long_ago(now),
            started: self.coordinator.up().started(),
        };
        let _ = self.decide(Deed::Prune, |draft| Ok(prune_agents::decide(draft, &request)));
    }

    /// Runs the timer when something is due.
    pub(crate) fn expire(&mut self) {
        let now = self.coordinator.now(self.boot);
        if self
            .coordinator
            .state()
            .next_deadline()
            .is_some_and(|next| next <= now)
        {
            let jitter = self.random.next();
            self.coordinator
                .decide(self.boot, &mut self.tally, |draft| expire::decide(draft, jitter))
                .expect("time passing is never refused");
            let running = self.coordinator.up();
            running.leases.check(&running.state);
        }
    }

    /// Sends a request with the proof of a lost lease or of another agent's; false when there is no lease to show.
    pub(crate) fn forge(&mut self) -> bool {
        let running = |number| self.coordinator.stored.task_numbered(number);
        let all: Vec<Number> = match &self.coordinator.running {
            Some(_) if self.is_awake() => self.coordinator.stored.tasks_after(Number(0)),
            _ => return false,
        }
        .filter(|task| task.attempt_count > AttemptNumber(0))
        .map(|task| task.number)
        .collect();
        if all.is_empty() {
            return false;
        }
        let Some(task) = running(all[self.random.index(all.len())]).cloned() else {
            return false;
        };
        let holder = task
            .lease()
            .map(|lease| (lease.agent.clone(), lease.attempt, lease.token))
            .or_else(|| {
                let last = task.attempts.last()?;
                Some((last.agent.clone(), last.number, last.token))
            });
        let Some((mut agent, mut attempt, mut token)) = holder else {
            return false;
        };
        match self.random.below(3) {
            0 => token = self.random.token(),
            1 => attempt = AttemptNumber(attempt.0.wrapping_sub(1)),
            _ => {
                let other = self.names.agent(&mut self.random);
                if other == agent {
                    token = self.random.token();
                }
                agent = other;
            }
        }
        let proof = Proof {
            task: task.id.clone(),
            attempt,
            token: Some(token),
        };
        let session = self.coordinator.state().agent(&agent).map(|agent| agent.session);
        if let Some(session) = session.filter(|_| self.random.one_in(4)) {
            let token = self.random.one_in(2).then(|| SessionToken(self.random.bytes()));
            let death = Death {
                agent,
                session,
                token,
                jitter: 0,
            };
            self.take(Party::Nobody, 0, Request::Death(death));
            return true;
        }
        let request = match session.filter(|_| self.random.one_in(2)) {
            Some(session) => Request::Renew(Renew {
                agent,
                session,
                leases: vec![Held { proof, ran: None }],
                lease_ttl: TTL,
                draining: false,
            }),
            None => Request::Complete(Complete {
                agent,
                reports: vec![Report {
                    proof,
                    result: Reported::Success,
                    output: Default::default(),
                    hash: ReportHash(self.random.bytes()),
                }],
                jitter: 0,
                lease_ttl: TTL,
                started: Timestamp(0),
            }),
        };
        self.take(Party::Nobody, 0, request);
        true
    }
}

fn kind(reported: &Reported) -> Deed {
    match reported {
        Reported::Success | Reported::Cancelled => Deed::Report,
        Reported::Failure { .. } => Deed::Fail,
        Reported::Released { refused: false, .. } => Deed::Release,
        Reported::Released { refused: true, .. } => Deed::Refuse,
    }
}
