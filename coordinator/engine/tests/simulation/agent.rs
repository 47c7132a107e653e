//! An agent's process in small, with the rules of the real one.
//!
//! It repeats a call until the answer comes. It trusts a lease for less than its length, counted from the call that
//! asked for it. It keeps outcomes on its disk until the coordinator has confirmed them. Its attempts die with it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim::Claim,
        complete::{Complete, Report, Reported},
        death::Death,
        deregister::Deregister,
        register::Register,
        renew::{Order, Renew},
    },
    id::{AgentId, AttemptNumber, GroupName, ReportHash, Session, SessionToken, TaskId},
    noun::{
        lease::{Held, Proof},
        needs::{Executor, Shard, Wants},
        outcome::{Blame, Failure, NOT_STARTED},
        rules::{Program, Rules},
        task::Task,
    },
    rejection::Rejection,
    time::Timestamp,
};

use super::{
    fault::{Deed, Habits},
    inputs::output,
    network::{Answer, Request},
    random::Random,
    tasks::{TTL, everything, gpu, millis, proof_of, queue},
};

/// A call without an answer is repeated after this time, in milliseconds.
const CALL_TIMEOUT: u64 = 40_000;

/// The time by which the trust in a lease ends before the lease.
const MARGIN: u64 = 10_000;

/// The longest wait of a claim.
const CLAIM_WAIT: Duration = Duration::from_secs(20);

/// Deeds that a process tries in a step until it can do one.
const TRIES: usize = 3;

/// Outcomes in one delivery.
const DELIVERED: usize = 3;

/// See the module.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) agent: AgentId,
    pub(crate) is_twin: bool,
    /// Where its disk is: a process that is started again finds it there, and a twin has a copy elsewhere.
    pub(crate) place: u32,
    is_gifted: bool,
    /// Its owner lets it run git, and nothing else.
    is_strict: bool,
    slots: usize,
    pub(crate) session: Option<Session>,
    /// Proves that it has the session; its guard has it, too.
    token: Option<SessionToken>,
    pub(crate) running: BTreeMap<(TaskId, AttemptNumber), Work>,
    /// The outcomes on its disk.
    pub(crate) outbox: Vec<Report>,
    calls: [Option<Out>; CALLS],
    /// It is stopped until this time of the machine, in milliseconds.
    pub(crate) paused_until: u64,
    is_leaving: bool,
}

/// An attempt at work.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) proof: Proof,
    /// When it was taken up.
    begun: u64,
    pub(crate) group: Option<GroupName>,
    pub(crate) trusted_until: u64,
}

#[derive(Clone)]
struct Out {
    call: u64,
    sent: u64,
    /// The time of the first try: the granted leases are trusted from then on.
    begun: u64,
    request: Request,
}

/// The kinds of calls: of each kind one call is under way.
const REGISTER: usize = 0;
const CLAIM: usize = 1;
const RENEW: usize = 2;
const DELIVER: usize = 3;
const LEAVE: usize = 4;
const CALLS: usize = 5;

/// The fate of a process after an answer.
pub(crate) enum After {
    GoesOn,
    /// It exits: another process has its identity, or it has said goodbye.
    Exits,
}

/// The world around a process while it acts.
pub(crate) struct Moment<'a> {
    pub(crate) boot: u64,
    pub(crate) random: &'a mut Random,
    pub(crate) habits: &'a Habits,
    /// The number of the next call.
    pub(crate) call: u64,
}

impl Process {
    pub(crate) fn new(number: u32, agent: AgentId, outbox: Vec<Report>, random: &mut Random) -> Process {
        Process {
            number,
            agent,
            is_twin: false,
            place: number,
            is_gifted: random.one_in(2),
            is_strict: random.one_in(3),
            slots: 1 + random.index(3),
            session: None,
            token: None,
            running: BTreeMap::new(),
            outbox,
            calls: [const { None }; CALLS],
            paused_until: 0,
            is_leaving: false,
        }
    }

    /// A second process with a copy of this process's disk.
    pub(crate) fn twin(&self, number: u32, random: &mut Random) -> Process {
        Process {
            is_twin: true,
            ..Process::new(number, self.agent.clone(), self.outbox.clone(), random)
        }
    }

