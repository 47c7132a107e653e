//! The life of each task as its events tell it: one lease at a time, rising attempts, dependencies before dependents,
//! one end in each round, and no try charged that a machine lost.

mod dependencies;
mod groups;
mod leases;
mod tries;

use std::{collections::BTreeMap, sync::LazyLock};

use swarm_proto::v1::{AttemptFailed, Blame, Event, TaskSpec, TaskState, TaskSubmitted, event::Payload};

use dependencies::Dependencies;
use groups::Groups;
pub(super) use leases::{Attempt, Report};
use leases::{Leases, Standing};
use tries::{Charge, Tries};

/// The beginning of an agent's reason when it heard nothing from the coordinator.
pub(super) const SILENCE: &str = "nothing was heard from the coordinator";

/// Attempts that the coordinator remembers of a task.
const REMEMBERED: u32 = 10;

/// One task, followed to the end of the log.
#[derive(Clone, Debug)]
pub(super) struct Life<'a> {
    pub(super) spec: &'a TaskSpec,
    pub(super) state: TaskState,
    pub(super) round: u32,
    /// The seq of each request to cancel it, and of each cancel.
    pub(super) cancels: Vec<u64>,
    /// The seq of each retry that somebody asked for.
    pub(super) retries: Vec<u64>,
    /// The attempts that somebody gave up, each with its seq.
    pub(super) given_up: Vec<(u32, u64)>,
    /// The seq of each event about it.
    pub(super) seqs: Vec<u64>,
    cancel_asked: bool,
    /// The agents that could not start its command in this round.
    not_started: Vec<&'a str>,
    dependencies: Dependencies<'a>,
    leases: Leases,
    tries: Tries,
}

/// Every task's life, and what in it must not be.
pub(super) fn lives(log: &[Event]) -> (BTreeMap<&str, Life<'_>>, Vec<String>) {
    let mut lives: BTreeMap<&str, Life<'_>> = BTreeMap::new();
    let mut groups = Groups::default();
    let mut found = Vec::new();
    for event in log {
        let Some(payload) = event.payload.as_ref().filter(|_| !event.task_id.is_empty()) else {
            continue;
        };
        let id = event.task_id.as_str();
        let mut say = |how: String| found.push(format!("task {id}, seq {}: {how}", event.seq));
        if let Err(how) = step(&mut lives, event, payload) {
            say(how);
        }
        let Some(life) = lives.get_mut(id) else { continue };
        life.seqs.push(event.seq);
        if let Err(how) = groups.follow(id, life.leases.live(), &life.spec.exclusive_group, event) {
            say(how);
        }
    }
    (lives, found)
}

/// Follows one event; says what is wrong with it.
fn step<'a>(
    lives: &mut BTreeMap<&'a str, Life<'a>>,
    event: &'a Event,
    payload: &'a Payload,
) -> Result<(), String> {
    let id = event.task_id.as_str();
    let end_of = |other: &str| {
        let state = lives.get(other).map(|life| life.state);
        state.filter(|&state| is_end(state))
    };
    match payload {
        Payload::TaskSubmitted(submitted) => {
            let mut life = Life::new(submitted);
            life.dependencies.begin(end_of);
            let began = life.begins(submitted.state());
            // A second one is found by those who look at submits.
            lives.entry(id).or_insert(life);
            began
        }
        Payload::DependencyMet(met) => {
            let end = end_of(&met.dependency_id);
            submitted(lives, id)?.dependencies.meet(&met.dependency_id, end)
        }
        Payload::TaskSkipped(skipped) => {
            let end = end_of(&skipped.dependency_id);
            let was = submitted(lives, id)?.end(TaskState::Skipped);
            dependencies::may_skip(&skipped.dependency_id, end)?;
            was
        }
        _ => submitted(lives, id)?.follow(event, payload),
    }
}

fn submitted<'l, 'a>(
    lives: &'l mut BTreeMap<&'a str, Life<'a>>,
    id: &str,
) -> Result<&'l mut Life<'a>, String> {
    lives
        .get_mut(id)
        .ok_or_else(|| "it is about a task that was never submitted".to_owned())
}

