//! The memory that the coordinator lets others take: each part has a limit, and whoever takes from a part counts.
//!
//! A peer that sends or reads slowly holds its bytes for as long as it likes. So what waits for its peer is given up,
//! the oldest first, when somebody else needs the room: a request that arrives whole and at once finds a place
//! however many others stand still.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::{
    machine::clock::Stopwatch,
    program::limits::{
        ANSWERS_BYTES, DECODING_BYTES, LEAST_STATE_BYTES, MEMORY_UNKNOWN, READING_BYTES,
        READING_PART_OF_AN_ADDRESS, SMALL_BYTES, WAITING_IS_SAFE_FOR,
    },
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Requests that are arriving.
    pub(crate) reading: Arc<Part>,
    /// Requests that have arrived, and are being answered.
    pub(crate) decoding: Arc<Part>,
    /// Answers that wait until their peer takes them.
    pub(crate) answers: Arc<Part>,
    /// Tasks, jobs, agents and orders.
    pub(crate) state: Arc<Part>,
}

impl Budget {
    /// So many bytes, with a share for each part. The doors need little; the state has the rest.
    pub(crate) fn of(bytes: u64) -> Budget {
        let share =
            |limits: &std::ops::RangeInclusive<u64>| (bytes / 8).clamp(*limits.start(), *limits.end());
        let (reading, decoding, answers) = (
            share(&READING_BYTES),
            share(&DECODING_BYTES),
            share(&ANSWERS_BYTES),
        );
        let state = bytes
            .saturating_sub(reading + decoding + answers)
            .max(LEAST_STATE_BYTES);
        let part = |name, limit| Arc::new(Part::new(name, limit));
        Budget {
            reading: part("reading", reading),
            decoding: part("decoding", decoding),
            answers: part("answers", answers),
            state: part("state", state),
        }
    }

    /// What one address may take of what is being read: a part of its own, beside that of all.
    pub(crate) fn reading_of_an_address(&self) -> Arc<Part> {
        let limit = self.reading.limit() / READING_PART_OF_AN_ADDRESS;
        Arc::new(Part::new(self.reading.name(), limit))
    }

    /// All parts, as they are shown.
    pub(crate) fn parts(&self) -> [&Arc<Part>; 4] {
        [&self.reading, &self.decoding, &self.answers, &self.state]
    }
}

/// What an unlimited machine would have.
impl Default for Budget {
    fn default() -> Budget {
        Budget::of(MEMORY_UNKNOWN)
    }
}

/// A share of the memory.
#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
    /// A wait for a peer is not given up before it has lasted so long.
    safe_for: Duration,
    waiting: Mutex<Waiting>,
    /// Those that wait for room, in the order in which they came.
    takers: Mutex<Vec<Taker>>,
}

/// Somebody who waits for room, and is handed it.
#[derive(Debug)]
struct Taker {
    bytes: u64,
    room: oneshot::Sender<Hold>,
}

/// Holds whose peers are waited for, in the order in which the waiting began.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    holds: BTreeMap<u64, Standing>,
}

#[derive(Debug)]
struct Standing {
    since: Stopwatch,
    bytes: u64,
    given_up: Arc<Notify>,
}

impl Part {
    fn new(name: &'static str, limit: u64) -> Part {
        Part {
            name,
            limit,
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            safe_for: WAITING_IS_SAFE_FOR,
            waiting: Mutex::default(),
            takers: Mutex::default(),
        }
    }

    /// One in which whoever waits may be given up at once.
    #[cfg(test)]
    pub(crate) fn impatient(limit: u64) -> Part {
        Part {
            safe_for: Duration::ZERO,
            ..Part::new("answers", limit)
        }
    }

    /// A word for people and programs.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The most bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are taken.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether nothing more has room: this is asked of the state, which is not taken piece by piece.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// How often there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Notes the bytes of the state.
    pub(crate) fn set_used(&self, bytes: u64) {
        self.used.store(bytes, Ordering::Relaxed);
    }

    /// Notes that there was no room for a request.
    pub(crate) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes room for these bytes; `None` when there is none, and nobody to give it up.
    pub(crate) fn take(self: &Arc<Part>, bytes: u64) -> Option<Hold> {
        let taken = self.find_room(bytes);
        if !taken {
            self.note_refused();
        }
        taken.then(|| self.held(bytes))
    }

    /// The same, and waits so long for others to give their room back.
    pub(crate) async fn take_within(self: &Arc<Part>, patience: Duration, bytes: u64) -> Option<Hold> {
        let taken = if self.find_room(bytes) {
            Some(self.held(bytes))
        } else if bytes <= self.limit_for(bytes) {
            timeout(patience, self.handed(bytes)).await.ok()
        } else {
            None
        };
        if taken.is_none() {
            self.note_refused();
        }
        taken
    }

