//! The promises, checked against durable events and the answers to callers.
//!
//! This history knows no state: only events in their order, and the answers between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use swarm_engine::{
    event::{Event, Fact, Subject},
    id::{AgentId, AttemptNumber, GroupName, LeaseToken, QueueName, ReportHash, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::{
        agent::AgentLoss,
        cancelled::CancelledWork,
        hold::Scope,
        lease::Proof,
        outcome::{Blame, Loss, Outcome},
        task::{Condition, End, Task},
    },
    time::Timestamp,
};

use super::inputs::Inputs;

/// The past, as far as the promises are about it.
#[derive(Default)]
pub(crate) struct History {
    epoch: u64,
    lives: BTreeMap<TaskId, Life>,
    /// Acknowledged tasks that were not removed since.
    acknowledged: BTreeSet<TaskId>,
    holds: BTreeSet<Scope>,
    limits: BTreeMap<QueueName, u32>,
    /// The running task of each exclusive group.
    groups: BTreeMap<GroupName, TaskId>,
    running: BTreeMap<QueueName, u32>,
    /// How far the coordinator's time was ahead of the wall clock at its last start.
    ahead: Duration,
    /// Attempts with an accepted outcome, and its report.
    accepted: BTreeMap<(TaskId, AttemptNumber), ReportHash>,
    inputs: Inputs,
    /// Agents that are lost, and why.
    lost: BTreeMap<AgentId, AgentLoss>,
    /// Agents that have no session: they said goodbye, were forgotten or died.
    away: BTreeSet<AgentId>,
}

/// A task, from its submit to its removal.
struct Life {
    record: Arc<Task>,
    needs: Vec<(TaskId, Condition, bool)>,
    granted: Option<Grant>,
    is_leased: bool,
    /// Somebody gave its last attempt up: that one must not go on.
    is_given_up: bool,
    cancel_asked: bool,
    /// Its end in this round.
    end: Option<End>,
    /// What a cancel would have to say of its work.
    work: CancelledWork,
    /// The same before the newest attempt.
    work_before: CancelledWork,
    deadline: Option<Timestamp>,
    /// Its earliest grant.
    due: Timestamp,
    /// Failures of the task itself in this round.
    failures: u32,
    /// Agents that could not start its program in this round.
    not_started: BTreeSet<AgentId>,
    /// Attempts with an outcome; each has one outcome.
    over: BTreeSet<AttemptNumber>,
}

/// The newest grant of a task.
struct Grant {
    attempt: AttemptNumber,
    token: LeaseToken,
    agent: AgentId,
}

