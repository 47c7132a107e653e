//! The requests of agents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    command::{
        claim::{self, Claim},
        complete::{self, Complete, Report, Reported},
        death::{self, Death},
        deregister::{self, Deregister},
        register::{self, Register},
        renew::{self, Order, Renew},
    },
    id::{AgentId, AttemptNumber, LeaseToken, QueueName, ReportHash, Session, SessionToken, TaskId},
    noun::{
        lease::{Held, Proof},
        needs::{Executor, Shard, Wants},
        process::Process,
        rules::Rules,
    },
    time::Timestamp,
};

use crate::{
    request::{self, Words},
    story,
    world::{JITTER, Lines, TTL, World},
};

/// The token of every session: a story tells where one is missing.
const SESSION_TOKEN: SessionToken = SessionToken([0x5E; 16]);

impl World {
    pub(crate) fn register(&mut self, words: &mut Words<'_>) -> Lines {
        let agent = agent(words)?;
        let slots = if words.takes("slots") {
            words.need_number("slots")?
        } else {
            1
        };
        let held = if words.takes("held") {
            words.attempts()?
        } else {
            Vec::new()
        };
        let mut labels = BTreeMap::new();
        while words.takes("label") {
            let (key, value) = words
                .need("a label")?
                .split_once('=')
                .ok_or("a label is key=value")?;
            labels.insert(key.to_owned(), value.to_owned());
        }
        let mut executors = BTreeSet::from([Executor::Command]);
        if words.takes("prompts") {
            executors.insert(Executor::Prompt);
        }
        let mut rules = Rules::Everything;
        if words.takes("no-commands") {
            rules = Rules::NoCommands;
        } else if words.takes("allows") {
            let patterns: Vec<&str> = words.need("patterns")?.split(',').collect();
            rules = Rules::programs(&patterns);
        }
        let mut process = None;
        if words.takes("at") {
            let host = words.need("a host")?;
            process = Some(Process {
                host: host.into(),
                place: host.into(),
            });
        }
        let request = Register {
            name: agent.as_str().into(),
            agent,
            labels,
            slots,
            executors,
            rules,
            version: "1.0.0".into(),
            held: held
                .into_iter()
                .map(|(task, attempt)| self.held(task, attempt))
                .collect(),
            lease_ttl: self.ttl(),
            jitter: JITTER,
            token: SESSION_TOKEN,
            process,
        };
        let count = 1 + self.sessions.get(&request.agent).map_or(0, Vec::len);
        Ok(self.decide(
            |draft| register::decide(draft, request),
            |reply| {
                let reply = match reply {
                    Ok(reply) => reply,
                    Err(rejection) => return vec![format!("refused: {rejection}")],
                };
                let lost = reply
                    .lost
                    .iter()
                    .map(|proof| story::lease(&proof.task, proof.attempt) + " lost");
                [format!("session {count}")].into_iter().chain(lost).collect()
            },
        ))
    }

    pub(crate) fn deregister(&mut self, words: &mut Words<'_>) -> Lines {
        let agent = agent(words)?;
        let session = self.session(words, &agent)?;
        let request = Deregister {
            agent,
            session,
            jitter: JITTER,
        };
        Ok(self.decide(
            |draft| deregister::decide(draft, request),
            |()| vec!["gone".to_owned()],
        ))
    }

    /// The guard of an agent tells of its death; `forged` without the token of its session.
    pub(crate) fn death(&mut self, words: &mut Words<'_>) -> Lines {
        let agent = agent(words)?;
        let session = self.session(words, &agent)?;
        let request = Death {
            agent,
            session,
            token: Some(SESSION_TOKEN).filter(|_| !words.takes("forged")),
            jitter: JITTER,
        };
        Ok(self.decide(
            |draft| death::decide(draft, request),
            |leases| vec![format!("dead, {leases} leases lost")],
        ))
    }

    pub(crate) fn claim(&mut self, words: &mut Words<'_>) -> Lines {
        let agent = agent(words)?;
        let count: usize = words.number().unwrap_or(1);
        let mut wants = Wants::default();
        while words.takes("from") {
            wants.queues.insert(QueueName::parse(words.need("a queue")?)?);
        }
        if words.takes("shard") {
            // `2/4` is shard 2 of 4; with `auto/4` the coordinator gives shards of 4.
            let (index, count) = words
                .need("a shard")?
                .split_once('/')
                .ok_or("a shard is index/count")?;
            wants.shard = Some(Shard {
                count: count.parse().map_err(|_| "a count is a number")?,
                index: index.parse().ok(),
            });
        }
        if words.takes("looks") {
            wants.scan_limit = words.need_number("looks")?;
        }
        let request_id: Arc<str> = if words.takes("request") {
            words.need("a request id")?.into()
        } else {
            "".into()
        };
        let session = self.session(words, &agent)?;
        let tokens = (0..count).map(|_| self.draw()).collect();
        let request = Claim {
            agent,
            session,
            wants,
            request_id,
            tokens,
            lease_ttl: self.ttl(),
        };
        let mut granted = Vec::new();
        let lines = self.decide(
            |draft| claim::decide(draft, request),
            |tasks| {
                granted = tasks;
                let named = granted
                    .iter()
                    .map(|task| story::lease(&task.id, task.attempt_count));
                vec![if granted.is_empty() {
                    "nothing".to_owned()
                } else {
                    named.collect::<Vec<_>>().join(" ")
                }]
            },
        );
        for task in granted {
            let lease = task.lease().ok_or("a granted task has no lease")?;
            self.tokens.insert((task.id.clone(), lease.attempt), lease.token);
        }
        Ok(lines)
    }

