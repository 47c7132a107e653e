//! The queued tasks, in the order in which claims take them.
//!
//! A class keeps a line of tasks for each bucket and exclusive group, and the heads of its lines in order. A claim
//! visits the heads of classes, so its cost does not grow with the number of queued tasks. While a task of a group
//! runs, the lines of that group have no heads.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    ops::Bound,
    sync::Arc,
};

use crate::{
    id::{GroupName, Number, QueueName},
    noun::{
        needs::{Bucket, Buckets, Class, Needs, Offer},
        task::Task,
    },
};

/// The rank of a task: higher priority first, then age.
type Rank = (Reverse<i16>, Number);

/// The key of a line: the group of its tasks, if they have one, and their bucket.
type LineKey = (Option<GroupName>, Bucket);

/// Tasks by rank. A priority without tasks does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    needs: Arc<Needs>,
    numbers: BTreeMap<Reverse<i16>, BTreeSet<Number>>,
}

impl Line {
    fn first(&self) -> Option<Rank> {
        let (priority, numbers) = self.numbers.first_key_value()?;
        Some((*priority, *numbers.first()?))
    }

    fn next(&self, (priority, number): Rank) -> Option<Rank> {
        let after = (Bound::Excluded(number), Bound::Unbounded);
        let same = self
            .numbers
            .get(&priority)
            .and_then(|numbers| numbers.range(after).next());
        same.map(|number| (priority, *number)).or_else(|| {
            let lower = (Bound::Excluded(priority), Bound::Unbounded);
            let (priority, numbers) = self.numbers.range(lower).next()?;
            Some((*priority, *numbers.first()?))
        })
    }

    fn insert(&mut self, (priority, number): Rank) {
        self.numbers.entry(priority).or_default().insert(number);
    }

    fn remove(&mut self, (priority, number): Rank) {
        if let Some(numbers) = self.numbers.get_mut(&priority) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.numbers.remove(&priority);
            }
        }
    }
}

/// The queued tasks of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waiting {
    lines: BTreeMap<LineKey, Line>,
    /// The first task of each line whose group is free, by bucket.
    heads: BTreeMap<Bucket, BTreeSet<(Rank, Option<GroupName>)>>,
    /// The first head of each bucket.
    firsts: BTreeSet<(Rank, Bucket)>,
    count: u64,
}

impl Waiting {
    /// Changes a line and its head.
    fn change(&mut self, key: &LineKey, needs: &Arc<Needs>, is_free: bool, change: impl FnOnce(&mut Line)) {
        let line = self.lines.entry(key.clone()).or_insert_with(|| Line {
            needs: needs.clone(),
            numbers: BTreeMap::new(),
        });
        let before = line.first();
        change(line);
        let after = line.first();
        if after.is_none() {
            self.lines.remove(key);
        }
        if is_free && before != after {
            self.move_head(key, before, after);
        }
    }

    fn move_head(&mut self, (group, bucket): &LineKey, before: Option<Rank>, after: Option<Rank>) {
        let heads = self.heads.entry(*bucket).or_default();
        let first_before = heads.first().map(|(rank, _)| *rank);
        if let Some(rank) = before {
            heads.remove(&(rank, group.clone()));
        }
        if let Some(rank) = after {
            heads.insert((rank, group.clone()));
        }
        let first_after = heads.first().map(|(rank, _)| *rank);
        if heads.is_empty() {
            self.heads.remove(bucket);
        }
        if first_before != first_after {
            if let Some(rank) = first_before {
                self.firsts.remove(&(rank, *bucket));
            }
            if let Some(rank) = first_after {
                self.firsts.insert((rank, *bucket));
            }
        }
    }

    fn first(&self, buckets: &Buckets) -> Option<Rank> {
        if *buckets == Buckets::ALL {
            return self.firsts.first().map(|(rank, _)| *rank);
        }
        // At most one entry for each bucket.
        self.firsts
            .iter()
            .find(|(_, bucket)| buckets.has(*bucket))
            .map(|(rank, _)| *rank)
    }
}

/// All queued tasks, by queue and class and in order. A queue or class without tasks does not exist.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    queues: BTreeMap<QueueName, BTreeMap<Class, Waiting>>,
    /// The exclusive groups with a running task, and that task.
    taken: BTreeMap<GroupName, Number>,
    /// The lines of each group.
    waiting: BTreeMap<GroupName, BTreeSet<(Class, Bucket)>>,
    /// The classes in which tasks may have become claimable since these were last taken.
    opened: BTreeSet<Class>,
}

/// What was opened is history, so it is not compared.
impl PartialEq for Ready {
    fn eq(&self, other: &Ready) -> bool {
        self.queues == other.queues && self.taken == other.taken && self.waiting == other.waiting
    }
}

