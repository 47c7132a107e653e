//! Opening the store. Files that sled would trip over are removed first.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{error::at_sled, pass::Pass, reading::Sled, renew::RENEW_AFTER, window};
use crate::store::{Layout, Shared, Store, StoreError};

/// Memory for sled's pages, of which sled by itself would take a gigabyte. Only lists and rare look-ups read the store.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often sled writes its buffer and syncs on its own. Events lost with the process are replayed from the journal,
/// but without this (`None`) sled never syncs nor cleans up. More often would be dear: the journal's syncs, for which
/// all answers wait, wait for sled's.
const FLUSH_EVERY_MS: u64 = 5_000;

/// How long to wait for sled's lock, which sled gives up some time after the last handle is dropped. Another
/// coordinator is met earlier, at the lock of the data directory.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(10);

const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open.
    #[error("the store in {} is in use", dir.display())]
    InUse { dir: PathBuf },
    /// The store has to be set aside and built anew.
    #[error("cannot open the store in {}", dir.display())]
    Damaged { dir: PathBuf, source: StoreError },
    /// The disk refused.
    #[error("cannot open the store in {}", dir.display())]
    Io { dir: PathBuf, source: io::Error },
}

impl Store {
    /// Opens the store in a directory; without files there it is a new, empty store.
    ///
    /// `check` looks for damage that sled does not see, and this does not. A damaged file may also make sled panic or
    /// hang, so a store that is not trusted is first opened in a process of its own (`probe.rs`).
    pub fn open(dir: &Path, layout: &'static Layout) -> Result<Store, OpenError> {
        open_within(dir, layout, LOCK_PATIENCE, RENEW_AFTER)
    }
}

/// Opens the store with this patience for sled's lock, to open sled again after `renew_after` bytes of its log.
pub(crate) fn open_within(
    dir: &Path,
    layout: &'static Layout,
    patience: Duration,
    renew_after: u64,
) -> Result<Store, OpenError> {
    let failed_io = |source| OpenError::Io {
        dir: dir.to_owned(),
        source,
    };
    let failed = |error| match error {
        StoreError::Io { source, .. } => failed_io(source),
        source => OpenError::Damaged {
            dir: dir.to_owned(),
            source,
        },
    };
    fs::create_dir_all(dir).map_err(failed_io)?;
    let db = open_files(dir, patience)?;
    window::finish(&db, dir).map_err(failed)?;
    // sled's lock belongs to its own open file description, and a second description leaves it alone.
    let file = File::open(dir.join("db")).map_err(failed_io)?;

    let shared = Shared {
        dir: dir.to_owned(),
        layout,
        file: Arc::new(file),
        applied_seq: AtomicU64::new(0),
        writer: Mutex::new(()),
        flushing: Mutex::new(()),
        sled: RwLock::new(Sled::new(db)),
        renew_after,
        is_renewing: AtomicBool::new(false),
        is_read: AtomicBool::new(false),
        pass: Mutex::new(Pass::default()),
        frozen: Mutex::new(None),
        max_frozen_bytes: AtomicUsize::new(usize::MAX),
        frozen_read: Condvar::new(),
    };
    let store = Store {
        shared: Arc::new(shared),
    };
    let applied_seq = store.reading().applied_seq().map_err(failed)?;
    store.shared.applied_seq.store(applied_seq, Ordering::Release);
    Ok(store)
}

/// Opens sled's files, after removing those that it would trip over.
pub(crate) fn open_files(dir: &Path, patience: Duration) -> Result<sled::Db, OpenError> {
    remove_unfinished_snapshots(dir).map_err(|source| OpenError::Io {
        dir: dir.to_owned(),
        source,
    })?;
    open_sled(dir, patience)
}

/// sled writes a snapshot under a temporary name when it opens. A name that a kill has left behind sorts last and
/// passes for the newest snapshot, so that sled refuses to open. The snapshot before it is still there.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!("removing {name} from the store: an earlier start was cut short");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open_sled(dir: &Path, patience: Duration) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let mut waited = Duration::ZERO;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(error) if is_locked(&error) => {
                if waited >= patience {
                    return Err(OpenError::InUse { dir: dir.to_owned() });
                }
                thread::sleep(LOCK_RETRY);
                waited += LOCK_RETRY;
            }
            Err(error) => {
                return Err(match at_sled("open")(error) {
                    StoreError::Io { source, .. } => OpenError::Io {
                        dir: dir.to_owned(),
                        source,
                    },
                    source => OpenError::Damaged {
                        dir: dir.to_owned(),
                        source,
                    },
                });
            }
        }
    }
}

/// Whether another handle holds sled's lock: only the text of sled's error says so.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(source) if source.to_string().starts_with("could not acquire lock"))
}