impl<'a> Life<'a> {
    fn new(submitted: &'a TaskSubmitted) -> Life<'a> {
        static NOTHING: LazyLock<TaskSpec> = LazyLock::new(TaskSpec::default);
        let spec = submitted.spec.as_ref().unwrap_or(&NOTHING);
        Life {
            spec,
            state: TaskState::Queued,
            round: 1,
            cancels: Vec::new(),
            retries: Vec::new(),
            given_up: Vec::new(),
            seqs: Vec::new(),
            cancel_asked: false,
            not_started: Vec::new(),
            dependencies: Dependencies::of(spec),
            leases: Leases::default(),
            tries: Tries::default(),
        }
    }

    /// Each attempt by its number.
    pub(super) fn attempts(&self) -> &BTreeMap<u32, Attempt> {
        self.leases.attempts()
    }

    /// The number of its own failures in this round.
    pub(super) fn failures(&self) -> u32 {
        self.tries.failures()
    }

    fn begins(&self, state: TaskState) -> Result<(), String> {
        let is_blocked = self.dependencies.first_unmet().is_some();
        if is_blocked == (state == TaskState::Blocked) {
            return Ok(());
        }
        Err(format!(
            "it began as {}, and its dependencies said otherwise",
            state.as_str_name()
        ))
    }

    fn follow(&mut self, event: &'a Event, payload: &Payload) -> Result<(), String> {
        let attempt = event.attempt;
        let untouched = self.leases.touch();
        match payload {
            Payload::TaskDue(_) => {
                self.leases.leave_untouched(untouched);
                self.pending("it became due")
            }
            Payload::LeaseGranted(_) => {
                self.leases.grant(event)?;
                if let Some(dependency) = self.dependencies.first_unmet() {
                    return Err(format!(
                        "attempt {attempt} was granted before its dependency {dependency} allowed it"
                    ));
                }
                self.pending(&format!("attempt {attempt} was granted"))
            }
            Payload::LeaseExpired(expired) => {
                let held = self.leases.give_up(attempt);
                match expired.cause.as_str() {
                    "silent" | "overdue" | "died" => {
                        self.charge(attempt, Charge::Machine(event.agent_id.clone()))
                    }
                    "undelivered" => self.charge(attempt, Charge::Undelivered),
                    "given_up" => self.given_up.push((attempt, event.seq)),
                    _ => {}
                }
                self.leases.lose(attempt, event.seq)?;
                held
            }
            Payload::LeaseResumed(_) => {
                if self.given_up.iter().any(|(given_up, _)| *given_up == attempt) {
                    return Err(format!("attempt {attempt} goes on, and somebody had given it up"));
                }
                self.leases.resume(attempt, untouched)?;
                self.tries.take_back(attempt);
                Ok(())
            }
            Payload::LeaseReleased(released) if released.reason.starts_with(SILENCE) => {
                self.report(event, untouched, Report::Silenced)
            }
            Payload::LeaseReleased(_) => self.report(event, untouched, Report::Released),
            Payload::AttemptFailed(failed) => {
                let reported = self.report(event, untouched, Report::Failed);
                match failed.blame() {
                    Blame::Machine => self.charge(attempt, Charge::Machine(event.agent_id.clone())),
                    Blame::Provider => {}
                    Blame::Task | Blame::Unspecified => self.charge(attempt, Charge::Failure),
                }
                self.blame(event, failed)?;
                reported
            }
            Payload::TaskSucceeded(success) => {
                let asked = self.cancel_asked;
                let live = self.leases.live();
                if success.late != (live != Some(attempt)) {
                    return Err(format!(
                        "attempt {attempt} ended the task, and {live:?} holds the lease"
                    ));
                }
                self.report(event, untouched, Report::Succeeded)?;
                self.end(TaskState::Succeeded)?;
                if asked {
                    return Err("it succeeded after its cancel had been accepted".to_owned());
                }
                Ok(())
            }
            Payload::TaskFailed(failed) => {
                self.end(TaskState::Failed)?;
                let allowed = self.spec.retry.as_ref().and_then(|retry| retry.max_retries);
                self.tries
                    .are_used_up(allowed)
                    .map_err(|why| format!("it failed ('{}'), {why}", failed.reason))
            }
            Payload::CancelRequested(_) => {
                self.cancels.push(event.seq);
                self.cancel_asked = true;
                if self.leases.live() == Some(attempt) {
                    return Ok(());
                }
                Err(format!("attempt {attempt} was to be cancelled, and did not run"))
            }
            Payload::TaskCancelled(_) => {
                self.cancels.push(event.seq);
                if attempt != 0 {
                    if !self.cancel_asked {
                        return Err("its attempt was cancelled, and nobody had asked".to_owned());
                    }
                    self.report(event, untouched, Report::Cancelled)?;
                }
                self.end(TaskState::Cancelled)
            }
            Payload::TaskRetried(retried) => {
                if retried.dependency_id.is_empty() {
                    self.retries.push(event.seq);
                }
                self.begin_round(retried.round)
            }
            other => Err(format!("nothing of this kind should happen here: {other:?}")),
        }
    }

    /// What one machine could not start is its own fault; what a second one could not start either is the task's.
    fn blame(&mut self, event: &'a Event, failed: &AttemptFailed) -> Result<(), String> {
        if failed.reason != "spawn" && !matches!(failed.exit_code, Some(126 | 127)) {
            return Ok(());
        }
        let agent = event.agent_id.as_str();
        let elsewhere = self.not_started.iter().any(|other| *other != agent);
        self.not_started.push(agent);
        // Of more attempts the coordinator forgets some.
        if failed.blame() == Blame::Machine && elsewhere && event.attempt <= REMEMBERED {
            return Err(format!(
                "{agent} is blamed for what another machine could not start either"
            ));
        }
        Ok(())
    }

    fn charge(&mut self, attempt: u32, charge: Charge) {
        self.tries.charge(attempt, charge);
    }

    /// A report was accepted.
    fn report(&mut self, event: &Event, untouched: Option<u32>, report: Report) -> Result<(), String> {
        let attempt = event.attempt;
        if self.leases.accept(attempt, untouched, report)? == Standing::Lost {
            self.tries.take_back(attempt);
        }
        self.leases.keep(attempt, event.seq, report)
    }

    fn end(&mut self, state: TaskState) -> Result<(), String> {
        self.pending(&format!("it became {}", state.as_str_name()))?;
        self.state = state;
        match self.leases.live() {
            Some(live) => Err(format!("it ended while attempt {live} held its lease")),
            None => Ok(()),
        }
    }

    /// Fails when it has ended.
    fn pending(&self, what: &str) -> Result<(), String> {
        if is_end(self.state) {
            return Err(format!("{what} after it was {}", self.state.as_str_name()));
        }
        Ok(())
    }

    /// It was retried.
    fn begin_round(&mut self, round: u32) -> Result<(), String> {
        let was = self.state;
        self.state = TaskState::Queued;
        self.round += 1;
        self.tries = Tries::default();
        self.cancel_asked = false;
        self.not_started.clear();
        if !is_end(was) {
            return Err(format!("it was retried while it was {}", was.as_str_name()));
        }
        if round != self.round {
            return Err(format!("round {round} followed {}", self.round - 1));
        }
        Ok(())
    }
}

/// Whether a task in this state has ended: only a retry leads out.
pub(super) fn is_end(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Skipped
    )
}
