//! An agent asks for work.

use std::{sync::Arc, time::Duration};

use crate::{
    draft::Draft,
    event::{Fact, Subject},
    id::{AgentId, AttemptNumber, LeaseToken, Number, QueueName, Session},
    limits::{
        END_AFTER_TTLS, MAX_CLAIM_SPEC_BYTES, MAX_HELD_LEASES, MAX_LINES_VISITED, MAX_SCAN,
        MAX_SCAN_IN_ORDER, SCAN_PAUSE, SCAN_PAUSE_PER_STEP,
    },
    noun::{
        agent::Agent,
        lease::Lease,
        needs::{Buckets, Offer, Shard, Wants},
        task::{Task, TaskState},
    },
    rejection::Rejection,
    rule::{dependency::settle, fit::Liveness},
    state::{
        State,
        pick::InOrder,
        scan::{Reach, Scan},
    },
    time::Timestamp,
};

/// A claim for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The agent.
    pub agent: AgentId,
    /// Its session.
    pub session: Session,
    /// The tasks that it would take.
    pub wants: Wants,
    /// The id of this claim: a repeat with the same id returns the same leases.
    pub request_id: Arc<str>,
    /// Fresh random tokens, one for each task that it would take at most.
    pub tokens: Vec<LeaseToken>,
    /// The length of the leases.
    pub lease_ttl: Duration,
}

/// Grants leases: highest priority first, then the queue that was given to least recently, then the oldest task.
///
/// The answer is the granted tasks, each with its lease. It is empty when no queued task suits the agent, when a hold
/// is in the way ([`State::hold_on`]), or when the agent's machine failed its last attempts ([`State::slowed_until`]).
///
/// # Errors
///
/// [`Rejection::AgentNotFound`] before a registration, [`Rejection::AgentReplaced`] from an older session.
pub fn decide(draft: &mut Draft<'_>, request: Claim) -> Result<Vec<Arc<Task>>, Rejection> {
    check_session(draft, &request.agent, request.session)?;
    draft.seen(&request.agent, None);
    let granted = granted_before(draft, &request, draft.now());
    if !granted.is_empty() {
        // The agent counts its leases from this call on.
        for task in &granted {
            draft.extend(task.number, request.lease_ttl);
        }
        return Ok(granted);
    }
    draft.wants(&request.agent, &request.wants, request.lease_ttl);
    let now = draft.now();
    if draft.hold_on(&request.agent).is_some() || draft.slowed_until(&request.agent, now).is_some() {
        return Ok(Vec::new());
    }
    let room = room(draft, &request.agent);
    if room == 0 {
        return Ok(Vec::new());
    }
    let granted = grant(draft, &request, room);
    settle(draft);
    Ok(granted)
}

/// How many leases more an agent may hold.
fn room(state: &State, agent: &AgentId) -> usize {
    MAX_HELD_LEASES.saturating_sub(state.leased_to(agent).count())
}

/// The live leases of an earlier claim with the same request id, whose answer was lost.
fn granted_before(state: &State, request: &Claim, now: Timestamp) -> Vec<Arc<Task>> {
    if request.request_id.is_empty() {
        return Vec::new();
    }
    state
        .leased_to(&request.agent)
        .filter(|task| {
            // The answer promises a whole TTL.
            task.lease()
                .is_some_and(|lease| lease.request_id == request.request_id)
                && state.is_renewable(task.number, now)
        })
        .cloned()
        .collect()
}

