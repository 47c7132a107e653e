//! The probe: another process opens and reads a store first.
//!
//! On a damaged file sled may panic, or hang for ever and keep its lock. Another process can be killed then, and the
//! store is set aside and built anew.

use std::{
    env,
    ffi::OsStr,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::ValueEnum;
use swarm_program::exit::Exit;

use crate::{
    program::failure::chain,
    store::{Layout, OpenError, Store, StoreError},
};

/// The hidden verb of the program that the other process runs.
pub(crate) const VERB: &str = "check-store";

/// The least time that a probe may take: a machine that has just started is slow.
const LEAST_PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a slow disk reads in a second.
const SLOW_BYTES_PER_SECOND: u64 = 10 * 1024 * 1024;
/// Bytes of the other process's message about the damage.
const MAX_MESSAGE_BYTES: u64 = 4 * 1024;

/// How much of a store the probe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Depth {
    /// Everything.
    #[value(name = "read-all")]
    Everything,
    /// The kinds that a start reads, and a sample of the others.
    #[value(name = "read-sample")]
    Sample,
}

impl Depth {
    /// In unit tests the other process is the tests' own program, which takes each word for a filter. No test's name
    /// has a hyphen, so it runs none.
    fn word(self) -> &'static str {
        match self {
            Depth::Everything => "read-all",
            Depth::Sample => "read-sample",
        }
    }
}

/// What the probe says of a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Everything can be read.
    Intact,
    /// Something cannot be read, or reading does not end.
    Damaged(String),
    /// Another process has the store open, so nothing is known.
    InUse(String),
    /// The disk has no space to open the store, so nothing is known.
    NoSpace(String),
}

/// Lets another process open and read the store in `dir`, and kills it when it takes too long.
///
/// # Errors
///
/// When no process can be started.
pub(crate) fn probe(dir: &Path, depth: Depth) -> io::Result<Health> {
    let args = [OsStr::new(VERB), dir.as_os_str(), OsStr::new(depth.word())];
    // The unit tests' program would run the tests whose names have one of these words, and one of them would get here
    // again, without end.
    #[cfg(test)]
    let args = [&[OsStr::new("--exact")], args.as_slice()].concat();
    probe_with(&env::current_exe()?, &args, patience(dir))
}

/// How long a slow disk needs to open and read the store in `dir`. A longer reading is taken never to end.
pub(crate) fn patience(dir: &Path) -> Duration {
    LEAST_PATIENCE + Duration::from_secs(bytes_in(dir) / SLOW_BYTES_PER_SECOND)
}

fn probe_with(program: &Path, args: &[&OsStr], patience: Duration) -> io::Result<Health> {
    let mut child = Command::new(program)
        // This program may be one of several in a binary that goes by the name.
        .arg0("coordinator")
        .args(args)
        .env_clear()
        // It ends with this process, for nobody else would end it: see `check`.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let messages = child.stderr.take();
    let (sender, ended) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        if let Some(messages) = messages {
            // A message that cannot be read is left out; the exit code counts.
            let _ = messages.take(MAX_MESSAGE_BYTES).read_to_string(&mut text);
        }
        // The receiver may be gone, when its patience has ended.
        let _ = sender.send(());
        text
    });
    if ended.recv_timeout(patience).is_err() {
        child.kill()?;
        child.wait()?;
        // The reader is not waited for: children of the process may hold the other end of the pipe.
        return Ok(Health::Damaged(format!(
            "reading it did not end within {} s",
            patience.as_secs()
        )));
    }
    // The process has closed its stderr, so it is ending.
    let status = child.wait()?;
    if status.success() {
        return Ok(Health::Intact);
    }
    let text = reader.join().unwrap_or_default();
    let why = first_line(&text).unwrap_or_else(|| format!("reading it ended with {status}"));
    if status.code() == Some(i32::from(Exit::Refused.code())) {
        return Ok(Health::InUse(why));
    }
    if status.code() == Some(i32::from(Exit::Again.code())) {
        return Ok(Health::NoSpace(why));
    }
    Ok(Health::Damaged(why))
}

fn first_line(text: &str) -> Option<String> {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned)
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|facts| facts.len())
        .sum()
}

/// Opens and reads the store in `dir`: all that the other process does.
///
/// # Errors
///
/// The exit code, and what is wrong with the store.
pub(crate) fn check(dir: &Path, layout: &'static Layout, depth: Depth) -> Result<(), (Exit, String)> {
    thread::spawn(|| {
        // Nobody writes to stdin: it is closed when the process that waits for the answer ends.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(i32::from(Exit::Disk.code()));
    });
    let store = Store::open(dir, layout).map_err(|error| match &error {
        OpenError::InUse { .. } => (Exit::Refused, chain(&error)),
        OpenError::Io { source, .. } if is_full(source.kind()) => (Exit::Again, chain(&error)),
        OpenError::Damaged { .. } | OpenError::Io { .. } => (Exit::Disk, chain(&error)),
    })?;
    let checked = match depth {
        Depth::Everything => store.check().map(drop),
        Depth::Sample => store.check_sample(),
    };
    checked.map_err(|error: StoreError| {
        let exit = if is_full(error.kind()) {
            Exit::Again
        } else {
            Exit::Disk
        };
        (exit, chain(&error))
    })
}

/// Whether the disk is full, which is no damage: sled writes when it opens its file.
fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Health {
        probe_with(
            Path::new("/bin/sh"),
            &[OsStr::new("-c"), OsStr::new(script)],
            patience,
        )
        .unwrap()
    }

    #[test]
    fn a_process_that_never_ends_is_ended_and_means_damage() {
        let Health::Damaged(why) = shell("exec sleep 600", Duration::from_millis(100)) else {
            panic!("taken for intact")
        };
        assert!(why.contains("did not end"), "{why}");
    }

    #[test]
    fn what_it_says_is_passed_on() {
        assert_eq!(shell("exit 0", LEAST_PATIENCE), Health::Intact);
        assert_eq!(
            shell("echo 'live/7 is damaged' >&2; exit 74", LEAST_PATIENCE),
            Health::Damaged("live/7 is damaged".to_owned())
        );
        assert_eq!(
            shell("echo busy >&2; exit 3", LEAST_PATIENCE),
            Health::InUse("busy".to_owned())
        );
        assert!(matches!(
            shell("kill -SEGV $$", LEAST_PATIENCE),
            Health::Damaged(_)
        ));
    }
}