impl History {
    pub(crate) fn note(&mut self, event: &Event) {
        self.inputs.note(&event.fact);
        match &event.fact {
            Fact::CoordinatorStarted { epoch, clocks, .. } => {
                self.ahead = clocks
                    .as_ref()
                    .map_or(Duration::ZERO, |clocks| event.time - clocks.wall);
                assert!(*epoch > self.epoch, "epoch {epoch} begins twice");
                self.epoch = *epoch;
            }
            Fact::TaskSubmitted(task) => self.submit(task),
            Fact::LeaseGranted { task, lease } => {
                assert!(
                    !self.away.contains(&lease.agent),
                    "{} is granted to {}, which has no session",
                    task.id,
                    lease.agent
                );
                let life = self.life(task);
                life.work_before = life.work;
                let held = [Scope::Everything, Scope::Agent(lease.agent.clone())];
                assert!(
                    !held.iter().any(|scope| self.holds.contains(scope)),
                    "{} is granted to {} in spite of a hold",
                    task.id,
                    lease.agent
                );
                let queue = self.lives[&task.id].record.queue().clone();
                assert!(
                    !self.holds.contains(&Scope::Queue(queue.clone())),
                    "{} is granted though {queue} is paused",
                    task.id
                );
                self.begin(task, event.time);
                let ahead = self.ahead;
                let life = self.life(task);
                life.may_begin(event.time, ahead);
                let grant = Grant {
                    attempt: lease.attempt,
                    token: lease.token,
                    agent: lease.agent.clone(),
                };
                let before = life.granted.replace(grant);
                assert!(
                    before.is_none_or(|before| before.attempt < lease.attempt),
                    "{}: attempts rise",
                    task.id
                );
            }
            Fact::LeaseResumed { task, agent, .. } => {
                assert!(
                    !self.away.contains(agent),
                    "{agent} is away and goes on with {}",
                    task.id
                );
                assert!(
                    !self.life(task).is_given_up,
                    "{} was given up and goes on",
                    task.id
                );
                self.begin(task, event.time);
            }
            Fact::LeaseExpired { task, cause, due, .. } => {
                let costs = matches!(cause, Loss::Silent | Loss::Overdue | Loss::Died);
                let life = self.life(task);
                assert!(
                    !costs || due.is_none_or(|due| due >= event.time),
                    "{} is due before its loss",
                    task.id
                );
                life.due = due.unwrap_or_default();
                life.is_given_up = *cause == Loss::GivenUp;
                self.stop(task);
            }
            Fact::LeaseReleased {
                task,
                attempt,
                refused,
                ..
            } => {
                self.life(task).finish(*attempt);
                let life = self.life(task);
                // A refusal leaves what became of the attempts before it.
                life.work = match refused {
                    true => life.work_before,
                    false => CancelledWork::Ended,
                };
                self.life(task).due = Timestamp(0);
                self.stop(task);
            }
            Fact::AttemptFailed {
                task,
                attempt,
                agent,
                failure,
                due,
                ..
            } => {
                let life = self.life(task);
                life.finish(*attempt);
                if failure.is_not_started() {
                    life.cannot_start(agent, failure.blame);
                }
                life.due = due.unwrap_or_default();
                life.work = CancelledWork::Failed;
                life.failures += u32::from(failure.blame == Blame::Task);
                assert!(
                    life.failures <= life.record.retry.max_retries + 1,
                    "{} fails {} times of its own in a round",
                    task.id,
                    life.failures
                );
                self.stop(task);
            }
            Fact::TaskSucceeded { task, attempt, .. } => {
                self.life(task).finish(*attempt);
                assert!(
                    !self.life(task).cancel_asked,
                    "{} was to be cancelled and succeeds",
                    task.id
                );
                self.stop(task);
                self.end(task, End::Succeeded);
            }
            Fact::TaskFailed { task, reason } => {
                let life = self.life(task);
                let most = life.record.retry.max_retries + 1;
                assert!(
                    !reason.starts_with("failed ") || life.failures == most,
                    "{} is given up after {} failures of {most}",
                    task.id,
                    life.failures
                );
                let reason = reason.clone();
                self.end(task, End::Failed { reason });
            }
            Fact::CancelRequested { task, .. } => self.life(task).cancel_asked = true,
            Fact::TaskCancelled { task, attempt } => {
                if let Some(attempt) = attempt {
                    self.life(task).finish(attempt.number);
                    let life = self.life(task);
                    life.work = match attempt.outcome {
                        Outcome::Succeeded => CancelledWork::Succeeded,
                        Outcome::Failed(_) => CancelledWork::Failed,
                        Outcome::Released { refused: true, .. } => life.work_before,
                        Outcome::Cancelled | Outcome::Released { .. } => CancelledWork::Ended,
                        Outcome::Lost(_) => CancelledWork::Unknown,
                    };
                }
                self.stop(task);
                self.end(task, End::Cancelled);
            }
            Fact::TaskSkipped { task, because } => {
                let end = self.lives.get(because).and_then(|life| life.end.clone());
                let is_hopeless = |(needed, condition, met): &(TaskId, Condition, bool)| {
                    needed == because && !met && end.as_ref().is_some_and(|end| !meets(*condition, end))
                };
                assert!(
                    self.life(task).needs.iter().any(is_hopeless),
                    "{} is skipped because of {because}, which is {end:?}",
                    task.id
                );
                let because = because.clone();
                self.end(task, End::Skipped { because });
            }
            Fact::TaskRetried { record, .. } => {
                let subject = Subject::of(record);
                let life = self.life(&subject);
                assert!(life.end.is_some(), "{} is retried before its end", record.id);
                life.end = None;
                life.cancel_asked = false;
                life.work = CancelledWork::NotStarted;
                life.work_before = CancelledWork::NotStarted;
                life.failures = 0;
                life.not_started.clear();
                life.due = record.times.not_before.unwrap_or_default();
                life.deadline = record.times.deadline;
            }
            Fact::TaskRemoved { task, .. } => {
                assert!(
                    self.life(task).end.is_some(),
                    "{} is removed before its end",
                    task.id
                );
                let may_want_it = |life: &Life| {
                    let may_run = matches!(life.end, None | Some(End::Skipped { .. }));
                    may_run && life.needs.iter().any(|(needed, ..)| *needed == task.id)
                };
                assert!(
                    !self.lives.values().any(may_want_it),
                    "{} is removed though a task needs it",
                    task.id
                );
                self.lives.remove(&task.id);
                self.acknowledged.remove(&task.id);
                self.accepted.retain(|(accepted, _), _| *accepted != task.id);
            }
            Fact::DependencyMet { task, dependency, .. } => {
                let end = self.lives.get(dependency).and_then(|life| life.end.clone());
                for (needed, condition, met) in &mut self.life(task).needs {
                    if needed == dependency {
                        *met = end.as_ref().is_some_and(|end| meets(*condition, end));
                        assert!(*met, "{} no longer waits for {needed}, which is {end:?}", task.id);
                    }
                }
            }
            Fact::HoldPlaced(hold) => {
                self.holds.insert(hold.scope.clone());
            }
            Fact::HoldLifted { hold, .. } => {
                assert!(
                    self.holds.remove(&hold.scope),
                    "the hold on {} is lifted twice",
                    hold.scope
                );
            }
            Fact::QueueLimited {
                queue, max_running, ..
            } => {
                self.limits.remove(queue);
                self.limits.extend(max_running.map(|most| (queue.clone(), most)));
            }
            Fact::TaskDue { task } => self.life(task).is_due(event.time),
            Fact::JobSubmitted(_) | Fact::JobRemoved { .. } | Fact::TwinRefused { .. } => {}
            Fact::AgentRegistered(agent) => {
                self.lost.remove(&agent.id);
                self.away.remove(&agent.id);
            }
            Fact::AgentRemoved { agent } => {
                self.lost.remove(agent);
                self.away.remove(agent);
            }
            Fact::AgentDeregistered { agent } | Fact::AgentForgotten { agent, .. } => {
                self.lost.remove(agent);
                self.away.insert(agent.clone());
            }
            Fact::AgentLost { agent, cause } => {
                assert!(!self.away.contains(agent), "{agent} is away and is lost");
                let before = self.lost.insert(agent.clone(), *cause);
                assert_ne!(before, Some(*cause), "{agent} is lost twice");
                if *cause == AgentLoss::Died {
                    self.away.insert(agent.clone());
                }
            }
            Fact::AgentReturned { agent } => {
                let before = self.lost.remove(agent);
                assert_eq!(before, Some(AgentLoss::Silent), "{agent} returns");
            }
        }
    }

