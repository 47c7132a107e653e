//! The life of each task as its events tell it: one lease at a time, rising attempts, dependencies before dependents,
//! one end in each round, and no try charged that a machine lost.

use std::collections::{BTreeMap, BTreeSet};

use swarm_proto::v1::{
    Blame, DependencyCondition, Event, TaskSpec, TaskState, TaskSubmitted, event::Payload,
};

/// After losses on so many agents a task fails; see `Tries` in the protocol.
const MOST_LOST_ON: usize = 3;
/// After so many losses, or leases that reached nobody, it fails.
const MOST_LOSSES: usize = 20;
/// The retries of a task that names none: the coordinator's default.
const DEFAULT_RETRIES: u32 = 2;

/// What is known of one task at the end of the log.
#[derive(Clone, Debug)]
pub(super) struct Life<'a> {
    pub(super) spec: &'a TaskSpec,
    pub(super) state: TaskState,
    pub(super) attempts: BTreeMap<u32, Attempt>,
    pub(super) round: u32,
    /// The seq of each request to cancel it, and of each cancel.
    pub(super) cancels: Vec<u64>,
    /// The seq of each retry that somebody asked for.
    pub(super) retries: Vec<u64>,
    /// The seq of each event about it.
    pub(super) seqs: Vec<u64>,
    met: BTreeSet<&'a str>,
    /// The attempt that was lost, while nothing has happened since.
    untouched: Option<u32>,
    live: Option<u32>,
    cancel_asked: bool,
    charges: Vec<(u32, Charge)>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) agent: String,
    pub(super) granted: u64,
    /// When its lease was lost, if it was, whatever came later.
    pub(super) lost: Option<u64>,
    /// The report that was accepted, and when.
    pub(super) reported: Option<(u64, Report)>,
}

/// How an agent begins to say that it heard nothing from the coordinator.
pub(super) const SILENCE: &str = "nothing was heard from the coordinator";

/// What an accepted report said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Succeeded,
    Failed,
    Released,
    /// The agent had to end it in the coordinator's silence, maybe between its last line and its exit.
    Silenced,
    /// The task was to be cancelled; the report may have said anything.
    Cancelled,
}

/// What an attempt costs its task.
#[derive(Clone, Debug)]
enum Charge {
    Failure,
    Machine(String),
    Undelivered,
}

/// Every task's life, and what in it must not be.
pub(super) fn lives(log: &[Event]) -> (BTreeMap<&str, Life<'_>>, Vec<String>) {
    let mut lives: BTreeMap<&str, Life<'_>> = BTreeMap::new();
    let mut groups: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for event in log {
        let Some(payload) = event.payload.as_ref().filter(|_| !event.task_id.is_empty()) else {
            continue;
        };
        let id = event.task_id.as_str();
        let step = if let Payload::TaskSubmitted(submitted) = payload {
            submit(&mut lives, id, submitted)
        } else {
            step(&mut lives, id, event, payload)
        };
        if let Err(how) = step {
            found.push(format!("task {id}, seq {}: {how}", event.seq));
        }
        // Of an exclusive group at most one task holds a lease.
        let Some(life) = lives.get_mut(id) else { continue };
        life.seqs.push(event.seq);
        let group = life.spec.exclusive_group.as_str();
        if group.is_empty() {
            continue;
        }
        match (life.live, groups.get(group).copied()) {
            (Some(_), Some(other)) if other != id => found.push(format!(
                "task {id}, seq {}: it was given to {} while {other} of its group {group} ran",
                event.seq, event.agent_id
            )),
            (Some(_), _) => {
                groups.insert(group, id);
            }
            (None, Some(other)) if other == id => {
                groups.remove(group);
            }
            (None, _) => {}
        }
    }
    (lives, found)
}

/// A task is there. What had ended already as it has to is met from the beginning.
fn submit<'a>(
    lives: &mut BTreeMap<&'a str, Life<'a>>,
    id: &'a str,
    submitted: &'a TaskSubmitted,
) -> Result<(), String> {
    let mut life = Life::new(submitted);
    for dependency in &life.spec.depends_on {
        let end = end_of(lives, &dependency.task_id);
        if is_met(dependency.condition(), end) {
            life.met.insert(&dependency.task_id);
        }
    }
    let is_blocked = life.met.len() < life.spec.depends_on.len();
    // A second one is found by those who look at submits.
    lives.entry(id).or_insert(life);
    let state = submitted.state();
    (is_blocked == (state == TaskState::Blocked))
        .then_some(())
        .ok_or_else(|| {
            format!(
                "it began as {}, and its dependencies said otherwise",
                state.as_str_name()
            )
        })
}

/// How a task has ended, if it has.
fn end_of(lives: &BTreeMap<&str, Life<'_>>, id: &str) -> Option<TaskState> {
    lives
        .get(id)
        .map(|life| life.state)
        .filter(|&state| is_end(state))
}