    /// Does one thing, and sends its message.
    pub(crate) fn act(&mut self, moment: &mut Moment<'_>) -> Option<Request> {
        self.end_untrusted(moment);
        if let Some(again) = self.call_again(moment) {
            return Some(again);
        }
        if self.session.is_none() {
            return self.send(REGISTER, self.registration(moment), moment);
        }
        (0..TRIES).find_map(|_| match moment.random.below(10) {
            0..=2 => self.send(RENEW, self.renewal(moment.boot)?, moment),
            3..=4 => self.send(CLAIM, self.claim(moment)?, moment),
            5..=6 => {
                self.finish_one(moment);
                None
            }
            7..=8 => self.send(DELIVER, self.delivery(moment)?, moment),
            _ => self.leave(moment),
        })
    }

    fn send(&mut self, kind: usize, request: Request, moment: &Moment<'_>) -> Option<Request> {
        if self.calls[kind].is_some() {
            return None;
        }
        self.calls[kind] = Some(Out {
            call: moment.call,
            sent: moment.boot,
            begun: moment.boot,
            request: request.clone(),
        });
        Some(request)
    }

    /// Repeats a call that was not answered in time. A claim keeps its request id; held leases are listed anew.
    fn call_again(&mut self, moment: &Moment<'_>) -> Option<Request> {
        let late = |out: &Option<Out>| {
            out.as_ref()
                .is_some_and(|out| moment.boot - out.sent > CALL_TIMEOUT)
        };
        let kind = self.calls.iter().position(late)?;
        let request = match kind {
            RENEW => {
                self.calls[RENEW] = None;
                return None;
            }
            REGISTER => {
                self.calls[REGISTER] = None;
                return None;
            }
            _ => self.calls[kind].as_ref()?.request.clone(),
        };
        let out = self.calls[kind].as_mut()?;
        (out.call, out.sent) = (moment.call, moment.boot);
        Some(request)
    }

    fn registration(&self, moment: &mut Moment<'_>) -> Request {
        Request::Register(Register {
            agent: self.agent.clone(),
            name: self.agent.as_str().into(),
            labels: if self.is_gifted { gpu() } else { BTreeMap::new() },
            slots: self.slots as u32,
            executors: if self.is_gifted {
                everything()
            } else {
                [Executor::Command].into()
            },
            rules: if self.is_strict {
                Rules::programs(&["gi?"])
            } else {
                Rules::Everything
            },
            version: "1.0.0".into(),
            held: self.held(moment.boot),
            lease_ttl: TTL,
            jitter: moment.random.next(),
            token: SessionToken(moment.random.bytes()),
            process: Some(self.place()),
        })
    }

    /// Where it says that it runs.
    pub(crate) fn place(&self) -> swarm_engine::noun::process::Process {
        swarm_engine::noun::process::Process {
            host: format!("host {}", self.place).into(),
            place: self.place.to_string().into(),
        }
    }

    fn held(&self, boot: u64) -> Vec<Held> {
        let running = self.running.values().map(|work| Held {
            proof: work.proof.clone(),
            ran: Some(Duration::from_millis(boot - work.begun)),
        });
        let reported = self.outbox.iter().map(|report| Held {
            proof: report.proof.clone(),
            ran: None,
        });
        running.chain(reported).collect()
    }

    fn renewal(&self, boot: u64) -> Option<Request> {
        Some(Request::Renew(Renew {
            agent: self.agent.clone(),
            session: self.session?,
            leases: self.held(boot),
            lease_ttl: TTL,
            draining: self.is_leaving,
        }))
    }

    fn claim(&self, moment: &mut Moment<'_>) -> Option<Request> {
        if self.running.len() >= self.slots || self.is_leaving {
            return None;
        }
        let random = &mut *moment.random;
        let wants = match random.below(10) {
            0..=1 => Wants {
                queues: [queue(true)].into(),
                ..Wants::default()
            },
            2..=3 => Wants {
                shard: Some(Shard {
                    count: 3,
                    index: random.one_in(2).then(|| random.below(3) as u16),
                }),
                scan_limit: random.below(4) as u32,
                ..Wants::default()
            },
            4 => Wants {
                scan_limit: 1 + random.below(3) as u32,
                ..Wants::default()
            },
            _ => Wants::default(),
        };
        let claim = Claim {
            agent: self.agent.clone(),
            session: self.session?,
            wants,
            request_id: format!("{}", moment.call).into(),
            tokens: Vec::new(),
            lease_ttl: TTL,
        };
        let free = (self.slots - self.running.len()) as u64;
        let wait = if random.one_in(3) {
            Duration::ZERO
        } else {
            CLAIM_WAIT
        };
        Some(Request::Claim(claim, free, wait))
    }