    fn life(&mut self, task: &Subject) -> &mut Life {
        self.lives
            .get_mut(&task.id)
            .unwrap_or_else(|| panic!("nobody submitted {}", task.id))
    }

    fn submit(&mut self, task: &Arc<Task>) {
        let needs = task.dependencies.iter().map(|each| {
            let end = self.lives.get(&each.task).and_then(|life| life.end.as_ref());
            assert!(
                !each.met || end.is_some_and(|end| meets(each.condition, end)),
                "{} does not wait for {}, which is {end:?}",
                task.id,
                each.task
            );
            (each.task.clone(), each.condition, each.met)
        });
        let life = Life {
            needs: needs.collect(),
            record: task.clone(),
            granted: None,
            is_leased: false,
            is_given_up: false,
            cancel_asked: false,
            end: None,
            work: CancelledWork::NotStarted,
            work_before: CancelledWork::NotStarted,
            deadline: task.times.deadline,
            due: task.times.not_before.unwrap_or_default(),
            failures: 0,
            not_started: BTreeSet::new(),
            over: BTreeSet::new(),
        };
        assert!(
            self.lives.insert(task.id.clone(), life).is_none(),
            "{} is submitted twice",
            task.id
        );
    }

    /// Notes that a lease begins or goes on, and checks that it may.
    fn begin(&mut self, task: &Subject, now: Timestamp) {
        let life = self.life(task);
        assert!(life.end.is_none(), "{} is granted after its end", task.id);
        assert!(!life.is_leased, "{} has two leases at {}", task.id, now.0);
        assert!(!life.cancel_asked, "{} is cancelled and granted", task.id);
        life.is_leased = true;
        life.work = CancelledWork::Unknown;
        let needs = life.record.needs.clone();
        if let Some(group) = &needs.group {
            let holder = self.groups.insert(group.clone(), task.id.clone());
            assert!(holder.is_none(), "{} runs beside {holder:?} of {group}", task.id);
        }
        let queue = &needs.class.queue;
        let running = self.running.entry(queue.clone()).or_default();
        *running += 1;
        assert!(
            self.limits.get(queue).is_none_or(|most| *running <= *most),
            "{running} tasks of {queue} run"
        );
    }