impl Eq for Ready {}

fn rank(task: &Task) -> Rank {
    (Reverse(task.priority), task.number)
}

impl Ready {
    pub(crate) fn insert(&mut self, task: &Task) {
        let needs = &task.needs;
        self.open_class(&needs.class);
        if let Some(group) = &needs.group {
            self.waiting
                .entry(group.clone())
                .or_default()
                .insert((needs.class.clone(), task.bucket));
        }
        let is_free = self.is_free(needs.group.as_ref());
        if self.waiting(&needs.class).is_none() {
            let classes = self.queues.entry(needs.class.queue.clone()).or_default();
            classes.insert(needs.class.clone(), Waiting::default());
        }
        let waiting = self.waiting_mut(&needs.class).expect("it was inserted just now");
        waiting.count += 1;
        let key = (needs.group.clone(), task.bucket);
        waiting.change(&key, needs, is_free, |line| line.insert(rank(task)));
    }

    pub(crate) fn remove(&mut self, task: &Task) {
        let needs = &task.needs;
        let is_free = self.is_free(needs.group.as_ref());
        let Some(waiting) = self.waiting_mut(&needs.class) else {
            return;
        };
        waiting.count -= 1;
        let key = (needs.group.clone(), task.bucket);
        waiting.change(&key, needs, is_free, |line| line.remove(rank(task)));
        let has_line = waiting.lines.contains_key(&key);
        if waiting.count == 0 {
            self.remove_class(&needs.class);
        }
        if let Some(group) = &needs.group
            && !has_line
            && let Some(lines) = self.waiting.get_mut(group)
        {
            lines.remove(&(needs.class.clone(), task.bucket));
            if lines.is_empty() {
                self.waiting.remove(group);
            }
        }
    }

    fn waiting(&self, class: &Class) -> Option<&Waiting> {
        self.queues.get(&class.queue)?.get(class)
    }

    fn waiting_mut(&mut self, class: &Class) -> Option<&mut Waiting> {
        self.queues.get_mut(&class.queue)?.get_mut(class)
    }

    fn remove_class(&mut self, class: &Class) {
        self.opened.remove(class);
        if let Some(classes) = self.queues.get_mut(&class.queue) {
            classes.remove(class);
            if classes.is_empty() {
                self.queues.remove(&class.queue);
            }
        }
    }

    /// Notes that a task of the group runs: other tasks of the group wait.
    pub(crate) fn take_group(&mut self, group: &GroupName, number: Number) {
        let before = self.taken.insert(group.clone(), number);
        assert!(before.is_none(), "one task of group {group} runs at a time");
        self.set_heads(group, false);
    }

    /// Notes that no task of the group runs any more: another task may.
    pub(crate) fn free_group(&mut self, group: &GroupName) {
        self.taken.remove(group);
        self.set_heads(group, true);
    }

    fn set_heads(&mut self, group: &GroupName, is_free: bool) {
        for (class, bucket) in self.waiting.get(group).into_iter().flatten() {
            let classes = self.queues.get_mut(&class.queue);
            let Some(waiting) = classes.and_then(|classes| classes.get_mut(class)) else {
                continue;
            };
            if is_free && !self.opened.contains(class) {
                self.opened.insert(class.clone());
            }
            let key = (Some(group.clone()), *bucket);
            let head = waiting.lines.get(&key).and_then(Line::first);
            if is_free {
                waiting.move_head(&key, None, head);
            } else {
                waiting.move_head(&key, head, None);
            }
        }
    }

    fn is_free(&self, group: Option<&GroupName>) -> bool {
        group.is_none_or(|group| !self.taken.contains_key(group))
    }

    /// The running task of an exclusive group.
    pub fn holder(&self, group: &GroupName) -> Option<Number> {
        self.taken.get(group).copied()
    }

    /// Notes that tasks of a queue may have become claimable: its hold was lifted, its limit was raised, or one of its
    /// running tasks ended below a limit.
    pub(crate) fn open_queue(&mut self, queue: &QueueName) {
        let classes = self.queues.get(queue).into_iter().flatten();
        self.opened.extend(classes.map(|(class, _)| class.clone()));
    }

    /// Notes that any waiting task may have become claimable: a hold on everything or on an agent was lifted.
    pub(crate) fn open_all(&mut self) {
        let classes = self.queues.values().flatten();
        self.opened = classes.map(|(class, _)| class.clone()).collect();
    }

    fn open_class(&mut self, class: &Class) {
        if !self.opened.contains(class) {
            self.opened.insert(class.clone());
        }
    }

