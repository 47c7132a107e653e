//! Requests of people: cancels, retries, holds, limits of queues, explanations.

use swarm_engine::{
    command::{
        cancel,
        forget::{self, Forget},
        hold::{self, Wanted},
        limit,
        release::{self, Release},
        remove::{self, Remove},
        retry::{self, Retry},
    },
    id::{AgentId, QueueName, Seq, TaskId},
    noun::{hold::Scope, outcome::Outcome, task::TaskState},
    rule::{
        avoid::Why,
        explain::{Cause, EndedTasks, Silence, explain},
        fit::{Fit, Liveness},
    },
};

use crate::{
    request::{self, Words},
    story,
    world::{JITTER, Lines, World},
};

impl World {
    /// Runs the request of a person.
    pub(crate) fn order(&mut self, verb: &str, words: &mut Words<'_>) -> Lines {
        match verb {
            "cancel" => self.cancel(words),
            "remove" => self.remove(words),
            "retry" => self.retry(words),
            "pause" | "drain" | "stop" => self.place(verb, words),
            "resume" => self.lift(words),
            "limit" => self.limit(words),
            "release" => self.release(words),
            "forget" => self.forget(words),
            "explain" => self.explain(words),
            _ => Err("no such request".to_owned()),
        }
    }

    /// `cancel a b`.
    fn cancel(&mut self, words: &mut Words<'_>) -> Lines {
        let mut tasks = Vec::new();
        while let Some(word) = words.word() {
            tasks.push(TaskId::parse(word)?);
        }
        Ok(self.decide_items(|draft| cancel::decide(draft, &tasks), |state| state.to_string()))
    }

    /// `remove a b`, `remove a revision 7`.
    fn remove(&mut self, words: &mut Words<'_>) -> Lines {
        let tasks = revisions(words)?.into_iter();
        let tasks: Vec<Remove> = tasks.map(|(task, revision)| Remove { task, revision }).collect();
        Ok(self.decide_items(|draft| remove::decide(draft, &tasks), |state| state.to_string()))
    }

    /// `release a`, `release a#1`.
    fn release(&mut self, words: &mut Words<'_>) -> Lines {
        let word = words.need("a task or an attempt")?;
        let (task, attempt) = match request::attempt(word) {
            Ok((task, attempt)) => (task, Some(attempt)),
            Err(_) => (TaskId::parse(word)?, None),
        };
        let request = Release {
            task,
            attempt,
            jitter: JITTER,
        };
        Ok(self.decide(
            |draft| release::decide(draft, &request),
            |released| {
                let lease = story::lease(&request.task, released.attempt);
                vec![format!("{lease} of {}, {}", released.agent, released.state)]
            },
        ))
    }

    /// `forget laptop`.
    fn forget(&mut self, words: &mut Words<'_>) -> Lines {
        let request = Forget {
            agent: AgentId::parse(words.need("an agent")?)?,
            actor: "ann".into(),
            jitter: JITTER,
        };
        Ok(self.decide(
            |draft| forget::decide(draft, request),
            |leases| vec![format!("{leases} given up")],
        ))
    }

    /// `retry a b`, `retry a revision 7`.
    fn retry(&mut self, words: &mut Words<'_>) -> Lines {
        let tasks = revisions(words)?.into_iter();
        let tasks: Vec<Retry> = tasks.map(|(task, revision)| Retry { task, revision }).collect();
        Ok(self.decide_items(|draft| retry::decide(draft, &tasks), |state| state.to_string()))
    }

    /// `pause`, `drain laptop 60s`, `stop`.
    fn place(&mut self, verb: &str, words: &mut Words<'_>) -> Lines {
        let scope = scope(words)?;
        let kind = match verb {
            "pause" => Wanted::Pause,
            "stop" => Wanted::Stop,
            _ => Wanted::Drain {
                timeout: if words.takes("within") {
                    Some(words.need_duration()?)
                } else {
                    None
                },
            },
        };
        let request = hold::PlaceHold {
            scope,
            kind,
            actor: "ann".into(),
            reason: "".into(),
        };
        Ok(self.decide(
            |draft| hold::place(draft, request),
            |hold| vec![format!("{} {}", hold.scope, story::hold_kind(hold.kind))],
        ))
    }

    /// `resume`, `resume queue night`, `resume agent laptop`.
    fn lift(&mut self, words: &mut Words<'_>) -> Lines {
        let request = hold::LiftHold {
            scope: scope(words)?,
            actor: "bob".into(),
        };
        Ok(self.decide(
            |draft| hold::lift(draft, request),
            |hold| {
                vec![
                    if hold.is_some() {
                        "lifted"
                    } else {
                        "nothing to lift"
                    }
                    .to_owned(),
                ]
            },
        ))
    }

    /// `limit night 2`, `limit night`.
    fn limit(&mut self, words: &mut Words<'_>) -> Lines {
        let request = limit::Limit {
            queue: QueueName::parse(words.need("a queue")?)?,
            max_running: words.number(),
            actor: "ann".into(),
        };
        Ok(self.decide(|draft| limit::decide(draft, request), |()| Vec::new()))
    }

