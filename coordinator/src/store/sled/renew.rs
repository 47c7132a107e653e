//! Closing sled and opening it again beside serving, so that the next start is not the one that pays for it.
//!
//! sled notes where its pages lie only while it opens; an opening reads all of its log from there on. So the writer, between
//! two batches, lets it do that after so many bytes. Readers wait meanwhile; nothing that reads a page at a time, a moment
//! or a pass, has anything of sled's in between. An idle store writes nothing, and is left alone.
//!
//! An opening is an opening: killed in the middle it leaves what a killed start leaves, and on a damaged file it may
//! hang, panic or come up with an earlier end. Each of these is an error here, and the next start reads everything. A page
//! that is lost in the middle is not looked for here: the scrub of the next start finds it, as any that is lost while serving.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::closing::{self, Contents};
use super::open::{LOCK_PATIENCE, open_files};
use super::probe;
use super::reading::Sled;
use crate::machine::clock::Stopwatch;
use crate::program::limits::STORE_FREE_BYTES;
use crate::store::error::StoreError;
use crate::store::{OpenError, Store, WHOLE};

/// Bytes of sled's log after which it is opened again: some hundred thousand tasks. Reading them takes a start up to a second out of
/// memory, and three from a disk that reads 300 MB/s. Half as many would halve that, and double what the renewals of a large
/// store take of its writer: each costs half a second with a million tasks, and more with more of them.
pub(crate) const RENEW_AFTER: u64 = 1024 * 1024 * 1024;

/// Times its last note of where its pages lie that sled may take for the next one: that is there beside the last one, and the
/// store grows meanwhile.
const NOTES: u64 = 2;

/// The parts in which the patience with an opening passes.
const LOOKS: u32 = 60;

impl Store {
    /// Whether sled is being opened again: who waits for a page waits for that.
    pub(crate) fn is_renewing(&self) -> bool {
        self.shared.is_renewing.load(Ordering::Relaxed)
    }

    /// For `apply`, behind a batch.
    pub(crate) fn renew_if_due(&self) -> Result<(), StoreError> {
        if self.reading().written() < self.shared.renew_after || !self.has_space_to_renew() {
            return Ok(());
        }
        self.renew_within(probe::patience(&self.shared.dir))
    }

    /// For the writer: closes sled and opens it again. When that takes longer, it is damage.
    pub(crate) fn renew_within(&self, patience: Duration) -> Result<(), StoreError> {
        let (began, bytes) = (Stopwatch::start(), self.reading().written());
        self.shared.is_renewing.store(true, Ordering::Relaxed);
        let renewed = self.renew(patience);
        self.shared.is_renewing.store(false, Ordering::Relaxed);
        match &renewed {
            Ok(()) => {
                let duration_ms = began.elapsed().as_millis() as u64;
                tracing::debug!(
                    bytes,
                    duration_ms,
                    "opened the store again for a quick next start"
                );
            }
            Err(error) if error.is_damage() => self.suspect(),
            Err(_) => {}
        }
        renewed
    }

    fn renew(&self, patience: Duration) -> Result<(), StoreError> {
        // Most of it happens before anybody has to wait.
        self.flush()?;
        let _flushing = self.shared.flushing.lock().expect(WHOLE);
        let mut sled = self.shared.sled.write().expect(WHOLE);
        let before = sled.contents()?;
        *sled = self.opened_again(sled.take(), before, patience)?;
        Ok(())
    }

    /// sled's note needs space; without it the store goes on as it is.
    fn has_space_to_renew(&self) -> bool {
        let needed = || Ok::<_, io::Error>(STORE_FREE_BYTES + NOTES * bytes_of_notes(&self.shared.dir)?);
        match (self.free_bytes(), needed()) {
            (Ok(free), Ok(needed)) => free >= needed,
            _ => true,
        }
    }

    /// The next start reads everything.
    fn suspect(&self) {
        if let Err(error) = closing::suspect(&self.shared.dir) {
            let error = crate::program::failure::chain(&error);
            tracing::error!(error, "cannot note that the store is damaged");
        }
    }

    /// sled, closed and opened by another thread, which may be left alone with it.
    fn opened_again(
        &self,
        db: Option<sled::Db>,
        before: Contents,
        patience: Duration,
    ) -> Result<Sled, StoreError> {
        let (dir, file) = (self.shared.dir.clone(), Arc::clone(&self.shared.file));
        let (tell, told) = sync_channel(1);
        let open = move || {
            // sled writes what it still has.
            drop(db);
            // It is about to note places that must not be lost, as the note would not be.
            file.sync_data().map_err(at_closing)?;
            let sled = Sled::new(open_files(&dir, LOCK_PATIENCE).map_err(not_opened)?);
            let after = sled.contents()?;
            if after != before {
                return Err(damaged(format!(
                    "opened again it is not what it was: it ends with seq {}, and it ended with seq {}",
                    after.applied_seq, before.applied_seq
                )));
            }
            Ok(sled)
        };
        thread::Builder::new()
            .name("store-renew".to_owned())
            // Nobody waits for it any more when the patience is over.
            .spawn(move || drop(tell.send(open())))
            .map_err(|source| StoreError::Io {
                doing: "open",
                source,
            })?;
        // Many short looks: a process that was stopped meanwhile has not looked for long.
        for _ in 0..LOOKS {
            match told.recv_timeout(patience / LOOKS) {
                Ok(opened) => return opened,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(damaged("opening it again panics".to_owned()));
                }
            }
        }
        Err(damaged(format!(
            "opening it again did not end within {} s",
            patience.as_secs()
        )))
    }
}

fn bytes_of_notes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

fn damaged(fault: String) -> StoreError {
    StoreError::DamagedFile { fault }
}

fn not_opened(error: OpenError) -> StoreError {
    let source = match error {
        OpenError::InUse { .. } => io::Error::other("its files are not let go of"),
        OpenError::Io { source, .. } => source,
        OpenError::Damaged { source, .. } => return source,
    };
    StoreError::Io {
        doing: "open",
        source,
    }
}

fn at_closing(source: io::Error) -> StoreError {
    StoreError::Io {
        doing: "flush",
        source,
    }
}
