//! Applying events: the only code that changes records and their indexes.
//!
//! It runs after a decision and at start-up alike. It is total: an event that
//! contradicts the state is a bug of ours and ends the process.

use std::sync::Arc;

use crate::{
    event::{Event, Fact, Subject},
    id::{AttemptNumber, JobId, ReportHash, Seq, TaskId},
    noun::{
        agent::{Agent, AgentLoss},
        attempt::Attempt,
        counts::Counts,
        cut::Cut,
        hold::Scope,
        lease::Lease,
        outcome::{Outcome, Output},
        process::Twin,
        queue::QueueLimit,
        task::{End, Phase, Task, TaskState},
    },
    state::{Identity, State},
    time::Timestamp,
};

impl State {
    /// Changes the state by the next event.
    ///
    /// # Panics
    ///
    /// When the event is not the next one or contradicts the state: then the journal or the engine is broken.
    pub fn apply(&mut self, event: &Event) {
        assert_eq!(
            event.seq,
            self.seq.next(),
            "events are applied in order, each once"
        );
        self.seq = event.seq;
        self.time = match &event.fact {
            Fact::CoordinatorStarted {
                sets_time_back: true, ..
            } => event.time,
            _ => self.time.max(event.time),
        };
        let (seq, time) = (event.seq, event.time);
        match &event.fact {
            Fact::CoordinatorStarted {
                epoch,
                cluster_id,
                history,
                version: _,
                clocks,
                sets_time_back: _,
            } => {
                self.identity = Some(Identity {
                    epoch: *epoch,
                    cluster_id: cluster_id.clone(),
                    history: history.clone(),
                    started: time,
                    clocks: clocks.clone(),
                });
                self.derived.ready.begin_round();
            }
            Fact::JobSubmitted(job) => self.put_job(job.clone()),
            Fact::TaskSubmitted(task) => {
                let before = self.numbers.insert(task.id.clone(), task.number);
                assert!(before.is_none(), "task {} is submitted once", task.id);
                self.tasks.insert(task.number, task.clone());
                self.index(task);
                self.note_unfinished(task);
            }
            Fact::DependencyMet {
                task,
                dependency,
                unmet: _,
                cut,
            } => self.meet(task, dependency, *cut, seq),
            Fact::TaskDue { task } => self.change(task, seq, |task| match &mut task.phase {
                Phase::Pending { due } => *due = None,
                _ => panic!("only a pending task becomes due"),
            }),
            Fact::LeaseGranted { task, lease } => {
                self.change(task, seq, |task| {
                    assert_eq!(task.state(), TaskState::Queued, "only a queued task is granted");
                    assert!(lease.attempt > task.attempt_count, "attempts only rise");
                    task.attempt_count = lease.attempt;
                    task.phase = Phase::Running(Box::new(lease.clone()));
                });
                if let Some(task) = self.tasks.get(&task.number) {
                    self.derived.ready.end_turn(task.queue());
                }
            }
            Fact::LeaseExpired {
                task,
                attempt,
                cause,
                due,
                agent,
            } => self.change(task, seq, |task| {
                task.end_attempt(*attempt, Outcome::Lost(*cause), None, &Output::default(), time);
                task.tries.charge_loss(*cause, agent);
                task.phase = Phase::Pending { due: *due };
            }),
            Fact::LeaseResumed {
                task,
                attempt,
                agent: _,
            } => self.change(task, seq, |task| {
                task.tries = task.tries_without_loss().into();
                let lost = task.attempts.pop().expect("a resumed lease was lost before");
                assert_eq!(lost.number, *attempt, "the newest attempt is resumed");
                task.phase = Phase::Running(Box::new(Lease {
                    attempt: lost.number,
                    agent: lost.agent,
                    token: lost.token,
                    request_id: lost.request_id,
                    granted: lost.granted,
                    ttl: lost.ttl,
                    ends_by: lost.ends_by,
                    cancel_asked: false,
                }));
            }),
            Fact::LeaseReleased {
                task,
                attempt,
                reason,
                refused,
                report,
                agent: _,
            } => {
                self.change(task, seq, |task| {
                    let outcome = Outcome::Released {
                        reason: reason.clone(),
                        refused: *refused,
                    };
                    task.end_attempt(*attempt, outcome, Some(*report), &Output::default(), time);
                    task.phase = Phase::Pending { due: None };
                });
            }
            Fact::AttemptFailed {
                task,
                attempt,
                agent,
                failure,
                due,
                report,
                output,
            } => {
                self.change(task, seq, |task| {
                    let outcome = Outcome::Failed(failure.clone());
                    task.end_attempt(*attempt, outcome, Some(*report), output, time);
                    task.tries.charge_failure(failure.blame, agent);
                    task.phase = Phase::Pending { due: *due };
                });
            }
            Fact::TaskSucceeded {
                task,
                attempt,
                report,
                output,
                agent: _,
                late: _,
            } => {
                self.change(task, seq, |task| {
                    task.end_attempt(*attempt, Outcome::Succeeded, Some(*report), output, time);
                    task.phase = Phase::ended(End::Succeeded, time);
                });
            }
            Fact::TaskFailed { task, reason } => self.change(task, seq, |task| {
                assert!(
                    matches!(task.phase, Phase::Pending { .. }),
                    "only a pending task fails"
                );
                task.phase = Phase::ended(
                    End::Failed {
                        reason: reason.clone(),
                    },
                    time,
                );
            }),
            Fact::CancelRequested {
                task,
                attempt,
                agent: _,
            } => self.change(task, seq, |task| {
                let Phase::Running(lease) = &mut task.phase else {
                    panic!("only a running task is asked to cancel")
                };
                assert_eq!(lease.attempt, *attempt, "the running attempt is asked to cancel");
                lease.cancel_asked = true;
            }),
            Fact::TaskCancelled { task, attempt } => self.change(task, seq, |task| {
                if let Some(ended) = attempt {
                    task.end_attempt(
                        ended.number,
                        ended.outcome.clone(),
                        ended.report,
                        &ended.output,
                        time,
                    );
                }
                assert!(task.end().is_none(), "an ended task is not cancelled");
                task.phase = Phase::ended(End::Cancelled, time);
            }),
            Fact::TaskSkipped { task, because } => self.change(task, seq, |task| {
                assert!(
                    matches!(task.phase, Phase::Pending { .. }),
                    "only a pending task is skipped"
                );
                task.phase = Phase::ended(
                    End::Skipped {
                        because: because.clone(),
                    },
                    time,
                );
            }),
            Fact::TaskRetried {
                record,
                was,
                because: _,
            } => {
                // During replay the ended record may be in the store alone.
                if let Some(before) = self.tasks.get(&record.number).cloned() {
                    assert_eq!(before.past_end(), Some(*was), "a retry leaves the task's end");
                    self.unindex(&before);
                    if !before.is_finished() {
                        self.note_finished(&before);
                    }
                }
                self.count_ended(record.job.as_ref(), |ended| ended.remove(was.state));
                self.numbers.insert(record.id.clone(), record.number);
                self.tasks.insert(record.number, record.clone());
                self.index(record);
                self.note_unfinished(record);
            }
            Fact::TaskRemoved { task, was } => {
                // As with a retry, the record may be in the store alone.
                if let Some(record) = self.tasks.get(&task.number).cloned() {
                    assert_eq!(record.past_end(), Some(*was), "an ended task is removed");
                    assert!(!self.is_needed(&record.id), "a needed task is not removed");
                    if !record.is_finished() {
                        self.note_finished(&record);
                    }
                    self.drop_task(&record);
                }
                self.count_ended(task.job.as_ref(), |ended| ended.remove(was.state));
            }
            Fact::JobRemoved { number, job } => self.remove_job(*number, job),
            Fact::HoldPlaced(hold) => self.put_hold(hold.clone()),
            Fact::HoldLifted { hold, actor: _ } => {
                self.remove_hold(&hold.scope);
                match &hold.scope {
                    Scope::Queue(queue) => self.derived.ready.open_queue(queue),
                    // The claims of an agent wait by class, like those of all others.
                    Scope::Everything | Scope::Agent(_) => self.derived.ready.open_all(),
                }
            }
            Fact::QueueLimited {
                queue,
                max_running,
                actor,
            } => {
                match max_running {
                    Some(max_running) => {
                        let limit = QueueLimit {
                            queue: queue.clone(),
                            max_running: *max_running,
                            actor: actor.clone(),
                        };
                        self.put_limit(Arc::new(limit));
                    }
                    None => self.remove_limit(queue),
                }
                self.derived.ready.open_queue(queue);
            }
            Fact::AgentRegistered(agent) => {
                self.soft.clear_scans(&agent.id);
                self.put_agent(agent.clone());
            }
            Fact::AgentDeregistered { agent } | Fact::AgentForgotten { agent, actor: _ } => {
                if let Some(record) = self.agents.get_mut(agent) {
                    let record = Arc::make_mut(record);
                    record.gone = true;
                    record.lost = None;
                    record.changed = time;
                }
                self.soft.forget_presence(agent);
            }
            Fact::AgentLost { agent, cause } => {
                if let Some(record) = self.agents.get_mut(agent) {
                    let record = Arc::make_mut(record);
                    record.lost = Some(*cause);
                    if *cause == AgentLoss::Died {
                        record.gone = true;
                        record.changed = time;
                    }
                }
                match cause {
                    AgentLoss::Silent => self.soft.await_no_call(agent),
                    AgentLoss::Died => self.soft.forget_presence(agent),
                }
            }
            Fact::AgentReturned { agent } => {
                if let Some(record) = self.agents.get_mut(agent) {
                    Arc::make_mut(record).lost = None;
                }
            }
            Fact::AgentRemoved { agent } => {
                self.remove_agent(agent);
                self.soft.forget_presence(agent);
                self.soft.slowed.remove(agent);
                self.soft.unstarted.forget(agent);
            }
            Fact::TwinRefused { agent, host } => {
                if let Some(record) = self.agents.get(agent) {
                    let twin = Some(Twin {
                        host: host.clone(),
                        refused: time,
                    });
                    let record = Agent {
                        twin,
                        ..(**record).clone()
                    };
                    self.put_agent(Arc::new(record));
                }
            }
        }
    }

