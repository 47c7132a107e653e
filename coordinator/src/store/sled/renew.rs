//! Closing sled and opening it again beside serving, so that the next start is quick.
//!
//! sled notes the positions of its pages only while it opens, and an opening reads the log written since the last note.
//! So the writer closes and opens sled between two batches, after so many bytes of log. Readers wait meanwhile. Scans,
//! passes and frozen stores hold nothing of sled's between two pages. An idle store writes nothing, and is left alone.
//!
//! An opening that is killed leaves the files as a killed start does, and on a damaged file an opening may hang, panic
//! or come up with an earlier end. Each of these is an error here, and the next start reads everything. The next
//! start's scrub looks for pages lost in the middle, and this does not.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{
    closing::{self, Contents},
    open::{LOCK_PATIENCE, open_files},
    probe,
    reading::Sled,
};
use crate::{
    machine::clock::Stopwatch,
    program::limits::STORE_FREE_BYTES,
    store::{OpenError, Store, WHOLE, error::StoreError},
};

/// Bytes of sled's log after which it is opened again: some hundred thousand tasks. A start reads them in up to a
/// second from memory, and in three from a disk that reads 300 MB/s. Half as many would halve that and double the time
/// that renewals take: each costs the writer half a second with a million tasks, and more with more.
pub(crate) const RENEW_AFTER: u64 = 1024 * 1024 * 1024;

/// Free space required, as a multiple of sled's last note of where its pages are: the next note is written beside it,
/// and may be larger.
const NOTES: u64 = 2;

/// How many short waits make up the patience with an opening.
const LOOKS: u32 = 60;

impl Store {
    /// Whether sled is being opened again, while readers wait.
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

    /// For the writer: closes sled and opens it again. It is damage when that takes longer than `patience`.
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
        // Most of the writing happens before anybody has to wait.
        self.flush()?;
        let _flushing = self.shared.flushing.lock().expect(WHOLE);
        let mut sled = self.shared.sled.write().expect(WHOLE);
        let before = sled.contents()?;
        *sled = self.opened_again(sled.take(), before, patience)?;
        Ok(())
    }

    /// Whether the disk has space for sled's note; without it the store goes on as it is.
    fn has_space_to_renew(&self) -> bool {
        let needed = || Ok::<_, io::Error>(STORE_FREE_BYTES + NOTES * bytes_of_notes(&self.shared.dir)?);
        match (self.free_bytes(), needed()) {
            (Ok(free), Ok(needed)) => free >= needed,
            _ => true,
        }
    }

    /// Makes the next start read everything.
    fn suspect(&self) {
        if let Err(error) = closing::suspect(&self.shared.dir) {
            let error = crate::program::failure::chain(&error);
            tracing::error!(error, "cannot note that the store is damaged");
        }
    }

    /// Lets another thread close and open sled. The thread is left alone when it takes too long.
    fn opened_again(
        &self,
        db: Option<sled::Db>,
        before: Contents,
        patience: Duration,
    ) -> Result<Sled, StoreError> {
        let (dir, file) = (self.shared.dir.clone(), Arc::clone(&self.shared.file));
        let (tell, told) = sync_channel(1);
        let open = move || {
            // sled writes its buffer.
            drop(db);
            // The note is about to point at pages, which must be on disk before it is.
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
            // The receiver may be gone, when the patience is over.
            .spawn(move || drop(tell.send(open())))
            .map_err(|source| StoreError::Io {
                doing: "open",
                source,
            })?;
        // Many short waits: a process that was stopped meanwhile has not waited for long.
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
