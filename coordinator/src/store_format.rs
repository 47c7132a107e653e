//! A store in an older layout is brought to this one in place, also one that comes out of a snapshot.

use swarm_engine::task::Task;

use crate::{
    failure::chain,
    limits::{STORE_BATCH_BYTES, STORE_BATCH_OPERATIONS},
    store::{Batch, Store, StoreError, key},
    stored,
    view::{FORMAT, STORE_FORMAT},
};

/// Under it the lists of ended tasks had a key for each task in place of sets.
const SINGLE_KEYS: &[u8] = &[2];

/// Makes sure that the store has this layout. What was cut short is begun again by the next call.
///
/// # Errors
///
/// When the store was written by a program that this one does not know, or cannot be read.
pub(crate) fn bring_up_to_date(store: &Store) -> Result<(), String> {
    let format = store.meta(FORMAT).map_err(|error| chain(&error))?;
    match format.as_deref() {
        Some(STORE_FORMAT) => Ok(()),
        None if store.applied_seq() == 0 => Ok(()),
        Some(SINGLE_KEYS) => {
            tracing::info!("bringing the store to a newer layout");
            gather_lists(store)
        }
        _ => Err("the store was written in another format".to_owned()),
    }
}

fn gather_lists(store: &Store) -> Result<(), String> {
    let failed = |error: StoreError| chain(&error);
    let mut batch = Batch::default();
    for prefix in [key::AGE, key::JOB_TASK] {
        for key in store.keys(prefix).map_err(failed)? {
            batch.remove(key);
            apply_if_full(store, &mut batch).map_err(failed)?;
        }
    }
    apply(store, &mut batch).map_err(failed)?;
    for prefix in [key::DONE, key::LIVE] {
        for entry in store.scan(prefix, &[]) {
            let (_, record) = entry.map_err(failed)?;
            list(
                &mut batch,
                &stored::decode_task(&record).map_err(|error| chain(&error))?,
            );
            apply_if_full(store, &mut batch).map_err(failed)?;
        }
    }
    batch.set_meta(FORMAT, STORE_FORMAT.to_vec());
    apply(store, &mut batch).map_err(failed)
}

fn list(batch: &mut Batch, task: &Task) {
    if let Some(end) = task.past_end() {
        batch.add_number(key::age(end.at.0, task.number.0));
    }
    if let (true, Some(job)) = (task.is_finished(), &task.job) {
        batch.add_number(key::task_of(job.as_str(), task.number.0));
    }
}

fn apply_if_full(store: &Store, batch: &mut Batch) -> Result<(), StoreError> {
    if batch.operations() >= STORE_BATCH_OPERATIONS || batch.bytes() >= STORE_BATCH_BYTES {
        apply(store, batch)?;
    }
    Ok(())
}

fn apply(store: &Store, batch: &mut Batch) -> Result<(), StoreError> {
    store.apply(std::mem::take(batch), store.applied_seq())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use swarm_engine::command::complete::Reported;

    use super::*;
    use crate::{
        fixture::{Fixture, failure, task},
        open,
    };

    fn contents(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
        store.check().unwrap();
        store.scan(&[], &[]).map(Result::unwrap).collect()
    }

    /// As the older layout had it; half of it when a conversion was cut short.
    fn make_old(store: &Store, keeps_sets: bool) {
        let mut batch = Batch::default();
        for prefix in [key::AGE, key::JOB_TASK] {
            for key in store.keys(prefix).unwrap() {
                if !keeps_sets {
                    batch.remove(key);
                }
            }
        }
        for prefix in [key::DONE, key::LIVE] {
            for entry in store.scan(prefix, &[]) {
                let task = stored::decode_task(&entry.unwrap().1).unwrap();
                let number = task.number.0.to_be_bytes();
                if let Some(end) = task.past_end() {
                    let age = [key::AGE, &end.at.0.to_be_bytes(), &number].concat();
                    batch.put(age, task.id.as_str().into());
                }
                if let (true, Some(job)) = (task.is_finished(), &task.job) {
                    batch.put(
                        [key::tasks_of(job.as_str()).as_slice(), &number].concat(),
                        Vec::new(),
                    );
                }
            }
        }
        batch.set_meta(FORMAT, SINGLE_KEYS.to_vec());
        store.apply(batch, store.applied_seq()).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_with_single_keys_becomes_what_it_would_be_now() {
        let swarm = Fixture::new();
        swarm.register().await;
        let tasks = |job: &str| {
            (0..300)
                .map(|index| task(&format!("{job}{index}"), &[]))
                .collect()
        };
        swarm.submit(Some("one"), tasks("a")).await.unwrap();
        swarm.submit(Some("two"), tasks("b")).await.unwrap();
        let failed = swarm.claim(1).await;
        swarm.complete(&failed, failure()).await;
        let skipped = task("skipped", &[failed[0].task.as_str()]);
        swarm.submit(None, vec![skipped]).await.unwrap();
        let granted = swarm.claim(100).await;
        swarm.complete(&granted, Reported::Success).await;
        swarm.settle().await;
        let files = swarm.stop();

        let store = Store::open(&files.path().join("data/store")).unwrap();
        let expected = contents(&store);
        for keeps_sets in [false, true] {
            make_old(&store, keeps_sets);
            assert!(contents(&store) != expected);
            open::load(&store).unwrap();
            assert!(contents(&store) == expected, "sets kept: {keeps_sets}");
        }
        let mut batch = Batch::default();
        batch.set_meta(FORMAT, vec![99]);
        store.apply(batch, store.applied_seq()).unwrap();
        assert_eq!(
            open::load(&store).err().unwrap(),
            "the store was written in another format"
        );
    }
}
