//! The choice among queued tasks: in their order, and round and round.
//!
//! The order is priority, then the turn of the queue, then age. Who may be given none of the first tasks goes round: it
//! looks at some tasks of each line after the other, from where it stopped the last time. So a limit of what is looked
//! at hides no task for ever.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    ops::Bound,
};

use crate::{
    id::{Number, QueueName},
    limits::MAX_LINES_VISITED,
    noun::{
        needs::{Buckets, Class, Offer},
        rules::Program,
        task::Task,
    },
    state::{
        ready::{Ready, Turn},
        waiting::{Gate, LineKey, Rank, Waiting},
    },
};

/// The place of a task in the order.
type Place = (Reverse<i16>, Turn, Number);

fn place(turn: Turn, (priority, number): Rank) -> Place {
    (priority, turn, number)
}

/// Where a look round stopped: behind this task of this line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    class: Class,
    line: LineKey,
    rank: Rank,
}

/// What a look round found: the first in order of the tasks it saw, and where it stopped; `None` at the end.
pub(crate) struct Seen {
    pub(crate) found: Option<Number>,
    /// How many tasks it looked at.
    pub(crate) looked: u32,
    pub(crate) stopped: Option<Position>,
}

impl Ready {
    /// The first task of all open queues that an offer suits, whatever its program.
    pub fn first(&self, offer: &Offer, is_open: impl Fn(&QueueName) -> bool) -> Option<Number> {
        self.suited(offer, is_open)
            .filter_map(|(turn, _, waiting)| Some(place(turn, waiting.first(&offer.buckets)?)))
            .min()
            .map(|(_, _, number)| number)
    }

    /// The first task of a class in these buckets, whatever its program.
    pub fn first_of(&self, class: &Class, buckets: &Buckets) -> Option<Number> {
        let first = self.waiting(class)?.first(buckets);
        first.map(|(_, number)| number)
    }

    /// A task of a class with this program: the first one of some line.
    pub fn first_with(&self, class: &Class, program: &Program) -> Option<Number> {
        let lines = &self.waiting(class)?.lines;
        let (key, line) = lines.range(LineKey::first_of(program.clone())..).next()?;
        let first = line.first().filter(|_| key.program == *program);
        first.map(|(_, number)| number)
    }

    /// Whether a class has a task that an offer allows. It may have one when it has more lines than are looked at.
    pub fn may_have(&self, class: &Class, offer: &Offer) -> bool {
        let Some(waiting) = self.waiting(class) else {
            return false;
        };
        if waiting.first(&offer.buckets).is_none() {
            return false;
        }
        if offer.rules.are_none() {
            return true;
        }
        let mut looked_at = 0;
        let is_allowed = |program: &_| offer.allows(class, program);
        let found = waiting
            .allowed(is_allowed, &mut looked_at)
            .take(MAX_LINES_VISITED)
            .any(|(key, _)| offer.buckets.has(key.bucket) && self.is_free(key.group.as_ref()));
        found || looked_at >= MAX_LINES_VISITED
    }

    /// How many tasks come before this one for an offer, as things are; at most `most`.
    pub(crate) fn count_before(
        &self,
        task: &Task,
        offer: &Offer,
        is_open: impl Fn(&QueueName) -> bool,
        most: usize,
    ) -> usize {
        let priority = task.priority;
        let (mut above, mut older, mut own_turn) = (0, 0, Turn::MAX);
        // Other queues take turns with the task's.
        let mut others: BTreeMap<Turn, usize> = BTreeMap::new();
        let mut looked_at = 0;
        for (turn, class, waiting) in self.suited(offer, is_open) {
            let is_own = class.queue == *task.queue();
            if is_own {
                own_turn = turn;
            }
            for (key, line) in &waiting.lines {
                looked_at += 1;
                if looked_at > MAX_LINES_VISITED {
                    break;
                }
                let can_be_given = offer.buckets.has(key.bucket)
                    && self.is_free(key.group.as_ref())
                    && offer.allows(class, &key.program);
                if !can_be_given {
                    continue;
                }
                above += line.count_above(priority);
                let same = line.of_priority(priority).into_iter();
                if is_own {
                    let left = most.saturating_sub(older);
                    older += same.flat_map(|same| same.range(..task.number)).take(left).count();
                } else {
                    *others.entry(turn).or_default() += same.map(BTreeSet::len).sum::<usize>();
                }
            }
        }
        let others = others.into_iter();
        let others = others.map(|(turn, count)| count.min(older + usize::from(turn < own_turn)));
        (above + older + others.sum::<usize>()).min(most)
    }

