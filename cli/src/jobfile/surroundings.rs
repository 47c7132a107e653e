//! What a job file refers to besides its own text: the time, and files of lines.

use std::path::Path;

use super::series::{self, Item};

/// Reads the lines of a file that a job file names.
pub type Lines<'a> = &'a dyn Fn(&str) -> Result<Vec<Item>, String>;

/// See the module.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Times that count from the submit are counted from it.
    pub now: jiff::Timestamp,
    /// How the files of `each_line` are read.
    pub lines: Lines<'a>,
}

impl Surroundings<'_> {
    /// The time alone: files of lines are refused.
    pub fn alone(now: jiff::Timestamp) -> Surroundings<'static> {
        Surroundings {
            now,
            lines: &|file| {
                Err(format!(
                    "the lines of {file} are read by `swarmctl submit -f` only"
                ))
            },
        }
    }
}

/// The lines of a file, whose path begins at the directory of the job file.
pub(crate) fn lines_beside(job_file: &Path, file: &str) -> Result<Vec<Item>, String> {
    if file == "-" {
        return Err("standard input has no lines for a job file: name a file".to_owned());
    }
    let directory = job_file.parent().unwrap_or(Path::new(""));
    series::lines_of(&directory.join(file), false)
}