    /// Changes one task's record, and its indexes.
    fn change(&mut self, subject: &Subject, seq: Seq, change: impl FnOnce(&mut Task)) {
        let mut task = self
            .tasks
            .remove(&subject.number)
            .expect("an event's task is known");
        let before = task.state();
        let turn = self.derived.ready.turn(task.queue());
        self.unindex(&task);
        let record = Arc::make_mut(&mut task);
        let had_ended = record.end().is_some();
        change(record);
        record.revision = seq;
        if let Some(end) = record.past_end() {
            assert!(!had_ended, "an ended task is left only by a retry");
            self.count_ended(record.job.as_ref(), |ended| ended.add(end.state));
        }
        if record.lease().is_none() {
            self.soft.clear_expiry(subject.number);
        }
        self.index(&task);
        // The only queued task of a queue may stay queued: the queue keeps its turn.
        if let Some(turn) = turn
            && before == TaskState::Queued
            && task.state() == TaskState::Queued
        {
            self.derived.ready.keep_turn(task.queue(), turn);
        }
        self.tasks.insert(subject.number, task.clone());
        self.refresh_unsettled(&task.id);
        // A task needs its dependencies until it ends, whatever happens in between.
        if task.is_finished() {
            self.note_finished(&task);
        }
    }

    /// Counts an end, or takes it back, for all tasks and for the task's job.
    fn count_ended(&mut self, job: Option<&JobId>, count: impl Fn(&mut Counts)) {
        count(&mut self.ended);
        let job = job.and_then(|job| self.job_numbers.get(job));
        if let Some(job) = job.and_then(|number| self.jobs.get_mut(number)) {
            count(&mut Arc::make_mut(job).ended);
        }
    }

