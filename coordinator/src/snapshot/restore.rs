//! Makes a store out of a snapshot. A crash in the middle leaves no store.

use std::{
    fs::{self, File},
    path::Path,
};

use super::{Snapshot, SnapshotError};
use crate::{
    machine::disk::{self, FileError},
    program::limits::{STORE_BATCH_BYTES, STORE_BATCH_OPERATIONS},
    store::{Batch, Layout, Store},
};

/// The extension of a store that is being restored.
const ASIDE_EXTENSION: &str = "restoring";

impl Snapshot {
    /// Builds the store `dir`, which must not exist, out of this snapshot and opens it. It is built aside, as `dir`
    /// with the extension `restoring`, and gets its name when it is complete and on disk. Files of an earlier try are
    /// removed.
    ///
    /// # Errors
    /// When the snapshot is damaged, or store or file system refuse. Then there is no `dir`.
    pub fn restore(&self, dir: &Path, layout: &'static Layout) -> Result<Store, SnapshotError> {
        if dir.exists() {
            return Err(SnapshotError::Exists { dir: dir.to_owned() });
        }
        let aside = dir.with_extension(ASIDE_EXTENSION);
        disk::remove_directory(&aside).map_err(FileError::new("remove the half-restored store", &aside))?;
        let restored = Store::open(&aside, layout)
            .map_err(SnapshotError::from)
            .and_then(|store| self.restore_into(&store));
        if let Err(error) = restored {
            // Half a store is of no use. If it stays, the next try removes it.
            let _ = disk::remove_directory(&aside);
            return Err(error);
        }
        sync_files(&aside)?;
        disk::rename(&aside, dir, "give its name to the restored store")?;
        Ok(Store::open(dir, layout)?)
    }

    /// Writes every record into an empty store and flushes it. The store reflects seq 0 until the last batch sets the
    /// snapshot's. Nobody may open the store if this does not return: `restore` sees to that.
    ///
    /// # Errors
    /// When the store is not empty, the snapshot is damaged, or the disk refuses.
    pub fn restore_into(&self, store: &Store) -> Result<(), SnapshotError> {
        if store.applied_seq() != 0 || store.scan(&[], &[]).next().transpose()?.is_some() {
            return Err(SnapshotError::NotEmpty);
        }
        let mut batch = Batch::default();
        for record in self.records()? {
            let (key, value) = record?;
            if batch.operations() >= STORE_BATCH_OPERATIONS || batch.bytes() >= STORE_BATCH_BYTES {
                store.apply(std::mem::take(&mut batch), 0)?;
            }
            // The old store's applied seq is among the records; each batch overwrites it.
            batch.put(key, value);
        }
        store.apply(batch, self.origin.seq)?;
        Ok(store.flush()?)
    }
}

/// Brings all files and their names to disk: sled syncs only its one large file.
fn sync_files(dir: &Path) -> Result<(), FileError> {
    let failed = || FileError::new("sync the restored store", dir);
    for item in fs::read_dir(dir).map_err(failed())? {
        let item = item.map_err(failed())?;
        File::open(item.path())
            .and_then(|file| file.sync_all())
            .map_err(failed())?;
    }
    disk::sync_directory(dir)
}