    /// The tasks of open queues that an offer suits and allows, in order; `None` when there are too many lines to put
    /// them in order.
    pub fn in_order<'a>(
        &'a self,
        offer: &'a Offer,
        is_open: impl Fn(&QueueName) -> bool,
    ) -> Option<InOrder<'a>> {
        let mut suited = Vec::new();
        let mut next = Vec::new();
        let mut looked_at = 0;
        for (turn, class, waiting) in self.suited(offer, is_open) {
            let index = suited.len();
            suited.push((turn, waiting));
            if offer.rules.are_none() {
                let heads = waiting.first_heads(&offer.buckets);
                next.extend(heads.filter_map(|(rank, gate)| {
                    let program = waiting.program_of_first(gate)?;
                    let step = Step::Head { gate, program };
                    Some(Reverse((place(turn, *rank), index, step)))
                }));
                continue;
            }
            let is_allowed = |program: &_| offer.allows(class, program);
            for (key, line) in waiting.allowed(is_allowed, &mut looked_at) {
                let is_free = offer.buckets.has(key.bucket) && self.is_free(key.group.as_ref());
                if let Some(rank) = line.first().filter(|_| is_free) {
                    next.push(Reverse((place(turn, rank), index, Step::Task(key))));
                }
                if next.len() > MAX_LINES_VISITED {
                    return None;
                }
            }
            if looked_at > MAX_LINES_VISITED {
                return None;
            }
        }
        Some(InOrder {
            lines: looked_at.max(next.len()),
            suited,
            next: next.into(),
        })
    }

    /// Looks at this many tasks behind a position and remembers the first in order that is accepted. A line that is
    /// passed over counts as one task.
    pub(crate) fn look_round(
        &self,
        offer: &Offer,
        is_open: impl Fn(&QueueName) -> bool,
        after: Option<&Position>,
        looks: u32,
        accept: impl Fn(&Number) -> bool,
    ) -> Seen {
        let mut looked = 0;
        let mut found: Option<Place> = None;
        let is_passed = |class: &Class| after.is_some_and(|after| *class < after.class);
        for (turn, class, waiting) in self.suited(offer, is_open) {
            if is_passed(class) {
                continue;
            }
            let after = after.filter(|after| after.class == *class);
            let from = after.map_or(Bound::Unbounded, |after| Bound::Included(&after.line));
            for (key, line) in waiting.lines.range::<LineKey, _>((from, Bound::Unbounded)) {
                let is_open = offer.buckets.has(key.bucket)
                    && self.is_free(key.group.as_ref())
                    && offer.allows(class, &key.program);
                let after = after.filter(|after| after.line == *key);
                let mut next = match after {
                    Some(after) => line.next(after.rank),
                    None => line.first(),
                };
                while let Some(rank) = next {
                    let seen = if is_open { rank } else { LAST };
                    if is_open && accept(&rank.1) {
                        let place = place(turn, rank);
                        found = Some(found.map_or(place, |found| found.min(place)));
                    }
                    looked += 1;
                    if looked >= looks {
                        return Seen {
                            found: found.map(|(_, _, number)| number),
                            looked,
                            stopped: Some(Position {
                                class: class.clone(),
                                line: key.clone(),
                                rank: seen,
                            }),
                        };
                    }
                    next = line.next(seen);
                }
            }
        }
        Seen {
            found: found.map(|(_, _, number)| number),
            looked,
            stopped: None,
        }
    }
}

/// A rank behind all others.
const LAST: Rank = (Reverse(i16::MIN), Number(u64::MAX));

/// See [`Ready::in_order`].
pub struct InOrder<'a> {
    lines: usize,
    suited: Vec<(Turn, &'a Waiting)>,
    /// The next tasks, one for each bucket, gate or line: what follows one of them comes after it.
    next: BinaryHeap<Reverse<(Place, usize, Step<'a>)>>,
}

/// What follows a task that is the next one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'a> {
    /// The first task of a gate: other gates of its bucket follow, other lines of the gate, and its own line.
    Head { gate: &'a Gate, program: &'a Program },
    /// The first task of a line: other lines of its gate follow, and its own line.
    First { gate: &'a Gate, program: &'a Program },
    /// Any task of a line: its own line follows.
    Task(&'a LineKey),
}

impl InOrder<'_> {
    /// How many lines were looked at to put their tasks in order.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }
}

impl Iterator for InOrder<'_> {
    type Item = Number;

    fn next(&mut self) -> Option<Number> {
        let Reverse(((priority, _, number), index, step)) = self.next.pop()?;
        let (turn, waiting) = self.suited[index];
        let rank = (priority, number);
        if let Step::Head { gate, .. } = step
            && let Some((rank, gate)) = waiting.head_after(rank, gate)
            && let Some(program) = waiting.program_of_first(gate)
        {
            let step = Step::Head { gate, program };
            self.next.push(Reverse((place(turn, *rank), index, step)));
        }
        let line = match step {
            Step::Head { gate, program } | Step::First { gate, program } => {
                if let Some((rank, program)) = waiting.first_after(gate, rank, program) {
                    let step = Step::First { gate, program };
                    self.next.push(Reverse((place(turn, *rank), index, step)));
                }
                waiting.lines.get_key_value(&LineKey {
                    program: program.clone(),
                    group: gate.group.clone(),
                    bucket: gate.bucket,
                })
            }
            Step::Task(key) => waiting.lines.get_key_value(key),
        };
        if let Some((key, line)) = line
            && let Some(rank) = line.next(rank)
        {
            self.next
                .push(Reverse((place(turn, rank), index, Step::Task(key))));
        }
        Some(number)
    }
}