    /// Marks a dependency as met. The cost of `change` grows with the number of dependencies, and a task with a
    /// thousand dependencies would pay it a thousand times.
    fn meet(&mut self, subject: &Subject, dependency: &TaskId, cut: Option<Cut>, seq: Seq) {
        let shared = self
            .tasks
            .get_mut(&subject.number)
            .expect("an event's task is known");
        let before = shared.state();
        let task = Arc::make_mut(shared);
        task.revision = seq;
        let met = task
            .dependencies
            .iter_mut()
            .find(|each| each.task == *dependency)
            .expect("a met dependency is one of the task's");
        if met.met {
            return;
        }
        met.met = true;
        met.cut = cut.map(Box::new);
        task.unmet -= 1;
        let task = shared.clone();
        if task.state() != before {
            self.recount(&task, before, task.state());
            if task.state() == TaskState::Queued {
                self.derived.ready.insert(&task);
            }
        }
        self.remove_dependent(dependency, task.number);
    }
}

impl Task {
    /// Moves the running attempt, or the untouched lost attempt, to the ended ones.
    fn end_attempt(
        &mut self,
        number: AttemptNumber,
        outcome: Outcome,
        report: Option<ReportHash>,
        output: &Output,
        time: Timestamp,
    ) {
        let attempt = if let Phase::Running(lease) = &self.phase {
            Attempt {
                number: lease.attempt,
                agent: lease.agent.clone(),
                token: lease.token,
                request_id: lease.request_id.clone(),
                round: self.round,
                granted: lease.granted,
                ttl: lease.ttl,
                ends_by: lease.ends_by,
                ended: time,
                outcome,
                report,
                stdout_bytes: output.stdout_bytes,
                stdout_kept: output.stdout.len() as u64,
                stderr_bytes: output.stderr_bytes,
            }
        } else {
            self.tries = self.tries_without_loss().into();
            let lost = self
                .attempts
                .pop()
                .expect("a late report is about an attempt that was lost before");
            Attempt {
                ended: time,
                outcome,
                report,
                stdout_bytes: output.stdout_bytes,
                stdout_kept: output.stdout.len() as u64,
                stderr_bytes: output.stderr_bytes,
                ..lost
            }
        };
        assert_eq!(attempt.number, number, "an outcome is about the newest attempt");
        self.remember(attempt);
    }
}