fn is_met(condition: DependencyCondition, end: Option<TaskState>) -> bool {
    match condition {
        DependencyCondition::Finished => end.is_some(),
        DependencyCondition::Succeeded | DependencyCondition::Unspecified => {
            end == Some(TaskState::Succeeded)
        }
    }
}

/// Follows one event; says what is wrong with it.
fn step<'a>(
    lives: &mut BTreeMap<&'a str, Life<'a>>,
    id: &'a str,
    event: &'a Event,
    payload: &'a Payload,
) -> Result<(), String> {
    match payload {
        Payload::DependencyMet(met) => {
            let other = met.dependency_id.as_str();
            let end = end_of(lives, other);
            let life = lives
                .get_mut(id)
                .ok_or("it is about a task that was never submitted")?;
            let condition = life
                .condition(other)
                .ok_or_else(|| format!("it never waited for {other}"))?;
            life.met.insert(other);
            is_met(condition, end)
                .then_some(())
                .ok_or_else(|| format!("its dependency {other} counts as met, and its end is {end:?}"))
        }
        Payload::TaskSkipped(skipped) => {
            let other = skipped.dependency_id.as_str();
            let end = end_of(lives, other);
            let life = lives
                .get_mut(id)
                .ok_or("it is about a task that was never submitted")?;
            let was = life.end(TaskState::Skipped);
            if end.is_none_or(|end| end == TaskState::Succeeded) {
                return Err(format!("it was skipped because of {other}, whose end is {end:?}"));
            }
            was
        }
        _ => lives
            .get_mut(id)
            .ok_or("it is about a task that was never submitted")?
            .follow(event, payload),
    }
}