    /// `explain a`: the obstacles of a task, and the fit of each agent.
    fn explain(&mut self, words: &mut Words<'_>) -> Lines {
        let id = TaskId::parse(words.need("a task")?)?;
        let task = self.state.task(&id).ok_or("no such task")?;
        let liveness = Liveness {
            now: self.now(),
            ttl: self.ttl(),
            started: self.now(),
        };
        let explanation = explain(&self.state, task, &EndedTasks::new(), liveness);
        let obstacles = explanation.obstacles.iter().map(|obstacle| {
            let indent = "  ".repeat(obstacle.depth as usize);
            format!("{indent}{}", cause(&obstacle.cause))
        });
        let agents = explanation
            .agents
            .iter()
            .map(|(agent, fits)| format!("agent {}: {}", agent.id, fit(fits)));
        let before = match explanation.before {
            0 => None,
            before => Some(format!("{before} before it")),
        };
        Ok(obstacles.chain(before).chain(agents).collect())
    }
}

fn scope(words: &mut Words<'_>) -> Result<Scope, String> {
    if words.takes("queue") {
        return Ok(Scope::Queue(QueueName::parse(words.need("a queue")?)?));
    }
    if words.takes("agent") {
        return Ok(Scope::Agent(AgentId::parse(words.need("an agent")?)?));
    }
    Ok(Scope::Everything)
}

fn silent(silence: Option<Silence>) -> String {
    silence.map_or(String::new(), |silence| {
        let (lasted, rest) = (silence.lasted.as_secs(), silence.rest.as_secs());
        format!(", its agent silent for {lasted}s, {rest}s left")
    })
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Dependency { task, state, .. } => {
            let state = state.map_or_else(
                || "no longer kept".to_owned(),
                |state: TaskState| state.to_string(),
            );
            format!("waits for {task}, {state}")
        }
        Cause::MoreDependencies(more) => format!("waits for {more} more"),
        Cause::Time(until) => format!("not before {}", story::time(*until)),
        Cause::Backoff { until, after } => {
            let after = match &after.outcome {
                Outcome::Failed(failure) => failure.reason.to_string(),
                other => format!("{other:?}"),
            };
            format!("again at {} after {after}", story::time(*until))
        }
        Cause::Held(hold) => format!("{} {} by {}", hold.scope, story::hold_kind(hold.kind), hold.actor),
        Cause::QueueLimit { queue, max_running } => format!("{max_running} of queue {queue} run"),
        Cause::Group { group, task } => format!("{task} of group {group} runs"),
        Cause::Unmatched { why, nearest } => {
            let nearest = nearest
                .as_ref()
                .map(|(agent, _)| format!(", nearest {}", agent.id));
            let agents = why.agents;
            format!(
                "none of {agents} agents can run it{}",
                nearest.unwrap_or_default()
            )
        }
        Cause::Turn { unwilling: None } => "waits its turn".to_owned(),
        Cause::Turn {
            unwilling: Some((agent, _)),
        } => format!("waits its turn, nearest {}", agent.id),
        Cause::Running { silence } => format!("runs{}", silent(*silence)),
        Cause::Cancelling { silence } => format!("is being cancelled{}", silent(*silence)),
        Cause::Ended { because, retry } => {
            let because = because.as_ref().map(|task| format!(" because of {task}"));
            let retry: String = retry.iter().map(|task| format!(" {task}")).collect();
            format!("has ended{}, retry{retry}", because.unwrap_or_default())
        }
    }
}

fn fit(fit: &Fit) -> String {
    match fit {
        Fit::Fits => "fits".to_owned(),
        Fit::Busy => "busy".to_owned(),
        Fit::Avoided(avoided) => {
            let did = match avoided.why {
                Why::Failed => "failed",
                Why::NotStarted => "could not start",
                Why::GivenUp => "was given up with",
                Why::Refused => "refused",
            };
            format!("{did} it, until {}", story::time(avoided.until))
        }
        Fit::Slowed(until) => format!("slowed until {}", story::time(*until)),
        Fit::Lost(Some(seen)) => format!("silent since {}", story::time(*seen)),
        Fit::Lost(None) => "never heard of".to_owned(),
        Fit::Leaving => "leaving".to_owned(),
        Fit::Held(hold) => story::hold_kind(hold.kind),
        Fit::Executor(executor) => format!("runs no {executor}s"),
        Fit::Label(term) => format!("label {term}"),
        Fit::Rules(program) => format!("may not run {program}"),
        Fit::Queue(queue) => format!("does not serve {queue}"),
        Fit::Shard(shard, index) => format!("not shard {index} of {}", shard.count),
    }
}

/// Tasks, each with the revision behind it, if there is one.
fn revisions(words: &mut Words<'_>) -> Result<Vec<(TaskId, Option<Seq>)>, String> {
    let mut tasks = Vec::new();
    while let Some(word) = words.word() {
        let task = TaskId::parse(word)?;
        let revision = if words.takes("revision") {
            Some(Seq(words.need_number("revision")?))
        } else {
            None
        };
        tasks.push((task, revision));
    }
    Ok(tasks)
}