    pub(crate) fn take_opened(&mut self) -> BTreeSet<Class> {
        std::mem::take(&mut self.opened)
    }

    /// The same needs, shared with queued tasks if possible: a million tasks of one queue keep its name once.
    pub(crate) fn shared(&self, needs: Needs) -> Arc<Needs> {
        let known = self.waiting(&needs.class).and_then(|waiting| {
            let from = (needs.group.clone(), Bucket(0));
            let ((group, _), line) = waiting.lines.range(from..).next()?;
            (*group == needs.group).then(|| line.needs.clone())
        });
        known.unwrap_or_else(|| Arc::new(needs))
    }

    /// The first task of all open queues that an offer suits.
    pub fn first(&self, offer: &Offer, is_open: impl Fn(&QueueName) -> bool) -> Option<Number> {
        self.suited(offer, is_open)
            .filter_map(|(_, waiting)| waiting.first(&offer.buckets))
            .min()
            .map(|(_, number)| number)
    }

    /// The first task of a class in these buckets.
    pub fn first_of(&self, class: &Class, buckets: &Buckets) -> Option<Number> {
        let first = self.waiting(class)?.first(buckets);
        first.map(|(_, number)| number)
    }

    /// Like [`Ready::first`], but tries at most `limit` tasks in order until `accept` takes one.
    pub fn first_accepted(
        &self,
        offer: &Offer,
        is_open: impl Fn(&QueueName) -> bool,
        limit: usize,
        mut accept: impl FnMut(Number) -> bool,
    ) -> Option<Number> {
        let mut next = BinaryHeap::new();
        let suited: Vec<&Waiting> = self.suited(offer, is_open).map(|(_, waiting)| waiting).collect();
        for (index, waiting) in suited.iter().enumerate() {
            for (bucket, heads) in &waiting.heads {
                if let Some((rank, group)) = heads.first().filter(|_| offer.buckets.has(*bucket)) {
                    next.push(Reverse((*rank, index, (group.clone(), *bucket), true)));
                }
            }
        }
        for _ in 0..limit {
            let Reverse((rank, index, key, is_head)) = next.pop()?;
            if accept(rank.1) {
                return Some(rank.1);
            }
            let waiting = suited[index];
            if let Some(rank) = waiting.lines.get(&key).and_then(|line| line.next(rank)) {
                next.push(Reverse((rank, index, key.clone(), false)));
            }
            if is_head {
                let (group, bucket) = key;
                let after = (Bound::Excluded((rank, group)), Bound::Unbounded);
                let heads = waiting.heads.get(&bucket);
                if let Some((rank, group)) = heads.and_then(|heads| heads.range(after).next()) {
                    next.push(Reverse((*rank, index, (group.clone(), bucket), true)));
                }
            }
        }
        None
    }

    fn suited(
        &self,
        offer: &Offer,
        is_open: impl Fn(&QueueName) -> bool,
    ) -> impl Iterator<Item = (&Class, &Waiting)> {
        // Of an offer that names queues, the other queues are not even visited.
        let all = offer.queues.is_empty().then(|| self.queues.iter());
        let named = offer.queues.iter();
        let named = named.filter_map(|queue| self.queues.get_key_value(queue));
        all.into_iter()
            .flatten()
            .chain(named)
            .filter(move |(queue, _)| is_open(queue))
            .flat_map(|(_, classes)| classes)
            .filter(move |(class, _)| offer.suits(class))
    }

    /// The classes with queued tasks, and the number of those tasks.
    pub fn classes(&self) -> impl Iterator<Item = (&Class, u64)> {
        let classes = self.queues.values().flatten();
        classes.map(|(class, waiting)| (class, waiting.count))
    }

    /// The number of a class's tasks in these buckets whose group is free, at most `most`.
    pub(crate) fn count_free(&self, class: &Class, buckets: &Buckets, most: u64) -> u64 {
        let Some(waiting) = self.waiting(class) else {
            return 0;
        };
        let mut count = 0;
        for ((group, bucket), line) in &waiting.lines {
            if buckets.has(*bucket) && self.is_free(group.as_ref()) {
                count += line
                    .numbers
                    .values()
                    .map(|numbers| numbers.len() as u64)
                    .sum::<u64>();
                if count >= most {
                    return most;
                }
            }
        }
        count
    }

    /// The oldest queued task, whatever its class and priority.
    pub fn oldest(&self) -> Option<Number> {
        let classes = self.queues.values().flat_map(BTreeMap::values);
        let lines = classes.flat_map(|waiting| waiting.lines.values());
        lines
            .flat_map(|line| line.numbers.values())
            .filter_map(BTreeSet::first)
            .min()
            .copied()
    }
}
