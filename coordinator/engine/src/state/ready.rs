//! The queued tasks, in the order in which claims take them.
//!
//! A claim visits the heads of classes, so its cost does not grow with the number of queued tasks. Queues take turns:
//! among tasks of the same priority, the queue that was given to least recently comes first.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{GroupName, Number, QueueName},
    limits::MAX_LINES_VISITED,
    noun::{
        needs::{Bucket, Class, Needs, Offer},
        rules::Program,
        task::Task,
    },
    state::waiting::{Gate, LineKey, Waiting},
};

/// The turn of a queue: the lowest is next.
pub(super) type Turn = u64;

/// The queued tasks of one queue.
#[derive(Clone, Debug, Default)]
struct Queue {
    turn: Turn,
    classes: BTreeMap<Class, Waiting>,
}

/// Turns are history, so they are not compared.
impl PartialEq for Queue {
    fn eq(&self, other: &Queue) -> bool {
        self.classes == other.classes
    }
}

/// All queued tasks, by queue and class and in order. A queue or class without tasks does not exist.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    queues: BTreeMap<QueueName, Queue>,
    /// The turn that was given last.
    last_turn: Turn,
    /// The exclusive groups with a running task, and that task.
    taken: BTreeMap<GroupName, Number>,
    /// The gates of each group.
    gates: BTreeMap<GroupName, BTreeSet<(Class, Bucket)>>,
    /// The classes in which tasks may have become claimable since these were last taken.
    opened: BTreeSet<Class>,
    /// How often tasks may have become claimable.
    openings: u64,
}

/// What was opened is history, so it is not compared.
impl PartialEq for Ready {
    fn eq(&self, other: &Ready) -> bool {
        self.queues == other.queues && self.taken == other.taken && self.gates == other.gates
    }
}

impl Eq for Ready {}

/// How many tasks of a class an offer is kept from by what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptFrom {
    /// The owner's rules.
    pub(crate) rules: u64,
    /// A running task of their exclusive group.
    pub(crate) group: u64,
    /// The shards that the offer is for.
    pub(crate) shard: u64,
    /// None of these.
    pub(crate) nothing: u64,
}

impl Ready {
    pub(crate) fn insert(&mut self, task: &Task) {
        let needs = &task.needs;
        self.openings += 1;
        self.open_class(&needs.class);
        if let Some(group) = &needs.group {
            let gates = self.gates.entry(group.clone()).or_default();
            gates.insert((needs.class.clone(), task.bucket));
        }
        let is_free = self.is_free(needs.group.as_ref());
        if self.waiting(&needs.class).is_none() {
            let queue = self.queues.entry(needs.class.queue.clone());
            let queue = queue.or_insert_with(|| {
                // A queue that comes back is the last one of the round, as if it had never been away.
                self.last_turn += 1;
                Queue {
                    turn: self.last_turn,
                    ..Queue::default()
                }
            });
            queue.classes.insert(needs.class.clone(), Waiting::default());
        }
        let waiting = self.waiting_mut(&needs.class).expect("it was inserted just now");
        waiting.insert(task, is_free);
    }

    pub(crate) fn remove(&mut self, task: &Task) {
        let needs = &task.needs;
        let is_free = self.is_free(needs.group.as_ref());
        let Some(waiting) = self.waiting_mut(&needs.class) else {
            return;
        };
        let has_others = waiting.remove(task, is_free);
        if waiting.count == 0 {
            self.remove_class(&needs.class);
        }
        if let Some(group) = &needs.group
            && !has_others
            && let Some(gates) = self.gates.get_mut(group)
        {
            gates.remove(&(needs.class.clone(), task.bucket));
            if gates.is_empty() {
                self.gates.remove(group);
            }
        }
    }

    /// Lets the queues begin a round, in the order of their names. A start does so, because records have no turns.
    pub(crate) fn begin_round(&mut self) {
        self.last_turn = 0;
        for queue in self.queues.values_mut() {
            self.last_turn += 1;
            queue.turn = self.last_turn;
        }
    }

    /// The turn of a queue with queued tasks.
    pub(super) fn turn(&self, queue: &QueueName) -> Option<Turn> {
        self.queues.get(queue).map(|queue| queue.turn)
    }

