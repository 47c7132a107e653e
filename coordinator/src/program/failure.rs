//! Why the coordinator cannot go on: a sentence, what to type next, and an exit code.

use std::{
    fmt, io,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

/// The exit codes that the coordinator uses; the table for all programs is in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Another coordinator uses the data directory.
    Refused = 3,
    /// A bug of ours, or the machine fails in a way that nothing is known about.
    Bug = 70,
    /// The journal is damaged, or the disk fails.
    Damaged = 74,
    /// What was found is mended by the next start.
    Again = 75,
    /// The configuration cannot work here.
    Configuration = 78,
}

/// See the module.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, on what, and why.
    pub error: String,
    /// What to do next.
    pub help: String,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(exit: Exit, error: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure {
            exit,
            error: error.into(),
            help: help.into(),
        }
    }

    /// Says it: the last that the process says.
    pub fn tell(&self) {
        if is_read_by_programs() {
            let help = Some(self.help.as_str()).filter(|help| !help.is_empty());
            tracing::error!(help, "{}", self.error);
        } else {
            eprintln!("{self}");
        }
    }

    /// The exit code as the process ends with it.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

/// Whether log lines are JSON.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Log lines are JSON from now on, or text: a failure is told in the same form.
pub(crate) fn tell_as_json(is_json: bool) {
    LOG_IS_JSON.store(is_json, Ordering::Relaxed);
}

/// Whether a program reads the log line by line, and errors are among the lines.
fn is_read_by_programs() -> bool {
    LOG_IS_JSON.load(Ordering::Relaxed) && tracing::enabled!(tracing::Level::ERROR)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        if !self.help.is_empty() {
            write!(f, "\nhelp: {}", self.help)?;
        }
        Ok(())
    }
}

/// The whole chain of causes in one line, each cause once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Whether the disk itself has failed: it is not full, and there is no lack of descriptors or rights.
pub fn is_of_the_disk(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let code = cause.downcast_ref().and_then(io::Error::raw_os_error);
        code == Some(nix::errno::Errno::EIO as i32)
    })
}

/// Ends the process because a write failed: when the disk is full, in order and with its exit code, or else at
/// once. Nothing is answered either way.
pub fn end_after_write(what: &str, error: &dyn std::error::Error, kind: io::ErrorKind) -> ! {
    let error = format!("cannot write to {what}: {}", chain(error));
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let help = "nothing that was acknowledged is lost: make room on the disk, then start the coordinator again";
            let failure = Failure::new(Exit::Damaged, error, help);
            failure.tell();
            std::process::exit(failure.exit as i32)
        }
        _ => abort(&error),
    }
}

/// Ends the process at once: no destructors, no answers. For what must not be survived: a write to the
/// journal whose outcome is unknown, or a state that a panic may have left half changed.
pub fn abort(error: &str) -> ! {
    let help = "nothing that was acknowledged is lost; start the coordinator again once the cause is mended";
    Failure::new(Exit::Bug, error, help).tell();
    std::process::abort()
}
