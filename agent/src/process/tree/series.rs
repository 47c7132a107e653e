//! Series: the first characters of all marks of one agent's process, and the file that keeps them.
//!
//! ```text
//! STATE/marks/SERIES   16 characters for a name; says in which state directory it was made
//! ```
//!
//! The file is made before the first command is started. So the agent's next process knows which marks to look for,
//! however this one died. The file is not synced: a power cut ends the marked processes, too.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    mark::Mark,
    sweep::{Swept, sweep},
};
use crate::{
    disk::{
        state_directory::{self, LOCK},
        write::make_private,
    },
    program::random,
};

/// 80 random bits: no process of another agent ever carries such a mark.
const SERIES_CHARACTERS: usize = 16;
const DIRECTORY: &str = "marks";

/// The marks of one agent's process.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    file: PathBuf,
    name: String,
}

impl Series {
    /// A new series for this process.
    pub(crate) fn begin(state: &Path) -> Series {
        let name = random::base32(SERIES_CHARACTERS);
        let file = state.join(DIRECTORY).join(&name);
        Series { file, name }
    }

    /// Writes the file. Without it the agent's next process cannot find what this one leaves.
    pub(crate) fn note(&self) -> io::Result<()> {
        if let Some(directory) = self.file.parent() {
            make_private(directory)?;
        }
        fs::write(&self.file, self.place()?)
    }

    /// The series of a file.
    pub(crate) fn at(file: &Path) -> Option<Series> {
        let name = file.file_name()?.to_str()?;
        // A shorter name would match the processes of other agents.
        let whole = name.len() == SERIES_CHARACTERS && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        whole.then(|| Series {
            file: file.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The series of earlier processes of this agent that were not swept.
    pub(crate) fn left(state: &Path) -> io::Result<Vec<Series>> {
        let entries = match fs::read_dir(state.join(DIRECTORY)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut left = Vec::new();
        for entry in entries {
            left.extend(Series::at(&entry?.path()));
        }
        Ok(left)
    }

    /// The file of the series.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// A mark for one more attempt.
    pub(crate) fn mark(&self) -> Mark {
        Mark::new(&self.name)
    }

    /// Whether the series was made in another state directory, of which this one is a copy. The agent there may run,
    /// also where the system shows no process of it.
    pub(crate) fn is_copied(&self) -> bool {
        let noted = fs::read_to_string(&self.file).unwrap_or_default();
        // A file that was cut short says nothing.
        !noted.is_empty() && self.place().is_ok_and(|here| here != noted)
    }

    /// The state directory, by its lock file: a copy has another one.
    fn place(&self) -> io::Result<String> {
        let state = self.file.parent().and_then(Path::parent);
        let lock = fs::metadata(state.unwrap_or(Path::new("")).join(LOCK))?;
        Ok(state_directory::number_of(&lock))
    }

    /// Kills every process with a mark of this series, and removes the file when none is left. Blocks meanwhile.
    pub(crate) fn end(&self) -> Swept {
        let swept = sweep(&self.name);
        if swept.is_gone {
            self.forget();
        }
        swept
    }

    /// Removes the file.
    pub(crate) fn forget(&self) {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "cannot remove {}", self.file.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(LOCK), "").unwrap();
        state
    }

    #[test]
    fn a_series_is_left_until_it_is_forgotten() {
        let state = state();
        assert!(Series::left(state.path()).unwrap().is_empty());
        let series = Series::begin(state.path());
        series.note().unwrap();
        let left = Series::left(state.path()).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].name, series.name);
        series.forget();
        series.forget();
        assert!(Series::left(state.path()).unwrap().is_empty());
    }

    #[test]
    fn a_series_is_known_in_a_copy_of_its_state_directory_and_at_home_also_after_a_move() {
        let (state, copy) = (state(), state());
        let series = Series::begin(state.path());
        series.note().unwrap();
        fs::create_dir(copy.path().join(DIRECTORY)).unwrap();
        fs::copy(series.file(), copy.path().join(DIRECTORY).join(&series.name)).unwrap();
        assert!(Series::left(copy.path()).unwrap()[0].is_copied());
        let moved = state.path().with_extension("moved");
        fs::rename(state.path(), &moved).unwrap();
        assert!(!Series::left(&moved).unwrap()[0].is_copied());
        fs::rename(&moved, state.path()).unwrap();
        fs::write(series.file(), "").unwrap();
        assert!(!series.is_copied(), "a file that was cut short");
    }

    #[test]
    fn what_is_no_series_is_never_looked_for() {
        for name in ["marks/abc", "marks/abcdefghijklmno.", "marks/", "/"] {
            assert!(
                Series::at(Path::new(name)).is_none(),
                "{name} was taken for a series"
            );
        }
        assert!(Series::at(Path::new("marks/abcdefghijklmnop")).is_some());
    }

    #[test]
    fn marks_of_one_series_begin_alike_and_differ() {
        let series = Series::begin(Path::new("state"));
        let (one, other) = (series.mark(), series.mark());
        assert_eq!(one.as_str().len(), 26);
        assert!(one.as_str().starts_with(&series.name) && other.as_str().starts_with(&series.name));
        assert_ne!(one.as_str(), other.as_str());
    }
}
