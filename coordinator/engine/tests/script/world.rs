//! The state of a script, and the requests that scripts have.
//!
//! ```text
//! start                                   a coordinator opens the journal
//! restart [ttl 10m] [ahead 2h] [back 2h]  it loads the records, gives grace and opens it again, with longer leases,
//!         [history H]                     with a time that is ahead of the wall clock, or set back, or with a new
//!                                         history
//! submit [job J] a priority 50; b needs a task clauses: needs X [finished], priority, retries, queue,
//!                                         runs PROGRAM, timeout, delay, not-before, deadline, size
//! register laptop [slots 2] [held a#1] [label K=V] [prompts] [allows git,/opt/*] [no-commands] [at HOST]
//! deregister laptop [session 1]
//! death laptop [session 1] [forged]       its guard says that it died
//! claim laptop [2] [from QUEUE] [shard 0/2] [looks 3] [request ID] [session 1]
//! renew laptop [a#1] [ran 10s] [session 1] [draining]
//! complete laptop a#1 success; b#1 failure exit [code 127] [blame machine] [retry-after 10s]; c#1 released busy
//! forge laptop a#2 success                the same with the token of a#1, or a token that was never given
//! cancel a b                              retry a b [revision 7]
//! remove a b [revision 7]
//! release a, release a#1                  forget laptop
//! prune a b [after 60s]                   tasks are removed that ended so long ago
//! prune-agents [after 60s]                agents are removed that were not heard of for so long
//! advance 90s                             time passes, and `expire` runs when it is due
//! sleep 90s                               time passes and nothing runs
//! grace                                   every lease has one full TTL again
//! show a b                                the records are shown
//! ```

use std::{collections::BTreeMap, time::Duration};

use swarm_engine::{
    command::{
        expire, prune,
        prune::Prune,
        prune_agents,
        prune_agents::PruneAgents,
        start,
        start::Start,
        submit,
        submit::{NewJob, Submit},
    },
    draft::{Change, Draft, decide},
    event::Fact,
    id::{AgentId, AttemptNumber, JobId, LeaseToken, Session, TaskId},
    rejection::Rejection,
    state::State,
    time::{Clocks, Timestamp},
};

use crate::{
    request::{self, Words},
    story,
};

pub(crate) type Sessions = BTreeMap<AgentId, Vec<Session>>;

pub(crate) const TTL: Duration = Duration::from_secs(90);

/// The random number of every request, so that backoffs are the same in every run.
pub(crate) const JITTER: u64 = 0x5EED;

/// The most calls of `expire` at one moment: after more of them it makes no progress.
const MAX_STEPS: usize = 1_000;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    now: Timestamp,
    /// The time of the last restart.
    started: Timestamp,
    changes: Vec<Change>,
    pub(crate) tokens: BTreeMap<(TaskId, AttemptNumber), LeaseToken>,
    pub(crate) drawn: u8,
    /// The sessions of each agent: a story counts them from 1.
    pub(crate) sessions: Sessions,
    /// The length of leases, when a script changed it.
    changed_ttl: Option<Duration>,
}

/// The outcome of a request; the error is a mistake in the script.
pub(crate) type Lines = Result<Vec<String>, String>;

impl World {
    /// Runs a request, and tells its outcome. The error is a mistake in the script.
    pub(crate) fn request(&mut self, line: &str) -> Lines {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = Words::of(rest);
        let lines = match verb {
            "start" => self.start(),
            "restart" => self.restart(&mut words)?,
            "submit" => return self.submit(rest),
            "register" => self.register(&mut words)?,
            "deregister" => self.deregister(&mut words)?,
            "death" => self.death(&mut words)?,
            "claim" => self.claim(&mut words)?,
            "renew" => self.renew(&mut words)?,
            "complete" => return self.complete(rest, false),
            "forge" => return self.complete(rest, true),
            "prune" => self.prune(&mut words)?,
            "prune-agents" => self.prune_agents(&mut words)?,
            "advance" => self.advance(words.need_duration()?),
            "sleep" => {
                self.now = self.now + words.need_duration()?;
                Vec::new()
            }
            "grace" => {
                self.state.grace(self.now, self.ttl());
                Vec::new()
            }
            "show" => self.show(&mut words)?,
            _ => self.order(verb, &mut words)?,
        };
        words
            .word()
            .map_or(Ok(lines), |word| Err(format!("{word} is not understood")))
    }

