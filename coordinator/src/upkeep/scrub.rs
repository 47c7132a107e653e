//! The scrub: a store that was not read before serving is read through once beside it, the ids first.
//!
//! sled may have lost a page, or a bit may have flipped at rest. When the scrub finds such damage, or reading does not
//! end, it ends the process: the next start reads everything, sets the store aside and builds it anew.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use crate::{
    core::Core,
    machine::clock::Clock,
    program::{failure::chain, limits::SCRUB_PATIENCE},
    store::{Extent, Store, StoreError, closing},
};

/// How often the watcher wakes within `SCRUB_PATIENCE`.
const SCRUB_WAKES: u32 = 60;

/// The longest pause between two pages.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Watches the reading until it has ended, or `stop`'s other end is dropped.
pub(crate) fn run(core: &Core, stop: Receiver<()>) {
    // The reader is a thread of its own because sled may hang on a damaged file.
    let (tell, told) = sync_channel(0);
    let (store, clock) = (core.store().clone(), *core.clock());
    let reading = thread::Builder::new()
        .name("scrub".to_owned())
        .spawn(move || read_through(&store, &clock, &tell, &stop));
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => closing::damaged(
            core.store().dir(),
            &format!("no thread can be started to read it: {error}"),
        ),
    };
    let mut silent = 0;
    loop {
        // After the process was stopped, or the machine slept, only one wake is late.
        match told.recv_timeout(SCRUB_PATIENCE / SCRUB_WAKES) {
            Ok(Progress::Page) => silent = 0,
            Ok(Progress::Through(Extent::Ids)) => core.ids_are_read(),
            Ok(Progress::Through(Extent::All)) => {
                tracing::info!("the store was read through: all of it is there")
            }
            Ok(Progress::Damaged(error)) => closing::damaged(core.store().dir(), &error),
            // Renewing has a patience of its own.
            Err(RecvTimeoutError::Timeout) if core.store().is_renewing() => silent = 0,
            Err(RecvTimeoutError::Timeout) if silent < SCRUB_WAKES => silent += 1,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = SCRUB_PATIENCE.as_secs();
                closing::damaged(
                    core.store().dir(),
                    &format!("reading a page of it did not end within {seconds} s"),
                )
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if reading.join().is_err() {
        closing::damaged(core.store().dir(), "reading it panics");
    }
}

enum Progress {
    Page,
    Through(Extent),
    Damaged(String),
}

/// Reads the ids as fast as it can, for requests may wait for them, and the rest with half of a processor at most.
fn read_through(store: &Store, clock: &Clock, tell: &SyncSender<Progress>, stop: &Receiver<()>) {
    for extent in [Extent::Ids, Extent::All] {
        store.begin_pass(extent);
        loop {
            let began = clock.now();
            let read = store.read_on(extent);
            let rest = match extent {
                Extent::Ids => Duration::ZERO,
                // A page that took longer was slow because of the disk, and the processor has rested meanwhile.
                Extent::All => (clock.now() - began).min(LONGEST_REST),
            };
            let (progress, is_through) = match read {
                Ok(false) => (Progress::Page, false),
                Ok(true) => (Progress::Through(extent), true),
                // The thread that could not open it again ends the process.
                Err(StoreError::Closed) => return,
                Err(error) => (Progress::Damaged(chain(&error)), true),
            };
            let is_told = tell.send(progress).is_ok();
            let is_stopped = stop.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected);
            if !is_told || is_stopped {
                return;
            }
            if is_through {
                break;
            }
        }
    }
}
