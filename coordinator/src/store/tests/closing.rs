//! A store is taken to be left as the file beside it says, until a file is touched.

use std::fs;

use tempfile::TempDir;

use super::{open, put};
use crate::{
    records::task::key,
    store::sled::closing::{self, Left},
};

#[test]
fn a_store_is_what_its_seal_says_until_a_file_is_touched() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let store = open(&dir);
    put(&store, key::live(1), b"one");
    assert!(matches!(closing::left(&path), Left::Unknown(_)));
    closing::open(&path).unwrap();
    assert_eq!(closing::left(&path), Left::Killed);
    let contents = store.contents().unwrap();
    drop(store);
    assert!(closing::close(&path, contents).unwrap());
    assert_eq!(closing::left(&path), Left::Closed(contents));

    let seal_file = dir.path().join("store.seal");
    let whole = fs::read(&seal_file).unwrap();
    for place in 0..whole.len() {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        fs::write(&seal_file, bad).unwrap();
        assert!(matches!(closing::left(&path), Left::Unknown(_)), "{place}");
    }
    fs::write(&seal_file, &whole).unwrap();
    assert_eq!(closing::left(&path), Left::Closed(contents));

    let file = fs::read(path.join("db")).unwrap();
    fs::write(path.join("db"), file).unwrap();
    assert!(matches!(closing::left(&path), Left::Unknown(why) if why.contains("touched")));
    closing::suspect(&path).unwrap();
    assert!(matches!(closing::left(&path), Left::Unknown(why) if why.contains("damage")));
}

#[test]
fn a_store_that_was_open_is_unknown_after_another_boot_or_with_another_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    drop(open(&dir));
    closing::open(&path).unwrap();
    fs::copy(path.join("db"), path.join("copy")).unwrap();
    fs::rename(path.join("copy"), path.join("db")).unwrap();
    assert!(matches!(closing::left(&path), Left::Unknown(why) if why.contains("another one")));
    closing::write(&path, "open 00000000-0000-0000-0000-000000000000 1").unwrap();
    assert!(matches!(closing::left(&path), Left::Unknown(why) if why.contains("machine")));
}