fn grant(draft: &mut Draft<'_>, request: &Claim, room: usize) -> Vec<Arc<Task>> {
    let now = draft.now();
    let mut granted = Vec::new();
    let mut spec_bytes = 0;
    let mut tokens = request.tokens.iter().take(room);
    let mut overdue = 0;
    let liveness = Liveness {
        now,
        ttl: request.lease_ttl,
        // An agent that has not called since the start cannot be given the task instead.
        started: Timestamp(0),
    };
    let Some(agent) = draft.agent(&request.agent).cloned() else {
        return granted;
    };
    let offer = draft.offer(&agent, &request.wants);
    let mut look = Look::new(&agent, &request.wants, liveness);
    while let Some(number) = look.next(draft, &offer) {
        let task = draft.tasks[&number].clone();
        if task
            .times
            .deadline
            .is_some_and(|deadline| deadline <= draft.calendar(now))
        {
            if overdue == request.tokens.len() {
                break;
            }
            overdue += 1;
            draft.emit(Fact::TaskFailed {
                task: Subject::of(&task),
                reason: "its deadline has passed".into(),
            });
            continue;
        }
        spec_bytes += task.spec.len();
        if spec_bytes > MAX_CLAIM_SPEC_BYTES && !granted.is_empty() {
            break;
        }
        let Some(token) = tokens.next() else { break };
        debug_assert_eq!(task.state(), TaskState::Queued);
        draft.emit(Fact::LeaseGranted {
            task: Subject::of(&task),
            lease: Lease {
                attempt: AttemptNumber(task.attempt_count.0 + 1),
                agent: request.agent.clone(),
                token: *token,
                request_id: request.request_id.clone(),
                granted: now,
                ttl: request.lease_ttl,
                ends_by: now + task.time_limit(draft.calendar(now)) + request.lease_ttl * END_AFTER_TTLS,
                cancel_asked: false,
            },
        });
        granted.push(draft.tasks[&number].clone());
        if look.was_long() {
            break;
        }
    }
    granted
}

/// A look for tasks for an agent, by one claim.
struct Look<'a> {
    agent: &'a Agent,
    wants: &'a Wants,
    liveness: Liveness,
    /// Lines that were put in order.
    lines: usize,
    /// Tasks behind the first one that were looked at.
    tasks: usize,
}

impl Look<'_> {
    fn new<'a>(agent: &'a Agent, wants: &'a Wants, liveness: Liveness) -> Look<'a> {
        Look {
            agent,
            wants,
            liveness,
            lines: 0,
            tasks: 0,
        }
    }

    /// Whether it looked at so much that one decision is to grant no more.
    fn was_long(&self) -> bool {
        self.lines >= MAX_LINES_VISITED || self.tasks >= MAX_SCAN as usize
    }

    /// The first task that the agent does not avoid.
    fn next(&mut self, draft: &mut Draft<'_>, offer: &Offer) -> Option<Number> {
        let own = self.first(draft, offer, Reach::Own, |_, _| true);
        let Some(Shard { count, index: None }) = self.wants.shard else {
            return own;
        };
        // A task that the owner of its shard cannot run, or avoids, is for any agent.
        own.or_else(|| {
            let wide = Offer {
                buckets: Buckets::ALL,
                ..offer.clone()
            };
            let liveness = self.liveness;
            self.first(draft, &wide, Reach::Everybodys, |state, task| {
                !state.is_for_its_owner(task, count, liveness)
            })
        })
    }

    /// The first of an offer's tasks in order that is wanted and not avoided, or one that is found by looking round.
    fn first(
        &mut self,
        draft: &mut Draft<'_>,
        offer: &Offer,
        reach: Reach,
        is_wanted: impl Fn(&State, &Task) -> bool,
    ) -> Option<Number> {
        let state: &State = draft;
        let (agent, liveness) = (self.agent, self.liveness);
        let is_open = |queue: &QueueName| state.is_open(queue);
        let accept = |number: &Number| {
            let task = state.task_numbered(*number);
            task.is_some_and(|task| is_wanted(state, task) && state.avoids(task, agent, liveness).is_none())
        };
        // The first task is looked at whatever its program.
        let is_allowed = |number: &Number| {
            let task = state.task_numbered(*number);
            task.is_some_and(|task| offer.allows(&task.needs.class, &task.needs.program))
        };
        let head = state.ready().first(offer, is_open);
        if head.as_ref().is_some_and(|head| is_allowed(head) && accept(head)) {
            return head;
        }
        if head.is_none() {
            draft.soft_mut().set_scan(&agent.id, reach, None);
            return None;
        }
        let (in_order, round) = looks(self.wants.scan_limit);
        let openings = state.ready().openings();
        let before = state.scan(&agent.id, reach);
        let after = before.and_then(|scan| scan.after.as_ref());
        // A round that began with the first tasks has seen them, when nothing has come since.
        let has_seen_first = after.is_some() && before.is_some_and(|scan| scan.since == Some(openings));
        if !has_seen_first {
            let mut left = in_order;
            let tasks = state.ready().in_order(offer, is_open);
            let is_ordered = tasks.is_some();
            self.lines += tasks.as_ref().map_or(MAX_LINES_VISITED, InOrder::lines);
            let tasks = tasks.into_iter().flatten().take(in_order);
            let found = tasks.inspect(|_| left -= 1).find(&accept);
            self.tasks += in_order - left;
            if found.is_some() {
                return found;
            }
            if is_ordered && left > 0 {
                // These were all tasks.
                draft.soft_mut().set_scan(&agent.id, reach, None);
                return None;
            }
        }
        if after.is_none() && state.is_in_round(&agent.id, reach.other()) {
            // One round after the other: both at once would end together only by chance.
            return None;
        }
        let (since, steps) = match before {
            Some(scan) if scan.after.is_some() => (scan.since, scan.steps + 1),
            Some(_) | None => (Some(openings), 1),
        };
        let seen = state.ready().look_round(offer, is_open, after, round, accept);
        self.tasks += seen.looked as usize;
        let found = seen.found;
        let scan = match seen.stopped {
            Some(stopped) => Some(Scan {
                after: Some(stopped),
                since: since.filter(|_| found.is_none()),
                steps,
            }),
            // Another round is needed.
            None if found.is_none() && since != Some(openings) => Some(Scan {
                after: None,
                since: None,
                steps,
            }),
            None => None,
        };
        draft.soft_mut().set_scan(&agent.id, reach, scan);
        found
    }
}