    /// Gives a queue the turn back that it had before its only task was taken out for a change.
    pub(super) fn keep_turn(&mut self, queue: &QueueName, turn: Turn) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.turn = turn;
        }
    }

    /// Notes that a task of this queue was granted: other queues come first now.
    pub(crate) fn end_turn(&mut self, queue: &QueueName) {
        if let Some(queue) = self.queues.get_mut(queue) {
            self.last_turn += 1;
            queue.turn = self.last_turn;
        }
    }

    pub(super) fn waiting(&self, class: &Class) -> Option<&Waiting> {
        self.queues.get(&class.queue)?.classes.get(class)
    }

    fn waiting_mut(&mut self, class: &Class) -> Option<&mut Waiting> {
        self.queues.get_mut(&class.queue)?.classes.get_mut(class)
    }

    fn remove_class(&mut self, class: &Class) {
        self.opened.remove(class);
        if let Some(queue) = self.queues.get_mut(&class.queue) {
            queue.classes.remove(class);
            if queue.classes.is_empty() {
                self.queues.remove(&class.queue);
            }
        }
    }

    /// Notes that a task of the group runs: other tasks of the group wait.
    pub(crate) fn take_group(&mut self, group: &GroupName, number: Number) {
        let before = self.taken.insert(group.clone(), number);
        assert!(before.is_none(), "one task of group {group} runs at a time");
        self.set_open(group, false);
    }

    /// Notes that no task of the group runs any more: another task may.
    pub(crate) fn free_group(&mut self, group: &GroupName) {
        self.taken.remove(group);
        self.set_open(group, true);
    }

    fn set_open(&mut self, group: &GroupName, is_free: bool) {
        self.openings += u64::from(is_free);
        for (class, bucket) in self.gates.get(group).into_iter().flatten() {
            let queue = self.queues.get_mut(&class.queue);
            let Some(waiting) = queue.and_then(|queue| queue.classes.get_mut(class)) else {
                continue;
            };
            if is_free && !self.opened.contains(class) {
                self.opened.insert(class.clone());
            }
            let gate = Gate {
                bucket: *bucket,
                group: Some(group.clone()),
            };
            waiting.set_open(gate, is_free);
        }
    }

    pub(super) fn is_free(&self, group: Option<&GroupName>) -> bool {
        group.is_none_or(|group| !self.taken.contains_key(group))
    }

    /// The running task of an exclusive group.
    pub fn holder(&self, group: &GroupName) -> Option<Number> {
        self.taken.get(group).copied()
    }

    /// Notes that tasks of a queue may have become claimable: its hold was lifted, its limit was raised, or one of its
    /// running tasks ended below a limit.
    pub(crate) fn open_queue(&mut self, queue: &QueueName) {
        self.openings += 1;
        let queue = self.queues.get(queue).into_iter();
        let classes = queue.flat_map(|queue| queue.classes.keys());
        self.opened.extend(classes.cloned());
    }

    /// Notes that any waiting task may have become claimable: a hold on everything or on an agent was lifted.
    pub(crate) fn open_all(&mut self) {
        self.openings += 1;
        let classes = self.queues.values().flat_map(|queue| queue.classes.keys());
        self.opened = classes.cloned().collect();
    }

    fn open_class(&mut self, class: &Class) {
        if !self.opened.contains(class) {
            self.opened.insert(class.clone());
        }
    }

    /// Rises whenever tasks may have become claimable.
    pub(crate) fn openings(&self) -> u64 {
        self.openings
    }

    pub(crate) fn take_opened(&mut self) -> BTreeSet<Class> {
        std::mem::take(&mut self.opened)
    }

    /// The same needs, shared with queued tasks if possible: a million tasks of one queue keep its name once.
    pub(crate) fn shared(&self, needs: Needs) -> std::sync::Arc<Needs> {
        let known = self.waiting(&needs.class).and_then(|waiting| {
            let from = LineKey {
                program: needs.program.clone(),
                group: needs.group.clone(),
                bucket: Bucket(0),
            };
            let (key, line) = waiting.lines.range(from..).next()?;
            (key.program == needs.program && key.group == needs.group).then(|| line.needs.clone())
        });
        known.unwrap_or_else(|| needs.into())
    }

    /// The classes of open queues that an offer suits, in order, each with the turn of its queue.
    pub(super) fn suited(
        &self,
        offer: &Offer,
        is_open: impl Fn(&QueueName) -> bool,
    ) -> impl Iterator<Item = (Turn, &Class, &Waiting)> {
        // Of an offer that names queues, the other queues are not even visited.
        let all = offer.queues.is_empty().then(|| self.queues.iter());
        let named = offer.queues.iter();
        let named = named.filter_map(|queue| self.queues.get_key_value(queue));
        all.into_iter()
            .flatten()
            .chain(named)
            .filter(move |(queue, _)| is_open(queue))
            .flat_map(|(_, queue)| {
                let classes = queue.classes.iter();
                classes.map(|(class, waiting)| (queue.turn, class, waiting))
            })
            .filter(move |(_, class, _)| offer.suits(class))
    }

    /// The classes with queued tasks, and the number of those tasks.
    pub fn classes(&self) -> impl Iterator<Item = (&Class, u64)> {
        let classes = self.queues.values().flat_map(|queue| &queue.classes);
        classes.map(|(class, waiting)| (class, waiting.count))
    }

    /// The programs of a class's queued tasks, and the number of those tasks, in at most `most` lines.
    pub fn programs(&self, class: &Class, most: usize) -> impl Iterator<Item = (&Program, u64)> {
        let lines = self.waiting(class).into_iter().flat_map(|waiting| &waiting.lines);
        let mut lines = lines.take(most).peekable();
        std::iter::from_fn(move || {
            let (LineKey { program, .. }, line) = lines.next()?;
            let mut count = line.len() as u64;
            while let Some((_, line)) = lines.next_if(|(key, _)| key.program == *program) {
                count += line.len() as u64;
            }
            Some((program, count))
        })
    }

    /// The tasks of a class that an offer suits, by what keeps the offer from them. At most `left` lines are looked at;
    /// what is behind them counts with the most of those.
    pub(crate) fn kept_from(&self, class: &Class, offer: &Offer, left: &mut usize) -> KeptFrom {
        let mut kept = KeptFrom::default();
        let Some(waiting) = self.waiting(class) else {
            return kept;
        };
        let mut counted = 0;
        for (key, line) in &waiting.lines {
            let Some(rest) = left.checked_sub(1) else {
                break;
            };
            *left = rest;
            let count = line.len() as u64;
            counted += count;
            let by = if !offer.allows(class, &key.program) {
                &mut kept.rules
            } else if !self.is_free(key.group.as_ref()) {
                &mut kept.group
            } else if !offer.buckets.has(key.bucket) {
                &mut kept.shard
            } else {
                &mut kept.nothing
            };
            *by += count;
        }
        let KeptFrom {
            rules,
            group,
            shard,
            nothing,
        } = &mut kept;
        if let Some(most) = [rules, group, shard, nothing].into_iter().max() {
            *most += waiting.count - counted;
        }
        kept
    }

    /// The oldest task of the first lines, whatever its class and priority.
    pub(crate) fn oldest(&self) -> Option<Number> {
        let classes = self.queues.values().flat_map(|queue| queue.classes.values());
        let lines = classes.flat_map(|waiting| waiting.lines.values());
        let lines = lines.take(MAX_LINES_VISITED);
        lines.filter_map(|line| line.oldest()).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        command::submit::{self, NewTask, Submit},
        draft,
        id::TaskId,
        noun::tries::RetryPolicy,
        state::State,
        time::Timestamp,
    };

    #[test]
    fn a_group_has_one_gate_however_many_programs_its_tasks_run() {
        let group = GroupName::stored("db");
        let needs = Needs::command(QueueName::stored("default"));
        let tasks = (0..100).map(|index| NewTask {
            id: TaskId::stored(&format!("migrate-{index}")),
            spec: [].into(),
            needs: Needs {
                program: Program::named(&format!("./{index:03}.sh")),
                group: Some(group.clone()),
                ..needs.clone()
            },
            bucket: Bucket(0),
            priority: 0,
            dependencies: Vec::new(),
            retry: RetryPolicy {
                max_retries: 0,
                initial_backoff: Duration::ZERO.into(),
                max_backoff: Duration::ZERO.into(),
            },
            timeout: Duration::from_secs(1).into(),
            not_before: None,
            delay: None,
            deadline: None,
        });
        let request = Submit {
            tasks: tasks.collect(),
            ..Submit::default()
        };
        let mut state = State::default();
        let (submitted, _) = draft::decide(&mut state, Timestamp(0), |draft| submit::decide(draft, request));
        assert_eq!(submitted.map(|tasks| tasks.len()), Ok(100));
        let ready = state.ready();
        assert_eq!(
            ready.gates[&group].len(),
            1,
            "each is moved when a task of the group begins or ends"
        );
        assert_eq!(ready.programs(&needs.class, usize::MAX).count(), 100);
    }
}