    /// Waits for room among others that wait.
    async fn handed(self: &Arc<Part>, bytes: u64) -> Hold {
        let mut hold = {
            let mut takers = self.takers();
            // Whoever gives something back from now on finds this taker.
            if self.add(bytes) {
                return self.held(bytes);
            }
            let (room, hold) = oneshot::channel();
            takers.push(Taker { bytes, room });
            hold
        };
        loop {
            match timeout(WAITING_IS_SAFE_FOR, &mut hold).await {
                Ok(Ok(hold)) => return hold,
                Ok(Err(_)) => unreachable!("a taker that waits is removed only with its room"),
                // Somebody may have waited for a peer for too long meanwhile.
                Err(_) if self.find_room(bytes) => return self.held(bytes),
                Err(_) => {}
            }
        }
    }

    fn held(self: &Arc<Part>, bytes: u64) -> Hold {
        Hold {
            part: Arc::clone(self),
            bytes,
            place: None,
        }
    }

    fn find_room(self: &Arc<Part>, bytes: u64) -> bool {
        if self.add(bytes) {
            return true;
        }
        let found = self.give_up_for(bytes) && self.add(bytes);
        // What was given up may have been more than this needs.
        self.hand_out();
        found
    }

    fn add(&self, bytes: u64) -> bool {
        let limit = self.limit_for(bytes);
        let with = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with)
            .is_ok()
    }

    /// The last eighth is for what is small: that has room though large things have just filled the rest.
    fn limit_for(&self, bytes: u64) -> u64 {
        if bytes <= SMALL_BYTES {
            self.limit
        } else {
            self.limit / 8 * 7
        }
    }

    fn give_back(self: &Arc<Part>, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.hand_out();
    }

    /// Hands the room that there is to those that wait for it, the oldest first. One that needs more than that lets the
    /// others pass.
    fn hand_out(self: &Arc<Part>) {
        let mut takers = self.takers();
        let (mut index, mut late) = (0, Vec::new());
        while let Some(taker) = takers.get(index) {
            let is_gone = taker.room.is_closed();
            if !is_gone && !self.add(taker.bytes) {
                index += 1;
                continue;
            }
            let Taker { bytes, room } = takers.remove(index);
            if !is_gone {
                // It may have gone just now.
                late.extend(room.send(self.held(bytes)).err());
            }
        }
        // Dropped without the lock, for a hold hands out what it gives back.
        drop(takers);
        drop(late);
    }

    /// Ends those that have waited longest until these bytes fit; false when that is not enough.
    fn give_up_for(&self, bytes: u64) -> bool {
        let mut waiting = self.waiting();
        let limit = self.limit_for(bytes);
        let wanted = self.used().saturating_add(bytes).saturating_sub(limit);
        // Nobody is ended in vain.
        let (mut found, mut count) = (0, 0);
        for standing in waiting.holds.values() {
            if found >= wanted || standing.since.elapsed() < self.safe_for {
                break;
            }
            found += standing.bytes;
            count += 1;
        }
        if found < wanted {
            return false;
        }
        for (_, standing) in std::iter::from_fn(|| waiting.holds.pop_first()).take(count) {
            self.used.fetch_sub(standing.bytes, Ordering::Relaxed);
            self.note_refused();
            standing.given_up.notify_one();
        }
        true
    }

    fn takers(&self) -> MutexGuard<'_, Vec<Taker>> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that somebody has taken; they are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    part: Arc<Part>,
    bytes: u64,
    /// Among those that wait for their peers.
    place: Option<u64>,
}

impl Hold {
    /// Takes more, and waits so long for others to give their room back; false when there is none.
    pub(crate) async fn grow_within(&mut self, patience: Duration, bytes: u64) -> bool {
        let Some(mut more) = self.part.take_within(patience, bytes).await else {
            return false;
        };
        if let Some(place) = self.place {
            match self.part.waiting().holds.get_mut(&place) {
                Some(standing) => standing.bytes += bytes,
                // It was given up meanwhile, perhaps for its own growth.
                None => return false,
            }
        }
        self.bytes += std::mem::take(&mut more.bytes);
        true
    }

    /// From now on this waits for its peer: it may be given up for others, which is told in this way.
    pub(crate) fn wait_for_peer(&mut self, given_up: &Arc<Notify>) {
        self.peer_has_come();
        let mut waiting = self.part.waiting();
        let place = waiting.next;
        waiting.next += 1;
        let standing = Standing {
            since: Stopwatch::start(),
            bytes: self.bytes,
            given_up: Arc::clone(given_up),
        };
        waiting.holds.insert(place, standing);
        drop(waiting);
        self.place = Some(place);
    }