    fn delivery(&self, moment: &mut Moment<'_>) -> Option<Request> {
        if self.outbox.is_empty() {
            return None;
        }
        Some(Request::Complete(Complete {
            agent: self.agent.clone(),
            reports: self.outbox.iter().take(DELIVERED).cloned().collect(),
            jitter: moment.random.next(),
            lease_ttl: TTL,
            started: Timestamp(0),
        }))
    }

    /// Ends its attempts, delivers their outcomes, and says goodbye, because its owner wants that.
    fn leave(&mut self, moment: &mut Moment<'_>) -> Option<Request> {
        self.is_leaving |= moment.habits.does(Deed::Leave) && moment.random.one_in(20);
        if !self.is_leaving {
            return None;
        }
        for key in self.running.keys().cloned().collect::<Vec<_>>() {
            self.report(&key, released("the agent is leaving"), moment);
        }
        if !self.outbox.is_empty() || self.calls[CLAIM].is_some() {
            return None;
        }
        let request = Request::Deregister(Deregister {
            agent: self.agent.clone(),
            session: self.session?,
            jitter: moment.random.next(),
        });
        self.send(LEAVE, request, moment)
    }

    /// Lets an attempt end by itself.
    fn finish_one(&mut self, moment: &mut Moment<'_>) {
        if self.running.is_empty() {
            return;
        }
        let index = moment.random.index(self.running.len());
        let key = self.running.keys().nth(index).cloned();
        let result = outcome(moment);
        if let Some(key) = key {
            self.report(&key, result, moment);
        }
    }

    /// Ends an attempt and puts its outcome on the disk.
    fn report(&mut self, key: &(TaskId, AttemptNumber), result: Reported, moment: &mut Moment<'_>) {
        let Some(work) = self.running.remove(key) else {
            return;
        };
        let hash = ReportHash(moment.random.bytes());
        self.outbox.push(Report {
            proof: work.proof,
            result,
            output: Arc::new(output(hash)),
            hash,
        });
    }

