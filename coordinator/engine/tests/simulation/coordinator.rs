//! The coordinator in small: it decides at once, and lets no answer out before the events are on disk.
//!
//! A crash loses decisions that are not on disk; a start folds the journal. Records of ended tasks are on disk as soon
//! as their events are, leave memory at random and come back when a request names them.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use swarm_engine::{
    command::start,
    draft::{Draft, decide},
    event::{Event, Fact},
    id::{AgentId, Number, ReportHash, TaskId},
    limits::{CLOCK_TOLERANCE, MAX_CLOCK_JUMP},
    noun::{lease::Proof, task::Task},
    rejection::Rejection,
    rule::clock::start_time,
    state::State,
    time::{Clocks, Timestamp},
};

use super::{
    choice::Turns,
    fault::{Fault, Tally},
    history::History,
    leases::{Begun, Leases},
    network::{Answer, Party},
    random::Random,
    tasks::TTL,
    trace::Trace,
    waiters::Waiters,
};

/// A timer that wakes later than this has slept together with the whole coordinator.
const LATE: Duration = Duration::from_millis(TTL.as_millis() as u64 / 2);

/// See the module.
pub(crate) struct Coordinator {
    /// The running coordinator; `None` while it is down.
    pub(crate) running: Option<Running>,
    /// Everything on disk, in order.
    pub(crate) journal: Vec<Event>,
    /// The fold of the journal, without eviction, as a store would have it.
    pub(crate) stored: State,
    pub(crate) history: History,
    /// While it is down, when attempts were granted by the machine's time.
    begun: Begun,
    /// Random numbers for eviction alone, so that a world goes the same way with and without it; `None` without.
    forgets: Option<Random>,
    pub(crate) trace: Trace,
}

/// The memory of a coordinator, which a crash loses.
pub(crate) struct Running {
    pub(crate) state: State,
    /// The engine's time of the start.
    anchor: Timestamp,
    /// The machine's time of the start.
    booted: u64,
    /// Decisions that are not on disk, with the answers that wait for the disk.
    pending: VecDeque<Decision>,
    /// Removed tasks that are still stored.
    leaving: BTreeSet<Number>,
    pub(crate) leases: Leases,
    pub(crate) waiters: Waiters,
    pub(crate) turns: Turns,
    /// The last time at which the timer ran.
    looked: Timestamp,
}

#[derive(Default)]
struct Decision {
    events: Vec<Event>,
    told: Vec<Told>,
    answers: Vec<(Party, u64, Answer)>,
}

/// The promise of an answer.
pub(crate) enum Told {
    /// The report is accepted.
    Accepted(AgentId, Proof, ReportHash),
    /// The report is not wanted.
    Refused(Proof, ReportHash),
    /// The report had been accepted before.
    Repeated(Proof),
    /// The task will be done.
    Acknowledged(TaskId),
}

impl Running {
    /// The engine's time of the start.
    pub(crate) fn started(&self) -> Timestamp {
        self.anchor
    }
}

impl Coordinator {
    pub(crate) fn new(forgets: Option<Random>, trace: Trace) -> Coordinator {
        Coordinator {
            running: None,
            journal: Vec::new(),
            stored: State::default(),
            history: History::default(),
            begun: Begun::new(),
            forgets,
            trace,
        }
    }

    /// Opens the journal. The engine's time goes on from the wall clock, or from the last event if that is later.
    pub(crate) fn start(&mut self, boot: u64, clocks: Clocks, tally: &mut Tally) {
        let state = match &mut self.forgets {
            None => self.stored.clone(),
            Some(random) => {
                let mut records = self.stored.records();
                records.tasks.retain(|task| {
                    !(task.is_finished() && !self.stored.is_needed(&task.id) && random.one_in(2))
                });
                let mut state = State::load(records);
                for missing in state.missing() {
                    state.recall(self.stored.task(&missing).expect("it is stored").clone());
                }
                state
            }
        };
        let last = state.time();
        let before = state.identity().cloned();
        let anchor = start_time(last, before.as_ref(), &clocks, false).time;
        self.check_start(last, anchor, boot);
        let begun = std::mem::take(&mut self.begun);
        let mut running = Running {
            leases: Leases::restarted(&state, anchor, begun),
            turns: Turns::begun(&state),
            state,
            anchor,
            booted: boot,
            pending: VecDeque::new(),
            leaving: BTreeSet::new(),
            waiters: Waiters::default(),
            looked: anchor,
        };
        running.state.grace_at_start(anchor, TTL);
        running.state.set_ahead_of_wall(anchor - clocks.wall);
        self.running = Some(running);
        let request = start::Start {
            version: "1.0.0".into(),
            cluster_id: "cluster".into(),
            history: "history".into(),
            new_history: None,
            clocks,
            set_back_to: None,
        };
        let started = self.decide(boot, tally, |draft| start::decide(draft, request));
        started.expect("a start is never refused");
    }

