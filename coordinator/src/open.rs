//! Start-up: journal and store are opened, and the state is brought to the journal's end.
//!
//! The store says how things were after some event; the journal has the events
//! since. A store that cannot be read is set aside and built anew from the journal.

use std::{fs, path::Path, sync::Arc};

use swarm_engine::{
    draft::replay,
    event::Fact,
    id::{Seq, TaskId},
    state::{Identity, Records, State},
    task::Task,
    time::Timestamp,
};

use crate::{
    core::Entry,
    data_dir::DataDir,
    failure::{Exit, Failure, chain},
    journal::{self, Journal},
    limits::{PAGE_BYTES, PAGE_EVENTS},
    records::{self, FindError},
    store::{self, Store, key},
    stored,
    view::{ENDED, FORMAT, IDENTITY, LAST_TIME, STORE_FORMAT, View},
};

/// Tasks read from the store at a time: even the largest stay below what `records::find` gives at once.
const RECALL_STEP: usize = 256;

/// The data as they were left, ready to go on.
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
}

/// Opens what the data directory holds.
///
/// # Errors
///
/// When the journal is damaged or ends before what was acknowledged, or the disk refuses.
pub(crate) fn open(dir: &DataDir) -> Result<Opened, Failure> {
    let (store, loaded) = open_store(&dir.store())?;
    let options = journal::Options::default();
    let journal::Opened { journal, torn } = Journal::open(&dir.journal(), options, store.applied_seq())
        .map_err(|error| Failure::new(Exit::Damaged, chain(&error), error.help()))?;
    if let Some(torn) = torn {
        tracing::warn!("{torn}; nobody had been told of it");
    }
    let mut state = loaded;
    catch_up(&mut state, &journal, &store)?;
    recall_missing(&mut state, &store)?;
    Ok(Opened {
        state,
        journal,
        store,
    })
}

/// Opens and reads the store. One that cannot be read is set aside: the journal has everything.
fn open_store(dir: &Path) -> Result<(Store, State), Failure> {
    let damage = match Store::open(dir) {
        Ok(store) => match load(&store) {
            Ok(state) => return Ok((store, state)),
            Err(damage) => damage,
        },
        Err(error @ store::OpenError::Damaged { .. }) => chain(&error),
        Err(error) => return Err(store_failure(&error)),
    };
    let aside = dir.with_extension("set-aside");
    let moved = remove_if_there(&aside).and_then(|()| fs::rename(dir, &aside));
    moved.map_err(|error| {
        Failure::new(
            Exit::Damaged,
            format!("cannot set the damaged store {} aside: {error}", dir.display()),
            "move it away by hand and start again: it is rebuilt from the journal",
        )
    })?;
    tracing::warn!(
        "{damage}: set aside as {}, building it anew from the journal",
        aside.display()
    );
    let store = Store::open(dir).map_err(|error| store_failure(&error))?;
    Ok((store, State::default()))
}

fn remove_if_there(dir: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn store_failure(error: &store::OpenError) -> Failure {
    Failure::new(
        Exit::Damaged,
        chain(error),
        "look at the disk, then start the coordinator again",
    )
}

/// The state as of the store's last event.
fn load(store: &Store) -> Result<State, String> {
    let describe = |error: &dyn std::error::Error| chain(error);
    let format = store.meta(FORMAT).map_err(|error| describe(&error))?;
    if store.applied_seq() > 0 && format.as_deref() != Some(STORE_FORMAT) {
        return Err("the store was written in another format".to_owned());
    }
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
        tasks,
    }))
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

/// Applies what the journal has and the store has not, to the state and to the store.
fn catch_up(state: &mut State, journal: &Journal, store: &Store) -> Result<(), Failure> {
    let reader = journal.reader();
    let last = Seq(journal.last_seq());
    let behind = last.0 - state.seq().0;
    if behind > PAGE_EVENTS as u64 {
        tracing::info!("reading {behind} events from the journal that the store does not have");
    }
    let damaged = |error: &dyn std::error::Error| {
        Failure::new(
            Exit::Damaged,
            chain(error),
            "restore the data directory from a backup",
        )
    };
    let mut view = View::new(store.clone());
    while state.seq() < last {
        let page = reader
            .read(state.seq().next().0, last.0, PAGE_BYTES)
            .map_err(|error| damaged(&error))?;
        for (seq, bytes) in page {
            let event = stored::decode(Seq(seq), bytes).map_err(|error| damaged(&error))?;
            let entry = Entry::from(replay(state, event));
            view.add(entry).map_err(|error| damaged(&error))?;
        }
        let finished: Vec<Arc<Task>> = state.finished(Seq(store.applied_seq())).cloned().collect();
        for task in finished {
            state.forget(task.number);
        }
    }
    view.flush().map_err(|error| damaged(&error))?;
    Ok(())
}

/// Takes those ended tasks into memory that others wait for, or were skipped because of.
fn recall_missing(state: &mut State, store: &Store) -> Result<(), Failure> {
    let damaged = |error: String| {
        Failure::new(
            Exit::Damaged,
            error,
            "move the store away and start again: it is rebuilt from the journal",
        )
    };
    let missing: Vec<TaskId> = state.missing().into_iter().collect();
    for some in missing.chunks(RECALL_STEP) {
        let found = records::find(store, some).map_err(|error| match error {
            FindError::Store(error) => damaged(error),
            FindError::TooLarge => damaged("the store has records that are too large".to_owned()),
        })?;
        for task in found {
            state.recall(task);
        }
    }
    match state.missing().first() {
        Some(task) => Err(damaged(format!(
            "the store has no task {task}, which others depend on"
        ))),
        None => Ok(()),
    }
}
