//! The queued tasks of one class, in the order in which claims take them.
//!
//! A line has the tasks of one program, exclusive group and bucket; the lines of one group and bucket are behind one
//! gate. The first tasks of the gates are kept in order, so that most claims look at one. While a task of a group runs,
//! its gates are shut, however many lines are behind them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use crate::{
    id::{GroupName, Number},
    limits::MAX_LINES_VISITED,
    noun::{
        needs::{Bucket, Buckets, Needs},
        rules::Program,
        task::Task,
    },
};

/// The rank of a task: higher priority first, then age.
pub(super) type Rank = (Reverse<i16>, Number);

/// The rank of a task.
pub(super) fn rank(task: &Task) -> Rank {
    (Reverse(task.priority), task.number)
}

/// What the tasks of a line have in common beyond their class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey {
    pub(super) program: Program,
    pub(super) group: Option<GroupName>,
    pub(super) bucket: Bucket,
}

impl LineKey {
    /// The line of a task.
    pub(super) fn of(task: &Task) -> LineKey {
        LineKey {
            program: task.needs.program.clone(),
            group: task.needs.group.clone(),
            bucket: task.bucket,
        }
    }

    /// The first line that a program can have.
    pub(super) fn first_of(program: Program) -> LineKey {
        LineKey {
            program,
            group: None,
            bucket: Bucket(0),
        }
    }
}

/// Tasks by rank. A priority without tasks does not exist, nor does a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) needs: Arc<Needs>,
    numbers: BTreeMap<Reverse<i16>, BTreeSet<Number>>,
}

impl Line {
    pub(super) fn first(&self) -> Option<Rank> {
        let (priority, numbers) = self.numbers.first_key_value()?;
        Some((*priority, *numbers.first()?))
    }

    /// The first rank after this one.
    pub(super) fn next(&self, (priority, number): Rank) -> Option<Rank> {
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

    /// The number of its tasks.
    pub(super) fn len(&self) -> usize {
        self.numbers.values().map(BTreeSet::len).sum()
    }

    /// The number of its tasks with a higher priority than this one.
    pub(super) fn count_above(&self, priority: i16) -> usize {
        let above = self.numbers.range(..Reverse(priority));
        above.map(|(_, numbers)| numbers.len()).sum()
    }

    /// Its tasks with this priority.
    pub(super) fn of_priority(&self, priority: i16) -> Option<&BTreeSet<Number>> {
        self.numbers.get(&Reverse(priority))
    }

    /// Its oldest task, whatever the priority.
    pub(super) fn oldest(&self) -> Option<Number> {
        self.numbers.values().filter_map(BTreeSet::first).min().copied()
    }
}

/// The way to the lines of one exclusive group in one bucket, or of those without a group. It is shut while a task of
/// the group runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gate {
    pub(super) bucket: Bucket,
    pub(super) group: Option<GroupName>,
}

