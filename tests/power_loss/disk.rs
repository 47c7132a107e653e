//! A disk as it can be when power is lost: what was synced is there, and of what was done since then anything may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bytes::Bytes;

use crate::{harness::seeded::Seeded, trace::Operation};

/// Bytes that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The part of unsynced writes that a loss of power leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// None of it is there.
    Dropped,
    /// All of it is there.
    Kept,
    /// Chance decides for each sector and each name; this is its seed.
    Torn(u64),
}

/// Files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// See the module.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// The files as the program sees them.
    names: Names,
    synced_names: Names,
    /// Changes of names whose directory was not synced since, in order.
    moves: Vec<Move>,
}

type Names = BTreeMap<String, Node>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    /// The index of a file: it keeps it under another name.
    File(usize),
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Bytes },
    Length(usize),
}

#[derive(Clone)]
struct Move {
    node: Node,
    /// The name that goes; it may be another file's by then.
    from: Option<String>,
    /// The name that comes.
    to: Option<String>,
}

impl Disk {
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Open { path, truncates } => {
                if !self.names.contains_key(path) {
                    self.files.push(File::default());
                    let node = Node::File(self.files.len() - 1);
                    self.rename(node, None, Some(path));
                } else if *truncates {
                    self.change(path, Change::Length(0));
                }
            }
            Operation::Write { path, offset, bytes } => {
                let offset = usize::try_from(*offset).unwrap();
                let bytes = bytes.clone();
                self.change(path, Change::Write { offset, bytes });
            }
            Operation::Length { path, length } => {
                self.change(path, Change::Length(usize::try_from(*length).unwrap()));
            }
            Operation::Sync { path } => self.sync(path),
            Operation::Rename { from, to } => {
                let node = self.names[from];
                assert!(matches!(node, Node::File(_)), "a directory is renamed: {from}");
                assert_eq!(parent(from), parent(to));
                self.rename(node, Some(from), Some(to));
            }
            Operation::Unlink { path } => self.rename(self.names[path], Some(path), None),
            Operation::MakeDirectory { path } if path.is_empty() => {}
            Operation::MakeDirectory { path } => self.rename(Node::Directory, None, Some(path)),
            Operation::Acknowledge(_) => {}
        }
    }

    fn rename(&mut self, node: Node, from: Option<&String>, to: Option<&String>) {
        let done = Move {
            node,
            from: from.cloned(),
            to: to.cloned(),
        };
        done.apply(&mut self.names);
        self.moves.push(done);
    }

    fn change(&mut self, path: &str, change: Change) {
        let Some(Node::File(file)) = self.names.get(path) else {
            panic!("there is no file {path}")
        };
        self.files[*file].changes.push(change);
    }

    fn sync(&mut self, path: &str) {
        if let Some(Node::File(file)) = self.names.get(path) {
            let file = &mut self.files[*file];
            for change in file.changes.drain(..) {
                change.apply(&mut file.synced);
            }
            return;
        }
        let synced = &mut self.synced_names;
        self.moves.retain(|done| {
            let is_here = done.directory() == path;
            if is_here {
                done.apply(synced);
            }
            !is_here
        });
    }

    /// Whether anything below `directory` was not synced.
    pub(crate) fn is_dirty(&self, directory: &str) -> bool {
        let changed = |(name, node): (&String, &Node)| match node {
            Node::File(file) => name.starts_with(directory) && !self.files[*file].changes.is_empty(),
            Node::Directory => false,
        };
        self.names.iter().chain(&self.synced_names).any(changed)
            || self
                .moves
                .iter()
                .any(|done| done.directory().starts_with(directory) || done.is_of(directory))
    }

    /// The files below `directory` after a loss of power.
    pub(crate) fn after(&self, loss: Loss, directory: &str) -> Files {
        let mut chance = Chance::of(loss);
        let mut files = Files::new();
        for (name, file) in self.names_after(&mut chance, directory) {
            let file = &self.files[file];
            let mut bytes = file.synced.clone();
            for change in &file.changes {
                change.apply_in_part(&mut bytes, || chance.keeps());
            }
            files.insert(name, bytes);
        }
        files
    }

    /// The same files by a number that a file keeps, each with whether all of it was synced.
    pub(crate) fn list_after(&self, loss: Loss, directory: &str) -> Vec<(String, usize, bool)> {
        self.names_after(&mut Chance::of(loss), directory)
            .into_iter()
            .map(|(name, file)| (name, file, self.files[file].changes.is_empty()))
            .collect()
    }

    fn names_after(&self, chance: &mut Chance, directory: &str) -> Vec<(String, usize)> {
        let mut names = self.synced_names.clone();
        for done in &self.moves {
            if chance.keeps() {
                done.apply(&mut names);
            }
        }
        let mut files = Vec::new();
        for (name, node) in &names {
            if let Node::File(file) = node
                && name.starts_with(directory)
                && has_directories(&names, name)
            {
                files.push((name.clone(), *file));
            }
        }
        files
    }
}

/// Decides what is kept of what was not synced; the same each time.
enum Chance {
    Always,
    Never,
    Sometimes(Seeded),
}

impl Chance {
    fn of(loss: Loss) -> Chance {
        match loss {
            Loss::Dropped => Chance::Never,
            Loss::Kept => Chance::Always,
            Loss::Torn(seed) => Chance::Sometimes(Seeded::from(seed)),
        }
    }

    fn keeps(&mut self) -> bool {
        match self {
            Chance::Always => true,
            Chance::Never => false,
            Chance::Sometimes(seeded) => seeded.below(2) == 0,
        }
    }
}

/// Whether the directories around a file exist.
fn has_directories(names: &Names, name: &str) -> bool {
    let above = parent(name);
    above.is_empty() || (names.get(above) == Some(&Node::Directory) && has_directories(names, above))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Move {
    fn directory(&self) -> &str {
        parent(self.to.as_ref().or(self.from.as_ref()).unwrap())
    }

    /// Whether this directory, with or without a slash, came or went.
    fn is_of(&self, directory: &str) -> bool {
        [&self.from, &self.to]
            .into_iter()
            .flatten()
            .any(|name| name == directory.trim_end_matches('/'))
    }

    fn apply(&self, names: &mut Names) {
        if let Some(from) = &self.from
            && names.get(from) == Some(&self.node)
        {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.node);
        }
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => put(file, *offset, bytes),
            Change::Length(length) => file.resize(*length, 0),
        }
    }

    /// The sectors of a write that are kept.
    fn apply_in_part(&self, file: &mut Vec<u8>, mut is_kept: impl FnMut() -> bool) {
        let Change::Write { offset, bytes } = self else {
            if is_kept() {
                self.apply(file);
            }
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let sector_end = (offset + from + 1).next_multiple_of(SECTOR_BYTES) - offset;
            let through = sector_end.min(bytes.len());
            if is_kept() {
                put(file, offset + from, &bytes[from..through]);
            }
            from = through;
        }
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

/// Writes these files into a directory.
pub(crate) fn write_files(dir: &Path, files: &Files) {
    let mut made = BTreeSet::new();
    for (name, bytes) in files {
        if made.insert(parent(name)) {
            fs::create_dir_all(dir.join(parent(name))).unwrap();
        }
        fs::write(dir.join(name), bytes).unwrap();
    }
}
