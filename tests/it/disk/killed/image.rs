//! The contents of directories, to be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// Every file below a directory, by its name there, but for the lock.
pub(super) fn image(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(dir: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for item in fs::read_dir(dir).unwrap() {
            let item = item.unwrap();
            let name = below.join(item.file_name());
            if item.file_type().unwrap().is_dir() {
                collect(&item.path(), &name, files);
            } else if item.file_name() != "lock" {
                files.insert(name, fs::read(item.path()).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(dir, Path::new(""), &mut files);
    files
}

/// The names in a directory.
pub(super) fn names(dir: &Path) -> BTreeSet<OsString> {
    let items = fs::read_dir(dir).unwrap();
    items.map(|item| item.unwrap().file_name()).collect()
}

/// The segments of a journal, in order.
pub(super) fn segments(journal: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<PathBuf> = fs::read_dir(journal)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    segments
}