/// The number of tasks that a claim with this limit looks at in their order, and round and round.
fn looks(limit: u32) -> (usize, u32) {
    match limit.min(MAX_SCAN) {
        0 => (MAX_SCAN_IN_ORDER as usize, MAX_SCAN),
        limit => (limit.div_ceil(2) as usize, (limit / 2).max(1)),
    }
}

/// Whether a claim that was given nothing is worth repeating at once: its agent is in the middle of a round that goes
/// on. A hold, or the leases that the agent has, stop it.
pub fn goes_on(state: &State, agent: &AgentId, wants: &Wants) -> bool {
    wants.scan_limit == 0 && state.is_in_a_round(agent) && can_be_given_more(state, agent)
}

fn can_be_given_more(state: &State, agent: &AgentId) -> bool {
    state.hold_on(agent).is_none() && room(state, agent) > 0
}

/// The time at which an agent that was given nothing may be given a task though nothing else happens: it has not looked
/// at all tasks, or it then no longer avoids one.
pub fn look_again(state: &State, agent: &AgentId, wants: &Wants, liveness: Liveness) -> Option<Timestamp> {
    if !can_be_given_more(state, agent) {
        return None;
    }
    let agent = state.agent(agent)?;
    if goes_on(state, &agent.id, wants) {
        return Some(liveness.now);
    }
    if state.is_scanning(&agent.id) {
        let pause = SCAN_PAUSE_PER_STEP * state.steps_of_rounds(&agent.id);
        return Some(liveness.now + pause.max(SCAN_PAUSE));
    }
    let offer = state.offer(agent, wants);
    let is_open = |queue: &QueueName| state.is_open(queue);
    let tasks = state.ready().in_order(&offer, is_open).into_iter().flatten();
    let tasks = tasks
        .take(MAX_SCAN_IN_ORDER as usize)
        .filter_map(|number| state.task_numbered(number));
    let avoided = tasks.filter_map(|task| state.avoids(task, agent, liveness));
    avoided.map(|avoided| avoided.until).min()
}

/// Refuses callers without a session or with an older one. No session outlives the history of events in which it began:
/// after a backup was restored, an agent says anew what it holds, and loses what it does not know of.
pub(crate) fn check_session(state: &State, agent: &AgentId, session: Session) -> Result<(), Rejection> {
    match state.agent(agent) {
        Some(known) if session < known.session => Err(Rejection::AgentReplaced(agent.clone())),
        Some(known) if session == known.session && state.is_open_session(known) => Ok(()),
        _ => Err(Rejection::AgentNotFound(agent.clone())),
    }
}