    /// Notes that the lease is over, if there was one.
    fn stop(&mut self, task: &Subject) {
        let life = self.life(task);
        if !std::mem::take(&mut life.is_leased) {
            return;
        }
        let needs = life.record.needs.clone();
        if let Some(group) = &needs.group {
            self.groups.remove(group);
        }
        *self.running.entry(needs.class.queue.clone()).or_default() -= 1;
    }

    fn end(&mut self, task: &Subject, end: End) {
        let life = self.life(task);
        assert!(life.end.is_none(), "{} ends twice in a round", task.id);
        assert!(!life.is_leased, "{} ends and is still leased", task.id);
        assert!(
            !life.cancel_asked || end == End::Cancelled,
            "{} was to be cancelled and ends otherwise",
            task.id
        );
        life.end = Some(end);
    }

    /// Checks an accepted report: it proves the newest grant, and no other report was accepted for it.
    pub(crate) fn accept(&mut self, agent: &AgentId, proof: &Proof, hash: ReportHash) {
        let Some(grant) = self.lives.get(&proof.task).and_then(|life| life.granted.as_ref()) else {
            panic!("a report of {} was accepted, which nobody was given", proof.task);
        };
        assert_eq!(
            (proof.attempt, &grant.agent, proof.token),
            (grant.attempt, agent, Some(grant.token)),
            "a report of {} was accepted that is not about its newest grant ({:?} {})",
            proof.task,
            grant.attempt,
            grant.agent
        );
        let before = self.accepted.insert((proof.task.clone(), proof.attempt), hash);
        assert!(
            before.is_none(),
            "two reports of {} are accepted for attempt {}",
            proof.task,
            proof.attempt.0
        );
    }