    pub(crate) fn renew(&mut self, words: &mut Words<'_>) -> Lines {
        let agent = agent(words)?;
        let leases = words.attempts()?.into_iter();
        let mut leases: Vec<Held> = leases.map(|(task, attempt)| self.held(task, attempt)).collect();
        if words.takes("ran") {
            let ran = words.need_duration()?;
            leases.iter_mut().for_each(|held| held.ran = Some(ran));
        }
        let session = self.session(words, &agent)?;
        let request = Renew {
            agent,
            session,
            leases,
            lease_ttl: self.ttl(),
            draining: words.takes("draining"),
        };
        let ttl = self.ttl();
        let mut lines = self.decide(
            |draft| renew::decide(draft, &request),
            |directives| {
                let told = |order| match order {
                    Order::Continue => "continue",
                    Order::Cancel => "cancel",
                    Order::Release => "release",
                    Order::Lost => "lost",
                };
                let line =
                    |d: &renew::Directive| format!("{} {}", story::lease(&d.task, d.attempt), told(d.order));
                directives.iter().map(line).collect()
            },
        );
        if ttl != TTL {
            let trust = self.state.trust_of(&request.agent, ttl);
            lines.push(format!("trusted for {}s", trust.as_secs()));
        }
        Ok(lines)
    }

    pub(crate) fn complete(&mut self, text: &str, forged: bool) -> Lines {
        let (name, reports) = text.split_once(' ').ok_or("an outcome is missing")?;
        let agent = AgentId::parse(name)?;
        let mut request = Complete {
            agent,
            reports: Vec::new(),
            jitter: JITTER,
            lease_ttl: self.ttl(),
            started: Timestamp(0),
        };
        for text in reports.split(';') {
            let mut words = Words::of(text);
            let (task, attempt) = request::attempt(words.need("an attempt")?)?;
            let result = request::outcome(&mut words)?;
            let output = Arc::new(request::output(&mut words)?);
            if let Some(word) = words.word() {
                return Err(format!("{word} is not understood"));
            }
            let mut proof = self.proof(task, attempt);
            if forged {
                let before = AttemptNumber(proof.attempt.0 - 1);
                let stolen = self.tokens.get(&(proof.task.clone(), before)).copied();
                proof.token = Some(stolen.unwrap_or(LeaseToken([0xFF; 16])));
            }
            let hash = hash(&result);
            request.reports.push(Report {
                proof,
                result,
                output,
                hash,
            });
        }
        let again = |already| if already { ", already completed" } else { "" };
        Ok(self.decide_items(
            |draft| complete::decide(draft, request),
            |accepted| format!("{}{}", accepted.state, again(accepted.already_completed)),
        ))
    }

    /// The session in the script, otherwise the newest one.
    fn session(&self, words: &mut Words<'_>, agent: &AgentId) -> Result<Session, String> {
        if words.takes("session") {
            let count: usize = words.need_number("session")?;
            let sessions = self.sessions.get(agent);
            let known = sessions.and_then(|sessions| sessions.get(count.checked_sub(1)?));
            return Ok(known.copied().unwrap_or(Session(u64::MAX)));
        }
        Ok(self.state.agent(agent).map_or(Session(0), |known| known.session))
    }

    fn proof(&self, task: TaskId, attempt: AttemptNumber) -> Proof {
        let token = self.tokens.get(&(task.clone(), attempt)).copied();
        Proof { task, attempt, token }
    }

    fn held(&self, task: TaskId, attempt: AttemptNumber) -> Held {
        let proof = self.proof(task, attempt);
        Held { proof, ran: None }
    }

    fn draw(&mut self) -> LeaseToken {
        self.drawn += 1;
        LeaseToken([self.drawn; 16])
    }
}

fn agent(words: &mut Words<'_>) -> Result<AgentId, String> {
    AgentId::parse(words.need("an agent")?)
}

/// A hash of a report: the engine asks only that equal reports have equal hashes.
fn hash(result: &Reported) -> ReportHash {
    let mut hash = [0; 16];
    for (index, byte) in format!("{result:?}").bytes().enumerate() {
        let cell = &mut hash[index % 16];
        *cell = u8::rotate_left(*cell, 3) ^ byte;
    }
    ReportHash(hash)
}
