//! Why a program ends without having done its work: a sentence, what to type next, an exit code.

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{exit::Exit, log, words::clean::clean_line};

/// See the module.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, on what, and why: lower case, no full stop.
    pub sentence: String,
    /// One line for each of several faults.
    pub faults: Vec<String>,
    /// What to type or do next, one line each.
    pub help: Vec<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Failure {
        Failure {
            exit,
            sentence: sentence.into(),
            faults: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a line of help; an empty one is left out.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Failure {
        let line = line.into();
        if !line.is_empty() {
            self.help.push(line);
        }
        self
    }

    /// Writes the failure to standard error and gives the exit code. A JSON log gets it as its last line, people get
    /// it as text. A closed or stuck standard error changes nothing.
    pub fn tell(&self) -> Exit {
        if is_read_by_programs() {
            let help = (!self.help.is_empty()).then(|| self.help.join("\n"));
            tracing::error!(help, "{}", self.lines().join("\n"));
        } else {
            log::say(&self.to_string());
        }
        self.exit
    }

    /// The sentence and the faults, a line for each. Words from outside may stand in them.
    fn lines(&self) -> Vec<String> {
        let lines = std::iter::once(&self.sentence).chain(&self.faults);
        lines.map(|line| clean_line(line)).collect()
    }
}

/// The whole failure as people are told it: `error:`, the faults, then `help:`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.lines().join("\n"))?;
        let mut help = self.help.iter().map(|line| clean_line(line));
        help.try_for_each(|line| write!(f, "\nhelp: {line}"))
    }
}

impl Error for Failure {}

/// A failure without an exit code of its own.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        error
            .downcast()
            .unwrap_or_else(|error| Failure::new(Exit::Failed, format!("{error:#}")))
    }
}

/// Whether log lines are JSON.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Sets whether log lines are JSON; failures are written in the same form.
pub(crate) fn tell_as_json(is_json: bool) {
    LOG_IS_JSON.store(is_json, Ordering::Relaxed);
}

/// Whether a program reads the log line by line, errors included.
fn is_read_by_programs() -> bool {
    LOG_IS_JSON.load(Ordering::Relaxed) && tracing::enabled!(tracing::Level::ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_the_sentence_the_faults_and_what_to_do() {
        let mut failure = Failure::new(Exit::Usage, "cannot use it: it has 2 faults")
            .help("")
            .help("mend it");
        failure.faults = vec!["  one".to_owned(), "  another".to_owned()];
        assert_eq!(
            failure.to_string(),
            "error: cannot use it: it has 2 faults\n  one\n  another\nhelp: mend it"
        );
        let outer = anyhow::Error::from(failure);
        assert_eq!(Failure::from(outer).exit, Exit::Usage);
        assert_eq!(Failure::from(anyhow::anyhow!("no")).to_string(), "error: no");
    }
}