    /// The wait goes on, and its end is told in another way; false when this was given up meanwhile.
    pub(crate) fn tell_instead(&self, given_up: &Arc<Notify>) -> bool {
        let mut waiting = self.part.waiting();
        match self.place.and_then(|place| waiting.holds.get_mut(&place)) {
            Some(standing) => {
                standing.given_up = Arc::clone(given_up);
                true
            }
            None => false,
        }
    }

    /// The wait is over; false when this was given up meanwhile.
    pub(crate) fn peer_has_come(&mut self) -> bool {
        let Some(place) = self.place.take() else {
            return true;
        };
        let stood = self.part.waiting().holds.remove(&place).is_some();
        if !stood {
            self.bytes = 0;
        }
        stood
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.peer_has_come();
        self.part.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn part(limit: u64) -> Arc<Part> {
        Arc::new(Part::new("answers", limit))
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_takes_as_much_as_its_limit_and_again_what_was_given_back() {
        let part = part(100);
        let mut first = part.take(60).unwrap();
        assert!(first.grow_within(PATIENCE, 40).await);
        assert!(part.take(1).is_none() && !first.grow_within(PATIENCE, 1).await);
        assert_eq!((part.used(), part.refused()), (100, 2));
        drop(first);
        assert_eq!(part.used(), 0);
        assert!(part.take(100).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_long_is_given_up_for_others_and_who_has_just_begun_is_not() {
        let told = Arc::default();
        let begun = part(100);
        let mut young = begun.take(90).unwrap();
        young.wait_for_peer(&told);
        assert!(begun.take(20).is_none());

        let part = Arc::new(Part::impatient(100));
        let mut slow = part.take(90).unwrap();
        slow.wait_for_peer(&told);
        let quick = part.take(20).unwrap();
        assert_eq!(part.used(), 20);
        timeout(PATIENCE, told.notified()).await.expect("it is told");
        assert!(!slow.grow_within(PATIENCE, 1).await && !slow.peer_has_come());
        drop((slow, quick));
        assert_eq!(part.used(), 0);
    }

    #[test]
    fn nobody_is_given_up_when_that_would_not_be_enough() {
        let part = Arc::new(Part::impatient(100));
        let _busy = part.take(70).unwrap();
        let mut slow = part.take(20).unwrap();
        slow.wait_for_peer(&Arc::default());
        assert!(part.take(80).is_none());
        assert!(slow.peer_has_come());
        assert_eq!(part.used(), 90);
    }

    #[test]
    fn what_is_small_has_room_though_large_things_have_filled_the_rest() {
        let part = part(80 * SMALL_BYTES);
        let large: Vec<Hold> = std::iter::from_fn(|| part.take(2 * SMALL_BYTES)).collect();
        assert_eq!(large.len(), 35);
        assert!(part.take(SMALL_BYTES).is_some());
    }

    /// Waits for room in the background; gives whether there was some.
    async fn taker(part: &Arc<Part>, bytes: u64) -> tokio::task::JoinHandle<Option<Hold>> {
        let part = Arc::clone(part);
        let taker = tokio::spawn(async move { part.take_within(PATIENCE, bytes).await });
        tokio::task::yield_now().await;
        taker
    }

    #[tokio::test(start_paused = true)]
    async fn a_taker_waits_for_room_and_not_for_ever() {
        let part = part(100);
        let held = part.take(100).unwrap();
        let taker = taker(&part, 50).await;
        drop(held);
        assert!(taker.await.unwrap().is_some());
        let _held = part.take(100).unwrap();
        assert!(part.take_within(PATIENCE, 1).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_taker_that_does_not_fit_lets_others_pass() {
        let part = part(100);
        let (_busy, held) = (part.take(60).unwrap(), part.take(40).unwrap());
        let (large, small) = (taker(&part, 50).await, taker(&part, 30).await);
        drop(held);
        assert!(small.await.unwrap().is_some());
        assert!(large.await.unwrap().is_none());
        assert_eq!(part.used(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn one_room_given_back_serves_all_that_fit_and_what_is_given_up_does_so_too() {
        let part = Arc::new(Part::impatient(100));
        let mut slow = part.take(100).unwrap();
        let (first, second) = (taker(&part, 40).await, taker(&part, 40).await);
        slow.wait_for_peer(&Arc::default());
        assert!(part.take(10).is_some());
        assert!(first.await.unwrap().is_some() && second.await.unwrap().is_some());
    }

    #[test]
    fn each_part_of_a_small_budget_can_do_its_work_and_the_state_has_the_most_of_a_large_one() {
        let small = Budget::of(0);
        assert!(small.parts().iter().all(|part| part.limit() > 0));
        let large = Budget::of(64 << 30);
        assert!(large.state.limit() > 62 << 30);
    }
}
