//! Loads all records of one kind.

use std::sync::Arc;

use crate::{program::failure::chain, store::Store, stored::StoredError};

/// Every record whose key begins with the kind.
///
/// # Errors
///
/// A sentence when the store cannot be read, or when a record cannot be decoded.
pub(super) fn load_all<T>(
    store: &Store,
    kind: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, StoredError>,
) -> Result<Vec<Arc<T>>, String> {
    debug_assert!(
        store.has_sum_of(kind),
        "{} is read at a start, and the store has no sum of it",
        kind.escape_ascii()
    );
    let records = store.scan(kind, &[]).map(|entry| {
        let (_, record) = entry.map_err(|error| chain(&error))?;
        decode(&record).map(Arc::new).map_err(|error| chain(&error))
    });
    records.collect()
}