    /// Checks that a start goes on at a time that a wrong clock alone cannot have made.
    fn check_start(&self, last: Timestamp, anchor: Timestamp, boot: u64) {
        let Some(before) = self.stored.identity() else {
            return;
        };
        assert!(anchor >= last, "time goes backwards at a start");
        let noted = before.clocks.as_ref().expect("each start notes its clocks");
        let was_doubted = noted.wall > before.started + MAX_CLOCK_JUMP;
        let down = Duration::from_millis(boot - noted.since_boot.as_millis() as u64);
        assert!(
            anchor - last <= MAX_CLOCK_JUMP
                || was_doubted
                || anchor - before.started <= down + 2 * CLOCK_TOLERANCE,
            "a start believes in {} ms, and nothing confirms them",
            (anchor - last).as_millis()
        );
    }

    /// The wall clock was set while the coordinator runs: it may catch up with the coordinator's time.
    pub(crate) fn look_at_wall(&mut self, boot: u64, wall: u64) {
        let ahead = self.now(boot) - Timestamp(wall);
        self.up_mut().state.look_at_wall(ahead);
    }

    /// The engine's time.
    ///
    /// # Panics
    ///
    /// When the coordinator is down.
    pub(crate) fn now(&self, boot: u64) -> Timestamp {
        let running = self.up();
        running.anchor + Duration::from_millis(boot - running.booted)
    }

    pub(crate) fn up(&self) -> &Running {
        self.running.as_ref().expect("the coordinator is up")
    }

    pub(crate) fn up_mut(&mut self) -> &mut Running {
        self.running.as_mut().expect("the coordinator is up")
    }

    pub(crate) fn state(&self) -> &State {
        &self.up().state
    }

    /// Decides, and checks the state.
    pub(crate) fn decide<T>(
        &mut self,
        boot: u64,
        tally: &mut Tally,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let now = self.now(boot);
        let durable = self.stored.seq();
        let running = self.running.as_mut().expect("the coordinator is up");
        let (result, changes) = decide(&mut running.state, now, decision);
        let mut decided = Decision::default();
        for change in changes {
            self.trace.line(|| format!("    {:?}", change.event));
            running.leases.note(&change.event, change.task.as_ref(), boot);
            running.turns.note(&change);
            if let Fact::TaskRemoved { task, .. } = &change.event.fact {
                running.leaving.insert(task.number);
            }
            decided.events.push(change.event);
        }
        running.pending.push_back(decided);
        if let Some(random) = &mut self.forgets {
            let finished: Vec<Number> = running.state.finished(durable).map(|task| task.number).collect();
            for number in finished {
                if random.one_in(2) {
                    assert!(running.state.forget(number), "task {} stays in memory", number.0);
                    tally.fault(Fault::Forgotten);
                }
            }
        }
        if let Err(fault) = running.state.check() {
            panic!("after seq {}: {fault}", running.state.seq().0);
        }
        tally.refused += u64::from(result.is_err());
        result
    }

    /// Answers a call as soon as everything decided so far is on disk.
    pub(crate) fn answer(&mut self, party: Party, call: u64, answer: Answer) {
        let running = self.up_mut();
        running.leases.check(&running.state);
        let last = running.pending.back_mut().expect("an answer follows a decision");
        last.answers.push((party, call, answer));
    }

    /// Notes a promise of the answer to the last decision.
    pub(crate) fn promise(&mut self, told: Told) {
        let last = self.up_mut().pending.back_mut();
        last.expect("a promise follows a decision").told.push(told);
    }

