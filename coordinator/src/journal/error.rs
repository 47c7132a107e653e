//! Errors of a journal, as sentences that name the file and the offset.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::machine::disk::FileError;

/// Why a journal could not be opened. Nothing on the disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused an operation on a file or directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// Unreadable bytes stand before entries that were confirmed.
    #[error("the journal is damaged at offset {offset} of {}: {flaw}, and {after}", .file.display())]
    Damaged {
        file: PathBuf,
        offset: u64,
        flaw: Flaw,
        after: After,
    },
    /// Events between one entry and the next are missing, or there twice.
    #[error(
        "the journal has a gap at offset {offset} of {}: it goes on with seq {found} where seq {expected} is due",
        .file.display()
    )]
    Gap {
        file: PathBuf,
        offset: u64,
        expected: u64,
        found: u64,
    },
    /// An intact entry or file does not belong behind the one before it.
    #[error(
        "the journal's chain is broken at offset {offset} of {}: seq {seq} was not written after what stands before it",
        .file.display()
    )]
    WrongChain { file: PathBuf, offset: u64, seq: u64 },
    /// Written by a newer coordinator.
    #[error(
        "cannot read the journal at offset {offset} of {}: \
         it has format version {version}, which this coordinator does not know",
        .file.display()
    )]
    UnknownVersion {
        file: PathBuf,
        offset: u64,
        version: u32,
    },
    /// A segment's name and its header disagree, or the name is no seq.
    #[error("the journal segment {} does not have the name of its first seq", .file.display())]
    Misnamed { file: PathBuf },
    /// Events that were confirmed are not there.
    #[error(
        "the journal ends with seq {last}, at offset {offset} of {}, \
         but {witness} has seq {known}: the events between are lost",
        .file.display()
    )]
    EndsEarly {
        /// The last file, or the directory when there is none.
        file: PathBuf,
        offset: u64,
        last: u64,
        known: u64,
        witness: Witness,
    },
    /// The entry is intact, and yet not the one that was confirmed under its seq.
    #[error(
        "the journal has another history: the entry with seq {seq}, at offset {offset} of {}, \
         is not the one that {witness} knows",
        .file.display()
    )]
    OtherHistory {
        file: PathBuf,
        offset: u64,
        seq: u64,
        witness: Witness,
    },
}

impl OpenError {
    /// The segment that is damaged, of another history or without its predecessor; `None` for an error that is not
    /// about the journal's contents.
    pub(super) fn damaged_file(&self) -> Option<&Path> {
        match self {
            OpenError::File(_) | OpenError::UnknownVersion { .. } => None,
            OpenError::Damaged { file, .. }
            | OpenError::Gap { file, .. }
            | OpenError::WrongChain { file, .. }
            | OpenError::Misnamed { file }
            | OpenError::EndsEarly { file, .. }
            | OpenError::OtherHistory { file, .. } => Some(file),
        }
    }

    /// One sentence for a `help:` line: what the operator can do.
    pub fn help(&self) -> String {
        match self {
            OpenError::File(_) => {
                "look at the file's owner, its mode and the disk, and start again".to_owned()
            }
            OpenError::UnknownVersion { .. } => {
                "start the coordinator version that wrote this directory, or a newer one".to_owned()
            }
            OpenError::Damaged { file, .. }
            | OpenError::Gap { file, .. }
            | OpenError::WrongChain { file, .. }
            | OpenError::Misnamed { file }
            | OpenError::EndsEarly { file, .. }
            | OpenError::OtherHistory { file, .. } => keep_and_restore(file),
        }
    }
}

fn keep_and_restore(file: &Path) -> String {
    let is_segment = file.extension().is_some();
    let dir = file.parent().filter(|_| is_segment).unwrap_or(file);
    let (data_dir, dir) = (dir.parent().unwrap_or(dir).display(), dir.display());
    format!(
        "nothing was changed: keep a copy ('cp -a {dir} {dir}.kept'), then restore the data directory from a \
         backup, or let 'coordinator repair --data-dir {data_dir}' say what it would take to go on without what \
         is lost, and 'coordinator repair --accept-loss' do it"
    )
}

/// The proof that damage is not just the end of an interrupted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// An intact entry in the same file.
    Entry { offset: u64, seq: u64 },
    /// A segment that was begun after the damaged entries were confirmed.
    Segment { seq: u64 },
    /// The damage is in a file's header, which is on disk before the file has its name.
    Header,
    /// The file is shorter than it was when it got its name.
    Length { bytes: u64 },
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            After::Entry { offset, seq } => write!(f, "a later entry (seq {seq}, offset {offset}) is intact"),
            After::Segment { seq } => write!(f, "a later segment begins with seq {seq}"),
            After::Header => write!(f, "no interrupted write leaves that in a file's header"),
            After::Length { bytes } => write!(f, "it was made {bytes} bytes long"),
        }
    }
}

/// The witness that an event was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    Store,
    Snapshot,
    HighWater,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Witness::Store => "the store",
            Witness::Snapshot => "the newest snapshot",
            Witness::HighWater => "the high-water file",
        })
    }
}

/// Why a page of events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The journal begins later than asked: its beginning was trimmed.
    #[error("cannot read events from seq {from}: the oldest kept is seq {oldest}")]
    Trimmed { from: u64, oldest: u64 },
    /// Confirmed events can't be read back.
    #[error("the journal is damaged at offset {offset} of {}: {flaw}", .file.display())]
    Damaged { file: PathBuf, offset: u64, flaw: Flaw },
    /// The operating system refused an operation on a file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The flaw of a header or payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Zeros or other bytes where a header is due.
    Magic,
    HeaderChecksum,
    PayloadChecksum,
    /// The file ends in the middle.
    CutShort,
    /// Counts or lengths that contradict each other.
    Length,
    /// An intact entry with other events than the ones due here.
    Seq,
    /// An intact header of a format version that this program does not know.
    Version(u32),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Magic => write!(f, "no header begins there"),
            Flaw::HeaderChecksum => write!(f, "the header's checksum is wrong"),
            Flaw::PayloadChecksum => write!(f, "the payload's checksum is wrong"),
            Flaw::CutShort => write!(f, "the file ends in the middle"),
            Flaw::Length => write!(f, "lengths contradict each other"),
            Flaw::Seq => write!(f, "the entry holds other events than the ones due there"),
            Flaw::Version(version) => write!(f, "format version {version} is unknown"),
        }
    }
}
