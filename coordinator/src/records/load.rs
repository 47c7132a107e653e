//! Loading: the state as the records of a store have it.

use std::sync::Arc;

use swarm_engine::{
    event::Fact,
    id::Seq,
    state::{Identity, Records, State},
    time::Timestamp,
};

use super::{ENDED, FORMAT, IDENTITY, LAST_TIME, STORE_FORMAT, key};
use crate::{failure::chain, store::Store, stored};

/// The state as of the store's last event.
pub(crate) fn load(store: &Store) -> Result<State, String> {
    let describe = |error: &dyn std::error::Error| chain(error);
    check_format(store)?;
    let mut tasks = Vec::new();
    for record in store.scan(key::LIVE, &[]) {
        let (_, bytes) = record.map_err(|error| describe(&error))?;
        tasks.push(Arc::new(
            stored::decode_task(&bytes).map_err(|error| describe(&error))?,
        ));
    }
    let mut jobs = Vec::new();
    for record in store.scan(key::JOB, &[]) {
        let (_, bytes) = record.map_err(|error| describe(&error))?;
        jobs.push(Arc::new(
            stored::decode_job(&bytes).map_err(|error| describe(&error))?,
        ));
    }
    let mut agents = Vec::new();
    for record in store.scan(key::AGENT, &[]) {
        let (_, bytes) = record.map_err(|error| describe(&error))?;
        agents.push(Arc::new(
            stored::decode_agent(&bytes).map_err(|error| describe(&error))?,
        ));
    }
    let mut holds = Vec::new();
    for record in store.scan(key::HOLD, &[]) {
        let (_, bytes) = record.map_err(|error| describe(&error))?;
        holds.push(Arc::new(
            stored::decode_hold(&bytes).map_err(|error| describe(&error))?,
        ));
    }
    let mut limits = Vec::new();
    for record in store.scan(key::LIMIT, &[]) {
        let (_, bytes) = record.map_err(|error| describe(&error))?;
        limits.push(Arc::new(
            stored::decode_limit(&bytes).map_err(|error| describe(&error))?,
        ));
    }
    let time = store.meta(LAST_TIME).map_err(|error| describe(&error))?;
    let time = match time.map(<[u8; 8]>::try_from) {
        None => Timestamp::default(),
        Some(Ok(bytes)) => Timestamp(u64::from_be_bytes(bytes)),
        Some(Err(_)) => return Err(format!("the store's meta/{LAST_TIME} is not a time")),
    };
    let ended = store.meta(ENDED).map_err(|error| describe(&error))?;
    let ended = ended.map(|bytes| stored::decode_ended(&bytes)).transpose();
    Ok(State::load(Records {
        identity: identity(store)?,
        seq: Seq(store.applied_seq()),
        time,
        ended: ended.map_err(|error| describe(&error))?.unwrap_or_default(),
        jobs,
        agents,
        holds,
        limits,
        tasks,
    }))
}

fn check_format(store: &Store) -> Result<(), String> {
    let format = store.meta(FORMAT).map_err(|error| chain(&error))?;
    match format.as_deref() {
        Some(STORE_FORMAT) => Ok(()),
        None if store.applied_seq() == 0 => Ok(()),
        _ => Err("the store was written in another format".to_owned()),
    }
}

fn identity(store: &Store) -> Result<Option<Identity>, String> {
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
        } => Ok(Some(Identity {
            epoch,
            cluster_id,
            history,
        })),
        other => Err(format!("the store's meta/{IDENTITY} is a {}", other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{records::LAYOUT, store::Batch};

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
