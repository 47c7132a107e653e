//! The jobs and tasks that this person has submitted: the last of each kind and coordinator.
//!
//! A coordinator does not know who submits, and `last` must not mean the work of somebody else when it is cancelled. A
//! coordinator goes by its history, for it has several addresses, and an address on several machines is several
//! coordinators. A file that cannot be read or written is as good as none: then nothing is known.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use etcetera::BaseStrategy as _;
use tempfile::NamedTempFile;

use super::Kind;

/// At most this many lines are kept: two for each coordinator.
const MAX_LINES: usize = 100;

/// Bytes of the file that are read: each line has a history and an id.
const MAX_BYTES: u64 = 64 * 1024;

/// One line of the file: `8f1c… job nightly`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    history: String,
    noun: String,
    id: String,
}

/// Remembers what was submitted.
pub(crate) fn remember(history: &str, kind: Kind, id: &str) {
    let line = Line {
        history: history.to_owned(),
        noun: kind.noun().to_owned(),
        id: id.to_owned(),
    };
    // The tasks are submitted; a directory that cannot be written is not worth a word.
    if let Some(path) = path() {
        let _ = write(&path, &with(read(&path), line));
    }
}

/// What was submitted last, the newest first: at most one of each kind.
pub(super) fn remembered(history: &str) -> Vec<(Kind, String)> {
    let lines = path().map(|path| read(&path)).unwrap_or_default();
    let here = lines.into_iter().rev().filter(|line| line.history == history);
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
            history: words.next()?,
            noun: words.next()?,
            id: words.next()?,
        })
    });
    lines.collect()
}

/// The lines with this one at the end, in place of an older one of its kind.
fn with(mut lines: Vec<Line>, line: Line) -> Vec<Line> {
    lines.retain(|other| (&other.history, &other.noun) != (&line.history, &line.noun));
    lines.push(line);
    lines.drain(..lines.len().saturating_sub(MAX_LINES));
    lines
}

/// Replaces the file whole, so that nobody reads half of it.
fn write(path: &PathBuf, lines: &[Line]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    for Line { history, noun, id } in lines {
        writeln!(file, "{history} {noun} {id}")?;
    }
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(history: &str, noun: &str, id: &str) -> Line {
        Line {
            history: history.to_owned(),
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
        for (history, noun, id) in [
            ("h1", "task", "t1"),
            ("h1", "job", "j1"),
            ("i1", "task", "u"),
            ("h1", "task", "t2"),
        ] {
            lines = with(lines, line(history, noun, id));
            write(&path, &lines).unwrap();
        }
        let expected = [
            line("h1", "job", "j1"),
            line("i1", "task", "u"),
            line("h1", "task", "t2"),
        ];
        assert_eq!(read(&path), expected);
        for n in 0..200 {
            lines = with(lines, line(&format!("h{n}"), "task", "t"));
        }
        assert_eq!((lines.len(), lines[0].history.as_str()), (MAX_LINES, "h100"));
        fs::write(&path, b"\xff nonsense").unwrap();
        assert_eq!(read(&path), []);
    }
}
