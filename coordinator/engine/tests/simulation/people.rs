//! People: submitters, and operators that cancel, retry and remove tasks, and place and lift holds.

use std::time::Duration;

use swarm_engine::{
    command::{
        forget::Forget,
        hold::{LiftHold, PlaceHold, Wanted},
        limit::Limit,
        release::Release,
        remove::Remove,
        retry::Retry,
        submit::Submit,
    },
    id::{AttemptNumber, Number, QueueName, TaskId},
    noun::{hold::Scope, task::End},
    state::State,
    time::Timestamp,
};

use super::{
    fault::{Deed, Habits},
    network::{Answer, Request},
    random::Random,
    tasks::{Names, queue},
};

/// A submit without an answer is repeated after this time, in milliseconds.
const PATIENCE: u64 = 40_000;

/// A submitter, who repeats a submit until the answer comes.
#[derive(Default)]
pub(crate) struct Submitter {
    pub(crate) sent: Option<Sent>,
}

/// An unanswered submit.
pub(crate) struct Sent {
    pub(crate) call: u64,
    pub(crate) at: u64,
    pub(crate) submit: Submit,
}

impl Submitter {
    /// The submit to send now, if any.
    pub(crate) fn act(&mut self, boot: u64, call: u64, next: impl FnOnce() -> Submit) -> Option<Request> {
        match &mut self.sent {
            Some(sent) if boot - sent.at <= PATIENCE => return None,
            Some(sent) => (sent.call, sent.at) = (call, boot),
            None => {
                let submit = next();
                self.sent = Some(Sent {
                    call,
                    at: boot,
                    submit,
                });
            }
        }
        self.sent
            .as_ref()
            .map(|sent| Request::Submit(sent.submit.clone()))
    }

    /// Takes an answer, if it is the awaited one: it has an entry for each task, in order.
    pub(crate) fn hear(&mut self, call: u64, answer: &Answer) {
        let Some(sent) = self.sent.take_if(|sent| sent.call == call) else {
            return;
        };
        if let Answer::Submitted(Ok(accepted)) = answer {
            let asked = sent.submit.tasks.iter().map(|task| &task.id);
            assert!(
                asked.eq(accepted.iter().map(|task| &task.id)),
                "a submit is answered with other tasks"
            );
        }
    }
}

/// The request of an operator, who sees the durable state.
pub(crate) fn order(stored: &State, names: &Names, habits: &Habits, random: &mut Random) -> Option<Request> {
    let kinds = [
        Deed::Cancel,
        Deed::Retry,
        Deed::Remove,
        Deed::Hold,
        Deed::Hold,
        Deed::Limit,
        Deed::GiveUp,
    ];
    let kind = kinds[random.index(kinds.len())];
    if !habits.does(kind) {
        return None;
    }
    Some(match kind {
        Deed::Cancel => Request::Cancel(vec![names.task(random)]),
        Deed::Retry => {
            let ended: Vec<TaskId> = stored
                .tasks_after(Number(0))
                .filter(|task| !matches!(task.end(), None | Some(End::Succeeded)))
                .map(|task| task.id.clone())
                .collect();
            let task = if ended.is_empty() || random.one_in(4) {
                names.task(random)
            } else {
                ended[random.index(ended.len())].clone()
            };
            let seen = stored.task(&task).map(|task| task.revision);
            let revision = seen.filter(|_| random.one_in(2));
            Request::Retry(vec![Retry { task, revision }])
        }
        Deed::Remove => {
            // Whether they may go or not.
            let tasks = (0..1 + random.below(6)).map(|_| {
                let task = names.task(random);
                let seen = stored.task(&task).map(|task| task.revision);
                let revision = seen.filter(|_| random.one_in(2));
                Remove { task, revision }
            });
            Request::Remove(tasks.collect())
        }
        Deed::Limit => Request::Limit(Limit {
            queue: queue(random.one_in(2)),
            max_running: random.one_in(2).then(|| 1 + random.below(3) as u32),
            actor: "tester".into(),
        }),
        Deed::GiveUp if random.one_in(3) => Request::Forget(Forget {
            agent: names.agent(random),
            actor: "tester".into(),
            jitter: random.next(),
        }),
        Deed::GiveUp => {
            let running: Vec<(TaskId, AttemptNumber)> = stored
                .tasks_after(Number(0))
                .filter_map(|task| Some((task.id.clone(), task.lease()?.attempt)))
                .collect();
            let (task, attempt) = if running.is_empty() || random.one_in(8) {
                (names.task(random), None)
            } else {
                let (task, attempt) = running[random.index(running.len())].clone();
                (task, Some(attempt).filter(|_| !random.one_in(4)))
            };
            Request::Release(Release {
                task,
                attempt,
                jitter: random.next(),
            })
        }
        _ if random.one_in(3) => Request::PlaceHold(place(names, random)),
        _ => {
            let placed: Vec<Scope> = stored.holds().map(|hold| hold.scope.clone()).collect();
            Request::LiftHold(LiftHold {
                scope: if placed.is_empty() {
                    scope(names, random)
                } else {
                    placed[random.index(placed.len())].clone()
                },
                actor: "tester".into(),
            })
        }
    })
}

fn place(names: &Names, random: &mut Random) -> PlaceHold {
    let scope = scope(names, random);
    let timeout = random.one_in(2).then(|| Duration::from_secs(random.below(100)));
    PlaceHold {
        kind: match (&scope, random.below(3)) {
            (Scope::Agent(_), 0 | 1) => Wanted::Drain { timeout },
            (Scope::Everything, 0) => Wanted::Stop,
            _ => Wanted::Pause,
        },
        scope,
        actor: "tester".into(),
        reason: "a test".into(),
    }
}

fn scope(names: &Names, random: &mut Random) -> Scope {
    match random.below(4) {
        0 => Scope::Everything,
        1 => Scope::Queue(queue(random.one_in(2))),
        _ => Scope::Agent(names.agent(random)),
    }
}

/// The requests that lift every hold and limit.
pub(crate) fn relief(state: &State) -> Vec<Request> {
    let lifts = state.holds().map(|hold| {
        Request::LiftHold(LiftHold {
            scope: hold.scope.clone(),
            actor: "tester".into(),
        })
    });
    let limits = [false, true].map(|is_other| {
        Request::Limit(Limit {
            queue: QueueName::stored(queue(is_other).as_str()),
            max_running: None,
            actor: "tester".into(),
        })
    });
    lifts.chain(limits).collect()
}

/// Tasks that ended before this are old enough to be removed.
pub(crate) fn long_ago(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(60_000))
}
