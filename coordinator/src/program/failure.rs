//! How the coordinator ends when it cannot go on, and the causes of an error in words.

use std::io;

use swarm_program::{exit::Exit, failure::Failure, log};

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

/// Whether the disk itself fails, rather than is full, or lacks descriptors or rights.
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
            end(&Failure::new(Exit::Disk, error).help(help))
        }
        _ => abort(&error),
    }
}

/// Ends the process with a failure.
pub fn end(failure: &Failure) -> ! {
    let exit = failure.tell();
    log::flush();
    std::process::exit(exit.code().into())
}

/// Ends the process at once: no destructors, no answers. For what must not be survived: a write to the
/// journal whose outcome is unknown, or a state that a panic may have left half changed.
pub fn abort(error: &str) -> ! {
    let help = "nothing that was acknowledged is lost; start the coordinator again once the cause is mended";
    Failure::new(Exit::Bug, error).help(help).tell();
    log::flush();
    std::process::abort()
}
