//! The operations of a program on its files, as `disk.c` records them.

use std::{fs, path::Path};

use bytes::{Buf as _, Bytes};

/// The file, beside the data, into which clients write what they were told.
pub(crate) const ACKNOWLEDGED: &str = "data.acknowledged";

/// Something that was done, and succeeded. Paths are below the data directory, which is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Opened, and made if it was not there.
    Open { path: String, truncates: bool },
    /// Wrote these bytes at this offset.
    Write { path: String, offset: u64, bytes: Bytes },
    /// Gave a file this length.
    Length { path: String, length: u64 },
    /// Brought a file, or the names in a directory, to disk.
    Sync { path: String },
    /// Gave a file another name.
    Rename { from: String, to: String },
    /// Removed a file or an empty directory.
    Unlink { path: String },
    /// Made a directory.
    MakeDirectory { path: String },
    /// Not done to the data: a client was told something.
    Acknowledge(Acknowledged),
}

/// An answer to a client about one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The last event that the answer reflects.
    pub(crate) seq: u64,
    /// The state of the task in the answer.
    pub(crate) what: What,
    pub(crate) task: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Submitted,
    Granted,
    Completed,
}

impl Acknowledged {
    /// The line that a client writes.
    pub(crate) fn line(&self) -> String {
        format!("{} {:?} {}\n", self.seq, self.what, self.task)
    }

    fn read(line: &str) -> Acknowledged {
        let words: Vec<&str> = line.split_whitespace().collect();
        let what = [What::Submitted, What::Granted, What::Completed]
            .into_iter()
            .find(|what| format!("{what:?}") == words[1]);
        Acknowledged {
            seq: words[0].parse().unwrap(),
            what: what.unwrap(),
            task: words[2].to_owned(),
        }
    }
}

/// All of them, in order.
#[derive(Clone, Debug)]
pub(crate) struct Trace(Vec<Operation>);

impl Trace {
    /// Reads what was recorded about the data directory `data`.
    pub(crate) fn read(file: &Path, data: &Path) -> Trace {
        let mut rest = Bytes::from(fs::read(file).unwrap());
        let data = data.to_str().unwrap();
        let mut operations = Vec::new();
        while rest.has_remaining() {
            let what = rest.get_u8();
            let truncates = rest.get_u8() != 0;
            let path_bytes = usize::from(rest.get_u16_le());
            let bytes = rest.get_u32_le() as usize;
            let offset = rest.get_u64_le();
            let path = String::from_utf8(rest.split_to(path_bytes).to_vec()).unwrap();
            let bytes = rest.split_to(bytes);
            if path.ends_with(ACKNOWLEDGED) {
                if what == b'W' {
                    let line = String::from_utf8(bytes.to_vec()).unwrap();
                    operations.push(Operation::Acknowledge(Acknowledged::read(&line)));
                }
                continue;
            }
            // A file without a name is gone with its last handle.
            if path.ends_with(" (deleted)") {
                continue;
            }
            let below = |path: &str| {
                let below = path.strip_prefix(data);
                let below = below.unwrap_or_else(|| panic!("{path} is not below {data}"));
                below.trim_start_matches('/').to_owned()
            };
            let path = below(&path);
            operations.push(match what {
                b'O' => Operation::Open { path, truncates },
                b'W' => Operation::Write { path, offset, bytes },
                b'L' => Operation::Length { path, length: offset },
                b'S' => Operation::Sync { path },
                b'R' => Operation::Rename {
                    from: path,
                    to: below(str::from_utf8(&bytes).unwrap()),
                },
                b'U' => Operation::Unlink { path },
                b'M' => Operation::MakeDirectory { path },
                other => panic!("an operation {other}"),
            });
        }
        Trace(operations)
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter()
    }

    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = &Acknowledged> {
        self.operations().filter_map(|operation| match operation {
            Operation::Acknowledge(acknowledged) => Some(acknowledged),
            _ => None,
        })
    }

    /// The same with some syncs left out, or done only after the next acknowledgement.
    pub(crate) fn without_syncs(&self, of: impl Fn(&str) -> bool, are_late: bool) -> Trace {
        let mut operations = Vec::new();
        let mut late = Vec::new();
        for operation in self.operations() {
            match operation {
                Operation::Sync { path } if of(path) => {
                    if are_late {
                        late.push(operation.clone());
                    }
                }
                Operation::Acknowledge(_) => {
                    operations.push(operation.clone());
                    operations.append(&mut late);
                }
                _ => operations.push(operation.clone()),
            }
        }
        Trace(operations)
    }
}