    /// Ends attempts that must never overlap with others, as soon as their leases are not trusted any more.
    pub(crate) fn end_untrusted(&mut self, moment: &mut Moment<'_>) {
        let untrusted = self
            .running
            .iter()
            .filter(|(_, work)| work.group.is_some() && work.trusted_until <= moment.boot);
        for key in untrusted.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.report(&key, released("nothing was heard of the coordinator"), moment);
        }
    }

    /// Whether it is at work on a task, or waits for an answer that may give it the task.
    pub(crate) fn may_work_on(&self, task: &Task) -> bool {
        let works = self.running.values();
        works.map(|work| &work.proof.task).any(|id| *id == task.id) || self.calls[CLAIM].is_some()
    }

    /// What its guard says after its death; nothing when it had no session.
    pub(crate) fn death(&self, random: &mut Random) -> Option<Request> {
        Some(Request::Death(Death {
            agent: self.agent.clone(),
            session: self.session?,
            token: self.token,
            jitter: random.next(),
        }))
    }

    /// Takes an answer, if the process still waits for it.
    pub(crate) fn hear(&mut self, call: u64, answer: Answer, moment: &mut Moment<'_>) -> After {
        self.end_untrusted(moment);
        let is_it = |out: &Option<Out>| out.as_ref().is_some_and(|out| out.call == call);
        let Some(out) = self
            .calls
            .iter()
            .position(is_it)
            .and_then(|kind| self.calls[kind].take())
        else {
            return After::GoesOn;
        };
        let refusal = match answer {
            Answer::Registered(Ok(registered)) => {
                self.session = Some(registered.session);
                if let Request::Register(register) = &out.request {
                    self.token = Some(register.token);
                }
                for proof in registered.lost {
                    self.running.remove(&(proof.task, proof.attempt));
                }
                return After::GoesOn;
            }
            Answer::Granted(Ok(tasks)) => {
                for task in tasks {
                    self.check_fit(&task, &out.request);
                    let work = Work {
                        proof: proof_of(&task),
                        begun: moment.boot,
                        group: task.needs.group.clone(),
                        trusted_until: out.begun + millis(TTL) - MARGIN,
                    };
                    self.take_up(work, moment);
                }
                return After::GoesOn;
            }
            Answer::Renewed(Ok(directives)) => {
                for directive in directives {
                    let key = (directive.task, directive.attempt);
                    self.obey(&key, directive.order, out.sent, moment);
                }
                return After::GoesOn;
            }
            Answer::Reported(results) => {
                let Request::Complete(complete) = out.request else {
                    return After::GoesOn;
                };
                // Refused reports are set aside and accepted ones confirmed: neither is sent again.
                let sent: Vec<ReportHash> = complete.reports.iter().map(|report| report.hash).collect();
                assert_eq!(results.len(), sent.len(), "each report has its answer");
                self.outbox.retain(|report| !sent.contains(&report.hash));
                return After::GoesOn;
            }
            Answer::Left(Ok(())) => return After::Exits,
            Answer::Registered(Err(refusal))
            | Answer::Granted(Err(refusal))
            | Answer::Renewed(Err(refusal))
            | Answer::Left(Err(refusal)) => refusal,
            Answer::Submitted(_) | Answer::Ordered => return After::GoesOn,
        };
        match refusal {
            Rejection::AgentReplaced(_) => After::Exits,
            Rejection::AgentElsewhere { .. } if moment.random.one_in(2) => After::Exits,
            _ => {
                self.session = None;
                After::GoesOn
            }
        }
    }

    /// A granted task is one that it asked for and can do.
    fn check_fit(&self, task: &Task, request: &Request) {
        let Request::Claim(claim, ..) = request else {
            return;
        };
        let class = &task.needs.class;
        let is_able = self.is_gifted || (class.executor == Executor::Command && class.selector.is_empty());
        let is_wanted = claim.wants.queues.is_empty() || claim.wants.queues.contains(&class.queue);
        let shard = claim.wants.shard.filter(|shard| shard.index.is_some());
        let is_own = shard.is_none_or(|shard| Some(shard.index_of(task.bucket)) == shard.index);
        let is_allowed = !self.is_strict
            || class.executor != Executor::Command
            || task.needs.program == Program::named("git");
        assert!(
            is_able && is_wanted && is_own && is_allowed,
            "{} is given {}, which it cannot do or did not ask for",
            self.agent,
            task.id
        );
    }

    fn take_up(&mut self, work: Work, moment: &mut Moment<'_>) {
        let key = (work.proof.task.clone(), work.proof.attempt);
        let is_known =
            self.running.contains_key(&key) || self.outbox.iter().any(|report| report.proof == work.proof);
        if is_known {
            return;
        }
        let is_late = work.group.is_some() && work.trusted_until <= moment.boot;
        self.running.insert(key.clone(), work);
        if is_late || self.is_leaving {
            self.report(&key, released("it came too late"), moment);
        }
    }

    fn obey(&mut self, key: &(TaskId, AttemptNumber), order: Order, sent: u64, moment: &mut Moment<'_>) {
        let Some(work) = self.running.get_mut(key) else {
            return;
        };
        if order != Order::Lost {
            work.trusted_until = work.trusted_until.max(sent + millis(TTL) - MARGIN);
        }
        match order {
            Order::Continue => {}
            // A success may have crossed the order.
            Order::Cancel if moment.random.one_in(3) => self.report(key, Reported::Success, moment),
            Order::Cancel => self.report(key, Reported::Cancelled, moment),
            Order::Release => self.report(key, released("told to"), moment),
            Order::Lost => {
                self.running.remove(key);
            }
        }
    }
}

fn released(reason: &str) -> Reported {
    Reported::Released {
        reason: reason.into(),
        refused: false,
    }
}

fn outcome(moment: &mut Moment<'_>) -> Reported {
    let random = &mut *moment.random;
    match random.below(8) {
        3..=5 if moment.habits.does(Deed::Fail) => Reported::Failure {
            failure: failure(random),
            retry_after: random.one_in(4).then(|| Duration::from_secs(random.below(100))),
        },
        6 if moment.habits.does(Deed::Release) => released("busy"),
        7 if moment.habits.does(Deed::Refuse) => Reported::Released {
            reason: "not here".into(),
            refused: true,
        },
        _ => Reported::Success,
    }
}

fn failure(random: &mut Random) -> Failure {
    let (reason, blame, exit_code) = [
        ("exit", Blame::Task, Some(1)),
        ("exit", Blame::Machine, Some(127)),
        (NOT_STARTED, Blame::Machine, None),
        ("workspace", Blame::Machine, None),
        ("quota", Blame::Provider, None),
    ][random.index(5)];
    Failure {
        reason: reason.into(),
        blame,
        message: "".into(),
        exit_code,
        signal: None,
    }
}
