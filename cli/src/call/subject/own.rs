//! The jobs and tasks that this person has submitted from this machine: the last of each kind and coordinator.
//!
//! A coordinator does not know who submits, and `last` must not mean the work of somebody else when it is cancelled. A
//! file that cannot be read or written is as good as none: then nothing is known.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use etcetera::BaseStrategy as _;
use swarm_proto::channel::Address;
use tempfile::NamedTempFile;

use super::Kind;

/// At most this many lines are kept: two for each coordinator.
const MAX_LINES: usize = 100;

/// Bytes of the file that are read: each line has an address and an id.
const MAX_BYTES: u64 = 64 * 1024;

/// One line of the file: `127.0.0.1:50051 job nightly`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    address: String,
    noun: String,
    id: String,
}

/// Remembers what was submitted.
pub(crate) fn remember(address: &Address, kind: Kind, id: &str) {
    let line = Line {
        address: address.to_string(),
        noun: kind.noun().to_owned(),
        id: id.to_owned(),
    };
    // The tasks are submitted; a directory that cannot be written is not worth a word.
    if let Some(path) = path() {
        let _ = write(&path, &with(read(&path), line));
    }
}

/// What was submitted last, the newest first: at most one of each kind.
pub(super) fn remembered(address: &Address) -> Vec<(Kind, String)> {
    let address = address.to_string();
    let lines = path().map(|path| read(&path)).unwrap_or_default();
    let here = lines.into_iter().rev().filter(|line| line.address == address);
    here.filter_map(|line| {
        let kinds = [Kind::Task, Kind::Job];
        let kind = kinds.into_iter().find(|kind| kind.noun() == line.noun)?;
        Some((kind, line.id))
    })
    .collect()
}

fn path() -> Option<PathBuf> {
    let user = etcetera::choose_base_strategy().ok()?;
    let state = user.state_dir().unwrap_or_else(|| user.data_dir());
    Some(state.join("swarm").join("swarmctl").join("submitted"))
}

fn read(path: &PathBuf) -> Vec<Line> {
    use io::Read as _;
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        Some(Line {
            address: words.next()?,
            noun: words.next()?,
            id: words.next()?,
        })
    });
    lines.collect()
}

/// The lines with this one at the end, in place of an older one of its kind.
fn with(mut lines: Vec<Line>, line: Line) -> Vec<Line> {
    lines.retain(|other| (&other.address, &other.noun) != (&line.address, &line.noun));
    lines.push(line);
    lines.drain(..lines.len().saturating_sub(MAX_LINES));
    lines
}

/// Replaces the file whole, so that nobody reads half of it.
fn write(path: &PathBuf, lines: &[Line]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    for Line { address, noun, id } in lines {
        writeln!(file, "{address} {noun} {id}")?;
    }
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, noun: &str, id: &str) -> Line {
        Line {
            address: address.to_owned(),
            noun: noun.to_owned(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn the_last_of_each_kind_and_coordinator_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/submitted");
        assert_eq!(read(&path), []);
        let mut lines = Vec::new();
        for (address, noun, id) in [
            ("h:1", "task", "t1"),
            ("h:1", "job", "j1"),
            ("i:1", "task", "u"),
            ("h:1", "task", "t2"),
        ] {
            lines = with(lines, line(address, noun, id));
            write(&path, &lines).unwrap();
        }
        let expected = [
            line("h:1", "job", "j1"),
            line("i:1", "task", "u"),
            line("h:1", "task", "t2"),
        ];
        assert_eq!(read(&path), expected);
        for n in 0..200 {
            lines = with(lines, line(&format!("h:{n}"), "task", "t"));
        }
        assert_eq!((lines.len(), lines[0].address.as_str()), (MAX_LINES, "h:100"));
        fs::write(&path, b"\xff nonsense").unwrap();
        assert_eq!(read(&path), []);
    }
}