impl Gate {
    /// The gate of a task.
    pub(super) fn of(task: &Task) -> Gate {
        Gate {
            bucket: task.bucket,
            group: task.needs.group.clone(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) lines: BTreeMap<LineKey, Line>,
    /// The first task of each line, with its program, by gate.
    gates: BTreeMap<Gate, BTreeSet<(Rank, Program)>>,
    /// The first task of each gate that is open, by bucket.
    heads: BTreeMap<Bucket, BTreeSet<(Rank, Gate)>>,
    /// The first head of each bucket.
    firsts: BTreeSet<(Rank, Bucket)>,
    pub(super) count: u64,
}

impl Waiting {
    pub(super) fn insert(&mut self, task: &Task, is_free: bool) {
        self.count += 1;
        self.change(task, is_free, |line| line.insert(rank(task)));
    }

    /// Takes a task out; answers whether its gate leads to others.
    pub(super) fn remove(&mut self, task: &Task, is_free: bool) -> bool {
        self.count -= 1;
        self.change(task, is_free, |line| line.remove(rank(task)));
        self.gates.contains_key(&Gate::of(task))
    }

    /// Changes the line of a task, and the head of its gate.
    fn change(&mut self, task: &Task, is_free: bool, change: impl FnOnce(&mut Line)) {
        let key = LineKey::of(task);
        let line = self.lines.entry(key.clone()).or_insert_with(|| Line {
            needs: task.needs.clone(),
            numbers: BTreeMap::new(),
        });
        let before = line.first();
        change(line);
        let after = line.first();
        if after.is_none() {
            self.lines.remove(&key);
        }
        if before != after {
            self.move_first(key, is_free, before, after);
        }
    }

    /// Notes that another task is the first of a line.
    fn move_first(&mut self, key: LineKey, is_free: bool, before: Option<Rank>, after: Option<Rank>) {
        let LineKey {
            program,
            group,
            bucket,
        } = key;
        let gate = Gate { bucket, group };
        let firsts = self.gates.entry(gate.clone()).or_default();
        let first_before = first_rank(firsts);
        replace(firsts, program, before, after);
        let first_after = first_rank(firsts);
        if firsts.is_empty() {
            self.gates.remove(&gate);
        }
        if is_free && first_before != first_after {
            self.move_head(gate, first_before, first_after);
        }
    }

    /// Opens a gate, because its group is free, or shuts it.
    pub(super) fn set_open(&mut self, gate: Gate, is_open: bool) {
        let head = self.gates.get(&gate).and_then(first_rank);
        if is_open {
            self.move_head(gate, None, head);
        } else {
            self.move_head(gate, head, None);
        }
    }

    fn move_head(&mut self, gate: Gate, before: Option<Rank>, after: Option<Rank>) {
        let bucket = gate.bucket;
        let heads = self.heads.entry(bucket).or_default();
        let first_before = first_rank(heads);
        replace(heads, gate, before, after);
        let first_after = first_rank(heads);
        if heads.is_empty() {
            self.heads.remove(&bucket);
        }
        if first_before != first_after {
            replace(&mut self.firsts, bucket, first_before, first_after);
        }
    }

    /// The first task in these buckets, whatever its program.
    pub(super) fn first(&self, buckets: &Buckets) -> Option<Rank> {
        if *buckets == Buckets::ALL {
            return self.firsts.first().map(|(rank, _)| *rank);
        }
        // At most one entry for each bucket.
        self.firsts
            .iter()
            .find(|(_, bucket)| buckets.has(*bucket))
            .map(|(rank, _)| *rank)
    }

    /// The first head of each of these buckets.
    pub(super) fn first_heads(&self, buckets: &Buckets) -> impl Iterator<Item = &(Rank, Gate)> {
        let heads = self.heads.iter().filter(|(bucket, _)| buckets.has(**bucket));
        heads.filter_map(|(_, heads)| heads.first())
    }

    /// The head after this one in its bucket.
    pub(super) fn head_after(&self, rank: Rank, gate: &Gate) -> Option<&(Rank, Gate)> {
        let after = (Bound::Excluded((rank, gate.clone())), Bound::Unbounded);
        self.heads.get(&gate.bucket)?.range(after).next()
    }

    /// The program of a gate's first task.
    pub(super) fn program_of_first(&self, gate: &Gate) -> Option<&Program> {
        let (_, program) = self.gates.get(gate)?.first()?;
        Some(program)
    }

    /// The first task of a line after this one of another line, behind the same gate.
    pub(super) fn first_after(&self, gate: &Gate, rank: Rank, program: &Program) -> Option<&(Rank, Program)> {
        let after = (Bound::Excluded((rank, program.clone())), Bound::Unbounded);
        self.gates.get(gate)?.range(after).next()
    }

    /// The lines whose program is allowed; programs that are not are passed over whole, and counted with the lines. It
    /// ends when more than [`MAX_LINES_VISITED`] have been counted.
    pub(super) fn allowed(
        &self,
        mut is_allowed: impl FnMut(&Program) -> bool,
        looked_at: &mut usize,
    ) -> impl Iterator<Item = (&LineKey, &Line)> {
        let mut rest = self.lines.range(LineKey::first_of(Program::Unnamed)..);
        let mut allowed: Option<&Program> = None;
        std::iter::from_fn(move || {
            loop {
                *looked_at += 1;
                if *looked_at > MAX_LINES_VISITED {
                    return None;
                }
                let (key, line) = rest.next()?;
                if allowed == Some(&key.program) || is_allowed(&key.program) {
                    allowed = Some(&key.program);
                    return Some((key, line));
                }
                rest = self.lines.range(LineKey::first_of(key.program.successor())..);
            }
        })
    }
}

fn first_rank<T: Ord>(set: &BTreeSet<(Rank, T)>) -> Option<Rank> {
    set.first().map(|(rank, _)| *rank)
}

/// Puts an entry where its rank is now, if it has any.
fn replace<T: Ord>(set: &mut BTreeSet<(Rank, T)>, entry: T, before: Option<Rank>, after: Option<Rank>) {
    let mut entry = entry;
    if let Some(before) = before {
        let key = (before, entry);
        set.remove(&key);
        entry = key.1;
    }
    if let Some(after) = after {
        set.insert((after, entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::QueueName;

    #[test]
    fn programs_that_are_not_allowed_are_passed_over_up_to_a_limit() {
        let needs = Arc::new(Needs::command(QueueName::stored("default")));
        let names = (0..MAX_LINES_VISITED + 100).map(|index| format!("./{index:06}.sh"));
        let lines = names.map(|name| {
            let line = Line {
                needs: needs.clone(),
                numbers: BTreeMap::new(),
            };
            (LineKey::first_of(Program::named(&name)), line)
        });
        let waiting = Waiting {
            lines: lines.collect(),
            ..Waiting::default()
        };
        let (mut asked, mut looked_at) = (0, 0);
        let is_allowed = |_: &Program| {
            asked += 1;
            false
        };
        assert!(waiting.allowed(is_allowed, &mut looked_at).next().is_none());
        assert_eq!((asked, looked_at), (MAX_LINES_VISITED, MAX_LINES_VISITED + 1));
    }
}
