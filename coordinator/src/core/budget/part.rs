//! A share of the memory, and who has taken of it.
//!
//! A peer that sends or reads slowly holds its bytes for as long as it likes. So what waits for its peer is given up,
//! the oldest first, when somebody else needs the room: a request that arrives whole and at once finds a place
//! however many others stand still. Peers that are known to take something, if slowly, are spared for some time.

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
    program::limits::{MAX_PASSED_OVER, SLOW_IS_SAFE_FOR, SMALL_BYTES, WAITING_IS_SAFE_FOR},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
    /// A wait for a peer is not given up before it has lasted so long, and so long while that takes something.
    safe_for: Duration,
    slow_is_safe_for: Duration,
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

/// A peer that is waited for, by one hold or by several.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    /// Told when a hold that waits for it is given up for others.
    pub(crate) given_up: Notify,
    taken: AtomicU64,
}

impl Waited {
    /// Notes that the peer has taken these bytes.
    pub(crate) fn note_taken(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The bytes that it has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Holds whose peers are waited for, in the order in which the waiting began, or in which it was seen that the peer
/// takes something.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    holds: BTreeMap<u64, Standing>,
}

#[derive(Debug)]
struct Standing {
    /// Where it is among the others, as its hold knows it.
    place: Arc<AtomicU64>,
    begun: Stopwatch,
    /// When its peer was seen last, and what that had taken then.
    since: Stopwatch,
    taken: u64,
    bytes: u64,
    peer: Arc<Waited>,
}

impl Waiting {
    fn push(&mut self, standing: Standing) {
        standing.place.store(self.next, Ordering::Relaxed);
        self.holds.insert(self.next, standing);
        self.next += 1;
    }

    fn at(&mut self, place: &AtomicU64) -> Option<&mut Standing> {
        self.holds.get_mut(&place.load(Ordering::Relaxed))
    }

    fn remove(&mut self, place: &AtomicU64) -> Option<Standing> {
        self.holds.remove(&place.load(Ordering::Relaxed))
    }
}

impl Part {
    pub(super) fn new(name: &'static str, limit: u64) -> Part {
        Part {
            name,
            limit,
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            safe_for: WAITING_IS_SAFE_FOR,
            slow_is_safe_for: SLOW_IS_SAFE_FOR,
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
        let (mut found, mut ended, mut slow) = (0, Vec::new(), Vec::new());
        for (place, standing) in &waiting.holds {
            if found >= wanted || standing.since.elapsed() < self.safe_for || slow.len() == MAX_PASSED_OVER {
                break;
            }
            let takes = standing.peer.taken() > standing.taken;
            if takes && standing.begun.elapsed() < self.slow_is_safe_for {
                slow.push(*place);
            } else {
                found += standing.bytes;
                ended.push(*place);
            }
        }
        // Who takes something stands behind the others now.
        for place in slow {
            let Some(standing) = waiting.holds.remove(&place) else {
                continue;
            };
            waiting.push(Standing {
                since: Stopwatch::start(),
                taken: standing.peer.taken(),
                ..standing
            });
        }
        // Nobody is ended in vain.
        if found < wanted {
            return false;
        }
        for standing in ended.iter().filter_map(|place| waiting.holds.remove(place)) {
            self.used.fetch_sub(standing.bytes, Ordering::Relaxed);
            self.note_refused();
            standing.peer.given_up.notify_one();
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
    place: Option<Arc<AtomicU64>>,
}

impl Hold {
    /// Takes more, and waits so long for others to give their room back; false when there is none.
    pub(crate) async fn grow_within(&mut self, patience: Duration, bytes: u64) -> bool {
        let Some(mut more) = self.part.take_within(patience, bytes).await else {
            return false;
        };
        if let Some(place) = &self.place {
            match self.part.waiting().at(place) {
                Some(standing) => standing.bytes += bytes,
                // It was given up meanwhile, perhaps for its own growth.
                None => return false,
            }
        }
        self.bytes += std::mem::take(&mut more.bytes);
        true
    }

    /// From now on this waits for its peer: it may be given up for others, which the peer is told.
    pub(crate) fn wait_for_peer(&mut self, peer: &Arc<Waited>) {
        self.peer_has_come();
        let (place, now) = (Arc::default(), Stopwatch::start());
        self.place = Some(Arc::clone(&place));
        self.part.waiting().push(Standing {
            place,
            begun: now,
            since: now,
            taken: peer.taken(),
            bytes: self.bytes,
            peer: Arc::clone(peer),
        });
    }

    /// The wait goes on, for this peer instead; false when this was given up meanwhile.
    pub(crate) fn wait_instead_for(&self, peer: &Arc<Waited>) -> bool {
        let mut waiting = self.part.waiting();
        match self.place.as_ref().and_then(|place| waiting.at(place)) {
            Some(standing) => {
                standing.taken = peer.taken();
                standing.peer = Arc::clone(peer);
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
        let stood = self.part.waiting().remove(&place).is_some();
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
mod tests;