    /// Checks a refused report: it was not accepted before, unless its attempt is forgotten by now.
    pub(crate) fn refuse(&self, proof: &Proof, hash: ReportHash) {
        let is_accepted = self.accepted.get(&(proof.task.clone(), proof.attempt)) == Some(&hash);
        let newest = self.lives.get(&proof.task).and_then(|life| life.granted.as_ref());
        let is_remembered =
            newest.is_some_and(|grant| grant.attempt.0 as usize <= FIRST_ATTEMPTS + LAST_ATTEMPTS);
        assert!(
            !(is_accepted && is_remembered),
            "a report of {} was accepted, and refused when it came again",
            proof.task
        );
    }

    /// Checks a confirmed repeat: the same report had been accepted.
    pub(crate) fn repeat(&self, proof: &Proof) {
        let is_known = self
            .lives
            .get(&proof.task)
            .is_some_and(|life| life.over.contains(&proof.attempt));
        assert!(
            is_known,
            "a report of {} was confirmed and is nowhere",
            proof.task
        );
    }

    /// Checks what a record says of a cancelled task's work.
    pub(crate) fn check_cancelled(&self, task: &Task) {
        let known = self.lives.get(&task.id).map(|life| life.work);
        assert_eq!(
            task.cancelled_work(),
            known,
            "{} is cancelled and says something else of its work",
            task.id
        );
    }

    /// Notes that the submitter was told of an accepted task.
    pub(crate) fn acknowledge(&mut self, task: &TaskId) {
        assert!(
            self.lives.contains_key(task),
            "{task} was acknowledged and is not there"
        );
        self.acknowledged.insert(task.clone());
    }

    /// Checks that no task is skipped because of a task that has come back.
    pub(crate) fn check_skipped(&self) {
        for (task, life) in &self.lives {
            if let Some(End::Skipped { because }) = &life.end {
                let end = self.lives.get(because).and_then(|life| life.end.as_ref());
                assert!(
                    end.is_some_and(|end| *end != End::Succeeded),
                    "{task} stays skipped because of {because}, which is {end:?}"
                );
            }
        }
    }

    /// Checks that no acknowledged task is gone.
    pub(crate) fn check_acknowledged(&self, is_kept: impl Fn(&TaskId) -> bool) {
        for task in &self.acknowledged {
            assert!(is_kept(task), "{task} was acknowledged and is lost");
        }
    }
}

impl Life {
    /// Checks that a task was not granted before its time.
    fn is_due(&self, now: Timestamp) {
        assert!(
            now >= self.due,
            "{} is due at {}, not at {}",
            self.record.id,
            self.due.0,
            now.0
        );
    }

    fn may_begin(&self, now: Timestamp, ahead: Duration) {
        self.is_due(now);
        for (needed, _, met) in &self.needs {
            assert!(met, "{} runs before {needed}", self.record.id);
        }
        assert!(
            self.deadline.is_none_or(|deadline| deadline + ahead > now),
            "{} is granted after its deadline",
            self.record.id
        );
    }

    /// Checks who is blamed for a program that could not be started. A second machine clears the first one.
    fn cannot_start(&mut self, agent: &AgentId, blame: Blame) {
        let is_remembered = self
            .granted
            .as_ref()
            .is_some_and(|grant| grant.attempt.0 as usize <= FIRST_ATTEMPTS + LAST_ATTEMPTS);
        let elsewhere = is_remembered && self.not_started.iter().any(|other| other != agent);
        assert!(
            blame == Blame::Task || !elsewhere,
            "{}: {agent} is blamed for what another machine could not start either",
            self.record.id
        );
        self.not_started.insert(agent.clone());
    }

    fn finish(&mut self, attempt: AttemptNumber) {
        assert_eq!(
            self.granted.as_ref().map(|grant| grant.attempt),
            Some(attempt),
            "{}: only the newest attempt has an outcome",
            self.record.id
        );
        assert!(
            self.over.insert(attempt),
            "attempt {} of {} has two outcomes",
            attempt.0,
            self.record.id
        );
    }
}

/// The rule is written here once more because it is a promise.
fn meets(condition: Condition, end: &End) -> bool {
    condition == Condition::Finished || *end == End::Succeeded
}
