//! How a store was left: a small file beside it, `store.seal`, tells a start whether its files are still what they
//! were.
//!
//! A clean stop writes down the closed store's contents and its files' facts. A start writes "open" in their place
//! before it opens the store. A start that finds "open" knows that the process before was killed; if the machine has
//! not been restarted since, the kernel has kept every write. In every other case the store is read through before it
//! is trusted.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};
use swarm_program::{exit::Exit, failure::Failure};
use xxhash_rust::xxh3::Xxh3Default;

use super::reading::Sled;
use crate::{
    machine::{
        data_dir,
        disk::{self, FileError},
    },
    program::failure::{chain, end},
    store::{Store, StoreError},
};

/// The first line of the file, which later layouts change.
const MAGIC: &str = "swarm store seal 1";

/// Has a random id for each start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How long a stop waits for sled to let go of its file, some time after the last handle is dropped.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

const CLOSE_RETRY: Duration = Duration::from_millis(10);

/// How a store was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// In order, with these contents, and nobody has touched its files since.
    Closed(Contents),
    /// By a process that was killed, on a machine that went on running.
    Killed,
    /// In an unknown way; the sentence says why.
    Unknown(&'static str),
}

/// The seq that a store reflects, and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) applied_seq: u64,
    digest: u64,
}

impl Store {
    /// The contents as of the last batch.
    pub(crate) fn contents(&self) -> Result<Contents, StoreError> {
        self.reading().contents()
    }
}

impl Sled {
    /// The contents as of the last batch.
    pub(crate) fn contents(&self) -> Result<Contents, StoreError> {
        Ok(Contents {
            applied_seq: self.applied_seq()?,
            digest: self.kept_digest()?.all,
        })
    }
}

/// How the store in `dir` was left.
pub(crate) fn left(dir: &Path) -> Left {
    let text = match fs::read_to_string(path(dir)) {
        Ok(text) => text,
        Err(_) => return Left::Unknown("nothing says how it was left"),
    };
    let Some(words) = unsealed(&text) else {
        return Left::Unknown("what says how it was left is damaged");
    };
    match words.as_slice() {
        ["closed", applied_seq, digest, files] => {
            let numbers = [applied_seq, digest, files].map(|number| number.parse::<u64>().ok());
            match (numbers, fingerprint(dir)) {
                ([Some(applied_seq), Some(digest), Some(files)], Ok(found)) if files == found => {
                    Left::Closed(Contents { applied_seq, digest })
                }
                _ => Left::Unknown("its files were touched since it was closed"),
            }
        }
        ["open", boot, file] => match (boot_id(), file_number(dir)) {
            (Some(now), Ok(number)) if now == *boot && number.to_string() == *file => Left::Killed,
            (Some(now), _) if now != *boot => Left::Unknown("the machine has stopped while it was open"),
            _ => Left::Unknown("its file is another one than when it was open"),
        },
        _ => Left::Unknown("damage was found in it"),
    }
}

/// Notes that the store in `dir` is open from now on; the note is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn open(dir: &Path) -> Result<(), FileError> {
    let number = file_number(dir).map_err(FileError::new("look at the store", dir))?;
    // Without a boot id the next start reads everything.
    let boot = boot_id().unwrap_or_else(|| "unknown".to_owned());
    write(dir, &format!("open {boot} {number}"))
}

/// Notes that the next start must read all of the store in `dir`; the note is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn suspect(dir: &Path) -> Result<(), FileError> {
    write(dir, "suspect")
}

/// Ends the process because of a damaged store. The journal beside it has every event that was answered.
pub(crate) fn damaged(dir: &Path, error: &str) -> ! {
    if let Err(error) = suspect(dir) {
        tracing::error!(error = chain(&error), "cannot note that the store is damaged");
    }
    let failure = Failure::new(
        Exit::Again,
        format!("the store in {} is damaged: {error}", dir.display()),
    )
    .help(help_for_damaged(dir));
    end(&failure)
}

/// The journal is beside the store, unless another directory was put in the place of theirs.
fn help_for_damaged(dir: &Path) -> String {
    match dir.parent().filter(|data| !data_dir::is_held(data)) {
        None => {
            "nothing is lost: start the coordinator again, which reads all of the store and builds it anew"
                .to_owned()
        }
        Some(data) => format!(
            "{} is not the directory that this coordinator opened: put that one back, then start the coordinator again",
            data.display()
        ),
    }
}

/// Notes the contents of the store in `dir`, once sled has closed it; false when sled has not.
///
/// # Errors
///
/// When the file system refuses. Then the next start finds the store noted as open.
pub(crate) fn close(dir: &Path, contents: Contents) -> Result<bool, FileError> {
    let failed = || FileError::new("look at the store", dir);
    let Some(_alone) = alone(dir).map_err(failed())? else {
        return Ok(false);
    };
    for entry in fs::read_dir(dir).map_err(failed())? {
        let file = File::open(entry.map_err(failed())?.path());
        file.and_then(|file| file.sync_all()).map_err(failed())?;
    }
    let files = fingerprint(dir).map_err(failed())?;
    let Contents { applied_seq, digest } = contents;
    write(dir, &format!("closed {applied_seq} {digest} {files}"))?;
    Ok(true)
}

/// sled's lock, once nobody has the store open any more.
fn alone(dir: &Path) -> io::Result<Option<Flock<File>>> {
    let mut file = File::open(dir.join("db"))?;
    let mut waited = Duration::ZERO;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) if waited >= CLOSE_PATIENCE => return Ok(None),
            Err((same, nix::errno::Errno::EWOULDBLOCK)) => {
                file = same;
                thread::sleep(CLOSE_RETRY);
                waited += CLOSE_RETRY;
            }
            Err((_, errno)) => return Err(errno.into()),
        }
    }
}

/// A hash of the names, sizes, numbers and times of the store's files. A copy has another one, and so has a changed
/// file, for the time of a file's last change cannot be set back.
fn fingerprint(dir: &Path) -> io::Result<u64> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        let times = (
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ctime(),
            facts.ctime_nsec(),
        );
        let line = format!(
            "{:?} {} {} {times:?}",
            entry.file_name(),
            facts.len(),
            facts.ino()
        );
        lines.push(line);
    }
    lines.sort();
    let mut hash = Xxh3Default::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    Ok(hash.digest())
}

fn file_number(dir: &Path) -> io::Result<u64> {
    fs::metadata(dir.join("db")).map(|facts| facts.ino())
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// The words of the line behind the magic, if the checksum is right.
fn unsealed(text: &str) -> Option<Vec<&str>> {
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let words = body.strip_prefix(MAGIC)?.strip_prefix('\n')?;
    (crc.parse() == Ok(crc32c::crc32c(body.as_bytes()))).then(|| words.split(' ').collect())
}

pub(crate) fn write(dir: &Path, words: &str) -> Result<(), FileError> {
    let body = format!("{MAGIC}\n{words}");
    let text = format!("{body}\n{}\n", crc32c::crc32c(body.as_bytes()));
    disk::write_whole(&path(dir), "write the store's seal", text.as_bytes())
}

fn path(dir: &Path) -> PathBuf {
    dir.with_extension("seal")
}