    /// Takes tasks back into memory that a request names.
    pub(crate) fn recall<'a>(&mut self, ids: impl IntoIterator<Item = &'a TaskId>) {
        let Some(running) = &mut self.running else { return };
        for id in ids {
            if running.state.task(id).is_none()
                && let Some(task) = self.stored.task(id)
                && !running.leaving.contains(&task.number)
            {
                running.state.recall(task.clone());
            }
        }
    }

    /// Every kept task.
    pub(crate) fn all(&self) -> Vec<Arc<Task>> {
        let running = self.up();
        let stored = self.stored.tasks_after(Number(0));
        let mut all: Vec<Arc<Task>> = stored
            .filter(|task| !running.leaving.contains(&task.number))
            .filter(|task| running.state.task_numbered(task.number).is_none())
            .chain(running.state.tasks_after(Number(0)))
            .cloned()
            .collect();
        all.sort_by_key(|task| task.number);
        all
    }

    /// Gives every lease a full TTL when the timer wakes late.
    pub(crate) fn look_at_clock(&mut self, boot: u64) {
        let now = self.now(boot);
        let running = self.up_mut();
        if now - running.looked > LATE {
            running.state.grace(now, TTL);
            running.leases.grace(now);
        }
        running.looked = now;
    }

    /// The number of decisions that are not on disk.
    pub(crate) fn pending(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.pending.len())
    }

    /// Writes some decisions, and returns the answers that may leave now.
    pub(crate) fn sync(&mut self, count: usize) -> Vec<(Party, u64, Answer)> {
        let mut leaving = Vec::new();
        let Some(running) = &mut self.running else {
            return leaving;
        };
        for _ in 0..count {
            let Some(Decision {
                events,
                told,
                answers,
            }) = running.pending.pop_front()
            else {
                break;
            };
            for event in events {
                self.history.note(&event);
                self.stored.apply(&event);
                if let Fact::TaskCancelled { task, .. } = &event.fact
                    && let Some(record) = self.stored.task(&task.id)
                {
                    self.history.check_cancelled(record);
                }
                if let Fact::TaskRemoved { task, .. } = &event.fact {
                    running.leaving.remove(&task.number);
                }
                self.journal.push(event);
            }
            for told in told {
                match told {
                    Told::Accepted(agent, proof, hash) => self.history.accept(&agent, &proof, hash),
                    Told::Refused(proof, hash) => self.history.refuse(&proof, hash),
                    Told::Repeated(proof) => self.history.repeat(&proof),
                    Told::Acknowledged(task) => self.history.acknowledge(&task),
                }
            }
            leaving.extend(answers);
        }
        leaving
    }

    /// Dies, and returns the numbers of lost events and answers.
    pub(crate) fn crash(&mut self) -> (usize, usize) {
        let Some(running) = self.running.take() else {
            return (0, 0);
        };
        self.begun = running.leases.begun();
        let lost = |count: fn(&Decision) -> usize| running.pending.iter().map(count).sum();
        (
            lost(|decision| decision.events.len()),
            lost(|decision| decision.answers.len()),
        )
    }

    /// Checks that folding the journal gives the same state, also with evictions on the way.
    pub(crate) fn check_fold(&self, random: &mut Random) {
        let mut folded = State::default();
        self.journal.iter().for_each(|event| folded.apply(event));
        folded.check().expect("a folded journal holds together");
        self.check_same(&folded);

        let mut folded = State::default();
        for event in &self.journal {
            folded.apply(event);
            if random.one_in(8) {
                let finished: Vec<Number> = folded.finished(folded.seq()).map(|task| task.number).collect();
                for number in finished {
                    assert!(folded.forget(number), "task {} stays in memory", number.0);
                }
            }
        }
        for task in self.stored.tasks_after(Number(0)) {
            folded.recall(task.clone());
        }
        folded
            .check()
            .expect("a journal that was folded with less memory holds together");
        self.check_same(&folded);
    }

    fn check_same(&self, folded: &State) {
        let state = self.state();
        assert!(
            folded.tasks_after(Number(0)).eq(self.all().iter()),
            "the folded tasks differ"
        );
        assert_eq!(folded.counts(), state.counts());
        assert!(
            folded.jobs_after(Number(0)).eq(state.jobs_after(Number(0))),
            "the folded jobs differ"
        );
        for job in folded.jobs_after(Number(0)) {
            assert_eq!(folded.job_counts(&job.id), state.job_counts(&job.id));
        }
        assert!(folded.agents().eq(state.agents()), "the folded agents differ");
        assert!(folded.holds().eq(state.holds()), "the folded holds differ");
        assert_eq!(folded.identity(), state.identity());
        assert_eq!((folded.seq(), folded.time()), (state.seq(), state.time()));
    }
}