    /// Replays the events into a fresh state, and loads the records into another one. All three states must be equal,
    /// and each event must leave the records that its change has.
    pub(crate) fn check_replay(&self, name: &str) {
        let mut replayed = State::default();
        for change in &self.changes {
            replayed.apply(&change.event);
            if let Some(task) = &change.task {
                let at = story::event(&change.event, &self.sessions);
                assert_eq!(
                    replayed.task_numbered(task.number),
                    Some(task),
                    "{name}: the record after {at}"
                );
            }
        }
        let loaded = self.loaded();
        for other in [&replayed, &loaded] {
            other
                .check()
                .unwrap_or_else(|fault| panic!("{name}: replayed or loaded: {fault}"));
            assert_eq!(self.state.records(), other.records(), "{name}: records");
            assert_eq!(self.state.counts(), other.counts(), "{name}: counts");
        }
    }

    fn loaded(&self) -> State {
        State::load(self.state.records())
    }

    /// Runs a decision and tells its events, then its answer or refusal.
    pub(crate) fn decide<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>,
        answer: impl FnOnce(T) -> Vec<String>,
    ) -> Vec<String> {
        let (result, changes) = decide(&mut self.state, self.now, decision);
        let mut lines = Vec::new();
        for change in &changes {
            if let Fact::AgentRegistered(agent) = &change.event.fact {
                let sessions = self.sessions.entry(agent.id.clone()).or_default();
                sessions.push(agent.session);
            }
            lines.push(story::event(&change.event, &self.sessions));
        }
        self.changes.extend(changes);
        lines.extend(match result {
            Ok(reply) => answer(reply)
                .into_iter()
                .map(|line| format!("→ {line}"))
                .collect(),
            Err(rejection) => story::refusal(&rejection),
        });
        lines
    }

    /// Like `decide`, for requests whose items are accepted and refused by themselves.
    pub(crate) fn decide_items<T>(
        &mut self,
        decision: impl FnOnce(&mut Draft<'_>) -> Vec<Result<T, Rejection>>,
        answer: impl Fn(T) -> String,
    ) -> Vec<String> {
        let mut results = Vec::new();
        let mut lines = self.decide(
            |draft| {
                results = decision(draft);
                Ok(())
            },
            |()| Vec::new(),
        );
        for result in results {
            match result {
                Ok(reply) => lines.push(format!("→ {}", answer(reply))),
                Err(rejection) => lines.extend(story::refusal(&rejection)),
            }
        }
        lines
    }

    fn start(&mut self) -> Vec<String> {
        self.begin(Duration::ZERO, None, None)
    }

    /// Opens the journal on a machine whose wall clock is behind by `ahead`.
    fn begin(
        &mut self,
        ahead: Duration,
        set_back_to: Option<Timestamp>,
        new_history: Option<&str>,
    ) -> Vec<String> {
        let request = Start {
            version: "1.0.0".into(),
            cluster_id: "cluster".into(),
            history: "history".into(),
            new_history: new_history.map(Into::into),
            clocks: Clocks {
                wall: Timestamp(self.now.0 - ahead.as_millis() as u64),
                boot: "".into(),
                since_boot: Duration::ZERO,
            },
            set_back_to,
        };
        self.decide(|draft| start::decide(draft, request), |()| Vec::new())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    fn restart(&mut self, words: &mut Words<'_>) -> Lines {
        if words.takes("ttl") {
            self.changed_ttl = Some(words.need_duration()?);
        }
        let ahead = if words.takes("ahead") {
            words.need_duration()?
        } else {
            Duration::ZERO
        };
        self.state = self.loaded();
        let mut set_back_to = None;
        if words.takes("back") {
            self.now = Timestamp(self.now.0 - words.need_duration()?.as_millis() as u64);
            set_back_to = Some(self.now);
        }
        let new_history = match words.takes("history") {
            true => Some(words.need("a history")?),
            false => None,
        };
        self.started = self.now;
        self.state.grace_at_start(self.now, self.ttl());
        self.state.set_ahead_of_wall(ahead);
        let mut lines = self.begin(ahead, set_back_to, new_history);
        if set_back_to.is_some() {
            lines.extend(self.decide(start::make_due, |_| Vec::new()));
        }
        Ok(lines)
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.changed_ttl.unwrap_or(TTL)
    }

    fn submit(&mut self, text: &str) -> Lines {
        let mut words = Words::of(text);
        let (job, tasks) = if words.takes("job") {
            let id = words.need("a job id")?;
            let tasks = text.split_once(id).map_or("", |(_, tasks)| tasks);
            (
                Some(NewJob {
                    id: JobId::parse(id)?,
                    name: id.into(),
                    labels: BTreeMap::new(),
                }),
                tasks,
            )
        } else {
            (None, text)
        };
        let tasks = tasks
            .split(';')
            .map(|task| request::task(task, self.now))
            .collect::<Result<Vec<_>, _>>()?;
        let request = Submit {
            job,
            tasks,
            ..Submit::default()
        };
        Ok(self.decide(
            |draft| submit::decide(draft, request),
            |tasks| {
                let existed = |existed| if existed { ", existed" } else { "" };
                tasks
                    .iter()
                    .map(|task| format!("{} {}{}", task.id, task.state, existed(task.existed)))
                    .collect()
            },
        ))
    }

    fn prune(&mut self, words: &mut Words<'_>) -> Lines {
        let (mut tasks, mut age) = (Vec::new(), Duration::ZERO);
        while let Some(word) = words.word() {
            if word == "after" {
                age = words.need_duration()?;
                break;
            }
            let task = self.state.task(&TaskId::parse(word)?).ok_or("no such task")?;
            tasks.push(task.number);
        }
        let ended_by = Timestamp(self.now.0.saturating_sub(age.as_millis() as u64));
        let request = Prune { tasks, ended_by };
        Ok(self.decide(
            |draft| Ok(prune::decide(draft, &request)),
            |removed| vec![format!("{removed} removed")],
        ))
    }

    fn prune_agents(&mut self, words: &mut Words<'_>) -> Lines {
        let age = if words.takes("after") {
            words.need_duration()?
        } else {
            Duration::ZERO
        };
        let request = PruneAgents {
            agents: self.state.agents().map(|agent| agent.id.clone()).collect(),
            heard_by: Timestamp(self.now.0.saturating_sub(age.as_millis() as u64)),
            started: self.started,
        };
        Ok(self.decide(
            |draft| Ok(prune_agents::decide(draft, &request)),
            |removed| vec![format!("{removed} removed")],
        ))
    }

    fn advance(&mut self, duration: Duration) -> Vec<String> {
        let target = self.now + duration;
        let mut lines = Vec::new();
        let mut steps = 0;
        while let Some(next) = self.state.next_deadline().filter(|next| *next <= target) {
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(
                steps < MAX_STEPS,
                "time does not move on from {}",
                story::time(self.now)
            );
            self.now = self.now.max(next);
            let events = self.decide(|draft| expire::decide(draft, JITTER), |()| Vec::new());
            assert!(
                !events.is_empty(),
                "the engine wanted to be called and did nothing"
            );
            lines.push(format!("at {}", story::time(self.now)));
            lines.extend(events);
        }
        self.now = target;
        lines
    }

    fn show(&self, words: &mut Words<'_>) -> Lines {
        let mut lines = Vec::new();
        while let Some(word) = words.word() {
            let task = self.state.task(&TaskId::parse(word)?).ok_or("no such task")?;
            lines.extend(story::record(task));
        }
        Ok(lines)
    }
}
