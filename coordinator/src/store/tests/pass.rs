//! A pass reads a store through while batches are applied.

use tempfile::TempDir;

use super::{bytes, open, put};
use crate::{
    records::{output, task::key},
    store::{Batch, Extent, Store, sled::value},
};

fn filled(dir: &TempDir) -> Store {
    let store = open(dir);
    for number in 0..1_000_u64 {
        let mut batch = Batch::default();
        batch.put(key::done(number), bytes(100, number));
        batch.put(key::id(&format!("task-{number}")), number.to_be_bytes().to_vec());
        store.apply(batch, number + 1).unwrap();
    }
    put(&store, output::key(1, 1), &bytes(20_000, 1));
    store
}

pub(super) fn read_through(
    store: &Store,
    extent: Extent,
    mut between: impl FnMut(u64),
) -> Result<u64, String> {
    store.begin_pass(extent);
    let mut pages = 0;
    while !store.read_on(extent).map_err(|error| error.to_string())? {
        pages += 1;
        between(pages);
    }
    Ok(pages)
}

#[test]
fn what_is_written_before_and_behind_the_reader_is_taken_in() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir);
    for extent in [Extent::Ids, Extent::All] {
        let pages = read_through(&store, extent, |page| {
            let mut batch = Batch::default();
            for number in [0, page * 90, 999] {
                batch.put(key::done(number), bytes(50, page));
                batch.remove(key::id(&format!("task-{}", number + page)));
                batch.put(key::id(&format!("new-{number}-{page}")), vec![1]);
            }
            store.apply(batch, store.applied_seq() + 1).unwrap();
        });
        assert!(pages.unwrap() > 5, "{extent:?}");
    }
    store.check().unwrap();
}

#[test]
fn what_was_lost_or_is_older_is_noticed_at_the_end() {
    for (key, ids_too) in [(key::done(500), false), (key::id("task-500"), true)] {
        let dir = TempDir::new().unwrap();
        let store = filled(&dir);
        let good = store.swap_raw(&key, None).unwrap();
        for (extent, is_noticed) in [(Extent::Ids, ids_too), (Extent::All, true)] {
            let found = read_through(&store, extent, |_| {});
            assert_eq!(found.is_err(), is_noticed, "{extent:?} {found:?}");
        }
        store.swap_raw(&key, Some(&value::encode_short(&key, b"older")));
        let error = read_through(&store, Extent::All, |_| {}).unwrap_err();
        assert!(error.contains("missing or older"), "{error}");
        store.swap_raw(&key, Some(&good));
        read_through(&store, Extent::All, |_| {}).unwrap();
    }
}