impl<'a> Life<'a> {
    fn new(submitted: &'a TaskSubmitted) -> Life<'a> {
        static NOTHING: std::sync::LazyLock<TaskSpec> = std::sync::LazyLock::new(TaskSpec::default);
        Life {
            spec: submitted.spec.as_ref().unwrap_or(&NOTHING),
            state: TaskState::Queued,
            attempts: BTreeMap::new(),
            round: 1,
            cancels: Vec::new(),
            retries: Vec::new(),
            seqs: Vec::new(),
            met: BTreeSet::new(),
            untouched: None,
            live: None,
            cancel_asked: false,
            charges: Vec::new(),
        }
    }

    /// How many failures of its own it has in this round.
    pub(super) fn failures(&self) -> u32 {
        let own = |charge: &&(u32, Charge)| matches!(charge.1, Charge::Failure);
        u32::try_from(self.charges.iter().filter(own).count()).unwrap_or(u32::MAX)
    }

    fn condition(&self, other: &str) -> Option<DependencyCondition> {
        let dependencies = &self.spec.depends_on;
        let wanted = dependencies.iter().find(|dependency| dependency.task_id == other);
        wanted.map(|dependency| dependency.condition())
    }

    fn follow(&mut self, event: &Event, payload: &Payload) -> Result<(), String> {
        let attempt = event.attempt;
        let untouched = self.untouched.take();
        match payload {
            Payload::TaskDue(_) => {
                self.untouched = untouched;
                self.pending("it became due")
            }
            Payload::LeaseGranted(_) => self.grant(event),
            Payload::LeaseExpired(expired) => {
                let held = self.give_up(attempt);
                self.untouched = Some(attempt);
                let agent = event.agent_id.clone();
                match expired.cause.as_str() {
                    "silent" | "overdue" => self.charges.push((attempt, Charge::Machine(agent))),
                    "undelivered" => self.charges.push((attempt, Charge::Undelivered)),
                    _ => {}
                }
                self.attempt(attempt)?.lost = Some(event.seq);
                held
            }
            Payload::LeaseResumed(_) => {
                if untouched != Some(attempt) || self.live.is_some() {
                    return Err(format!(
                        "attempt {attempt} was resumed, and something had happened since its loss"
                    ));
                }
                self.take_back(attempt);
                self.live = Some(attempt);
                Ok(())
            }
            Payload::LeaseReleased(released) if released.reason.starts_with(SILENCE) => {
                self.report(event, untouched, Report::Silenced)
            }
            Payload::LeaseReleased(_) => self.report(event, untouched, Report::Released),
            Payload::AttemptFailed(failed) => {
                let reported = self.report(event, untouched, Report::Failed);
                match failed.blame() {
                    Blame::Machine => {
                        let agent = event.agent_id.clone();
                        self.charges.push((attempt, Charge::Machine(agent)));
                    }
                    Blame::Provider => {}
                    Blame::Task | Blame::Unspecified => self.charges.push((attempt, Charge::Failure)),
                }
                reported
            }
            Payload::TaskSucceeded(success) => {
                let asked = self.cancel_asked;
                if success.late != (self.live != Some(attempt)) {
                    return Err(format!(
                        "attempt {attempt} ended the task, and {:?} holds the lease",
                        self.live
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
                self.may_fail()
                    .map_err(|why| format!("it failed ('{}'), {why}", failed.reason))
            }
            Payload::CancelRequested(_) => {
                self.cancels.push(event.seq);
                self.cancel_asked = true;
                let running = self.live == Some(attempt);
                running
                    .then_some(())
                    .ok_or_else(|| format!("attempt {attempt} was to be cancelled, and did not run"))
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
                let was = self.state;
                self.state = TaskState::Queued;
                self.round += 1;
                self.charges.clear();
                self.cancel_asked = false;
                if !is_end(was) {
                    return Err(format!("it was retried while it was {}", was.as_str_name()));
                }
                let numbered = retried.round == self.round;
                numbered
                    .then_some(())
                    .ok_or_else(|| format!("round {} followed {}", retried.round, self.round - 1))
            }
            other => Err(format!("nothing of this kind should happen here: {other:?}")),
        }
    }

    fn grant(&mut self, event: &Event) -> Result<(), String> {
        let attempt = event.attempt;
        let newest = self.attempts.keys().next_back().copied().unwrap_or(0);
        let held = self.live.replace(attempt);
        self.attempts.insert(
            attempt,
            Attempt {
                agent: event.agent_id.clone(),
                granted: event.seq,
                lost: None,
                reported: None,
            },
        );
        if let Some(held) = held {
            return Err(format!(
                "attempt {attempt} was granted while {held} held the lease"
            ));
        }
        if attempt <= newest {
            return Err(format!("attempt {attempt} was granted after {newest}"));
        }
        let dependencies = self.spec.depends_on.iter();
        let mut unmet = dependencies.filter(|dependency| !self.met.contains(dependency.task_id.as_str()));
        if let Some(dependency) = unmet.next() {
            return Err(format!(
                "attempt {attempt} was granted before its dependency {} allowed it",
                dependency.task_id
            ));
        }
        self.pending(&format!("attempt {attempt} was granted"))
    }

    /// Ends the lease of this attempt.
    fn give_up(&mut self, attempt: u32) -> Result<(), String> {
        match self.live.take() {
            Some(held) if held == attempt => Ok(()),
            held => {
                self.live = held;
                Err(format!("attempt {attempt} lost a lease that {held:?} holds"))
            }
        }
    }

    /// A report was accepted: from the live lease, or from one that is lost while nothing has happened since.
    fn report(&mut self, event: &Event, untouched: Option<u32>, report: Report) -> Result<(), String> {
        let attempt = event.attempt;
        if self.live == Some(attempt) {
            self.live = None;
        } else if self.live.is_none() && untouched == Some(attempt) {
            self.take_back(attempt);
        } else {
            return Err(format!(
                "a report of attempt {attempt} was accepted ({report:?}), and {:?} holds the lease",
                self.live
            ));
        }
        let of = self.attempt(attempt)?;
        if let Some((before, first)) = of.reported.replace((event.seq, report)) {
            return Err(format!(
                "attempt {attempt} was completed twice: {first:?} at seq {before}, {report:?} now"
            ));
        }
        Ok(())
    }

    /// What the loss of this attempt cost is given back.
    fn take_back(&mut self, attempt: u32) {
        self.charges.retain(|(of, _)| *of != attempt);
    }

    fn end(&mut self, state: TaskState) -> Result<(), String> {
        self.pending(&format!("it became {}", state.as_str_name()))?;
        self.state = state;
        match self.live {
            Some(live) => Err(format!("it ended while attempt {live} held its lease")),
            None => Ok(()),
        }
    }

    /// Whether it is still to be done.
    fn pending(&self, what: &str) -> Result<(), String> {
        if is_end(self.state) {
            return Err(format!("{what} after it was {}", self.state.as_str_name()));
        }
        Ok(())
    }

    /// Whether its tries are used up; machines use up none.
    fn may_fail(&self) -> Result<(), String> {
        let allowed = self.spec.retry.as_ref().and_then(|retry| retry.max_retries);
        let allowed = allowed.unwrap_or(DEFAULT_RETRIES);
        let count =
            |wanted: fn(&Charge) -> bool| self.charges.iter().filter(|(_, charge)| wanted(charge)).count();
        let losses = count(|charge| matches!(charge, Charge::Machine(_)));
        let undelivered = count(|charge| matches!(charge, Charge::Undelivered));
        let lost_on: BTreeSet<&str> = self
            .charges
            .iter()
            .filter_map(|(_, charge)| match charge {
                Charge::Machine(agent) => Some(agent.as_str()),
                Charge::Failure | Charge::Undelivered => None,
            })
            .collect();
        let enough = self.failures() > allowed
            || lost_on.len() >= MOST_LOST_ON
            || losses >= MOST_LOSSES
            || undelivered >= MOST_LOSSES;
        enough.then_some(()).ok_or_else(|| {
            format!(
                "and of {allowed} retries {} failures used some; it was lost {losses} times on {lost_on:?}",
                self.failures()
            )
        })
    }

    fn attempt(&mut self, attempt: u32) -> Result<&mut Attempt, String> {
        self.attempts
            .get_mut(&attempt)
            .ok_or_else(|| format!("attempt {attempt} was never granted"))
    }
}

/// Whether only a retry leads out of it.
pub(super) fn is_end(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Skipped
    )
}
