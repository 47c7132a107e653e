//! Facts about all records together, under `meta/`: their layout, the coordinator's identity, the time of the last
//! event, and how many tasks have ended.

use swarm_engine::{
    event::{Event, Fact},
    id::Seq,
    noun::counts::Counts,
    state::Identity,
    time::Timestamp,
};

use crate::{
    program::failure::chain,
    store::{Batch, Store},
    stored,
};

/// The layout of the records.
const FORMAT: &str = "format";

/// The layout that this program writes. A store of another one is set aside and built anew.
const RECORDS_FORMAT: &[u8] = &[3];

/// The event that the last start wrote.
pub(crate) const IDENTITY: &str = "identity";

/// The seq of that event.
pub(crate) const STARTED: &str = "started_seq";

/// The time of the last event.
const LAST_TIME: &str = "last_time";

/// How many kept tasks have ended, by final state.
const ENDED: &str = "ended";

/// Adds the identity that a start has given the coordinator: the event has all of it.
pub(super) fn write_identity(batch: &mut Batch, event: &Event) {
    batch.set_meta(IDENTITY, stored::encode(event).to_vec());
    batch.set_meta(STARTED, event.seq.0.to_be_bytes().to_vec());
}

/// Adds the facts that hold right after the last event of a batch.
pub(crate) fn write_end(batch: &mut Batch, last: &Event, ended: &Counts) {
    batch.set_meta(LAST_TIME, last.time.0.to_be_bytes().to_vec());
    batch.set_meta(ENDED, stored::encode_ended(ended));
    batch.set_meta(FORMAT, RECORDS_FORMAT.to_vec());
}

/// Refuses records of another layout.
///
/// # Errors
///
/// A sentence, also when the store cannot be read.
pub(super) fn check_format(store: &Store) -> Result<(), String> {
    let format = store.meta(FORMAT).map_err(|error| chain(&error))?;
    match format.as_deref() {
        Some(RECORDS_FORMAT) => Ok(()),
        None if store.applied_seq() == 0 => Ok(()),
        _ => Err("the store was written in another format".to_owned()),
    }
}

/// The coordinator's identity; `None` before its first start.
pub(super) fn load_identity(store: &Store) -> Result<Option<Identity>, String> {
    let Some(bytes) = store.meta(IDENTITY).map_err(|error| chain(&error))? else {
        return Ok(None);
    };
    let event = stored::decode(Seq(0), bytes.into()).map_err(|error| chain(&error))?;
    match event.fact {
        Fact::CoordinatorStarted {
            epoch,
            cluster_id,
            history,
            version: _,
            clocks,
            sets_time_back: _,
        } => Ok(Some(Identity {
            epoch,
            cluster_id,
            history,
            started: event.time,
            clocks,
        })),
        other => Err(format!("the store's meta/{IDENTITY} is a {}", other.kind())),
    }
}

/// The time of the last event.
pub(super) fn load_time(store: &Store) -> Result<Timestamp, String> {
    let time = store.meta(LAST_TIME).map_err(|error| chain(&error))?;
    match time.map(<[u8; 8]>::try_from) {
        None => Ok(Timestamp::default()),
        Some(Ok(bytes)) => Ok(Timestamp(u64::from_be_bytes(bytes))),
        Some(Err(_)) => Err(format!("the store's meta/{LAST_TIME} is not a time")),
    }
}

/// How many kept tasks have ended.
pub(super) fn load_ended(store: &Store) -> Result<Counts, String> {
    let ended = store.meta(ENDED).map_err(|error| chain(&error))?;
    let ended = ended.map(|bytes| stored::decode_ended(&bytes)).transpose();
    Ok(ended.map_err(|error| chain(&error))?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{LAYOUT, load};

    #[test]
    fn a_store_of_another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &LAYOUT).unwrap();
        load(&store).unwrap();
        for format in [None, Some(vec![2]), Some(vec![4])] {
            let mut batch = Batch::default();
            if let Some(format) = format {
                batch.set_meta(FORMAT, format);
            }
            store.apply(batch, 1).unwrap();
            assert_eq!(
                load(&store).err().unwrap(),
                "the store was written in another format"
            );
        }
    }
}
