//! The steps at which programs are killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use super::{
    KILLED, THREADS,
    scene::{Scene, verb},
};
use crate::harness::disk::{Deed, Step};

/// Copies of the same call on the same file in a row, such as those that zero a segment: only the first few are
/// different moments.
const ALIKE: usize = 2;

/// The numbers of the steps to be killed at: at most so many, spread over all of them, the last one among them.
pub(super) fn chosen(steps: &[Step], most: usize) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    let different: Vec<usize> = (1..=steps.len())
        .filter(|&number| {
            let step = &steps[number - 1];
            let count = seen.entry((&step.call, &step.path)).or_insert(0);
            *count += 1;
            *count <= ALIKE
        })
        .collect();
    let most = most.min(different.len());
    let spread: BTreeSet<usize> = (1..=most)
        .map(|n| different[n * different.len() / most - 1])
        .collect();
    spread.into_iter().collect()
}

/// Kills a program before this step or in its middle, by turns.
pub(super) fn deed(number: usize) -> Deed {
    [Deed::Kill, Deed::Tear][number % 2]
}

/// Does this with each of these, so many at a time.
pub(super) fn with_each<T: Copy + Sync>(all: &[T], threads: usize, work: impl Fn(T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(one);
                }
            });
        }
    });
}

/// Kills this verb at one step after the other. `check` is given the place where it was killed, and has the
/// verb do its work again; what it gives must be what it gives after an undisturbed one.
pub(super) fn kill_everywhere<T: PartialEq + Send + Sync>(
    scene: &Scene,
    words: &[&str],
    most: usize,
    check: impl Fn(&Path, bool) -> T + Sync,
) {
    let start = Instant::now();
    let trial = scene.trial();
    let plan = trial.count();
    verb(words, &trial.root, Some(&plan)).expect(0);
    let expected = check(&trial.root, false);
    let steps = plan.steps();
    let chosen = chosen(&steps, most);
    let killed = AtomicUsize::new(0);
    with_each(&chosen, THREADS, |number| {
        let trial = scene.trial();
        let deed = deed(number);
        let plan = trial.count().at(number, deed);
        let ended = verb(words, &trial.root, Some(&plan));
        let at = plan.steps().pop();
        assert!([0, KILLED].contains(&ended.code), "step {number}: {ended:?}");
        killed.fetch_add(usize::from(ended.code == KILLED), Ordering::Relaxed);
        println!("{deed:?} at {number}, {at:?}");
        assert!(
            check(&trial.root, true) == expected,
            "another outcome after step {number}, {at:?}"
        );
    });
    let killed = killed.into_inner();
    println!(
        "{}: {} steps, {} tried, killed at {killed}, in {:?}",
        words[0],
        steps.len(),
        chosen.len(),
        start.elapsed()
    );
    // The number of steps may differ by a few: the store has a thread of its own.
    assert!(killed * 2 > chosen.len(), "hardly ever killed");
}
