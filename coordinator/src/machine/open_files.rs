//! How many files may be open: each connection is one, and so is a segment of the journal.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use swarm_program::{exit::Exit, failure::Failure};

use crate::program::limits::{LEAST_CONNECTIONS, MAX_CONNECTIONS, OWN_FILES};

/// Takes as many open files as the system gives; tells how many.
pub(crate) fn raise() -> u64 {
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return MAX_CONNECTIONS + OWN_FILES;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, most, most) {
        Ok(()) => most,
        Err(errno) => {
            tracing::debug!(error = %errno, "the limit on open files stays as it is");
            now
        }
    }
}

/// How many connections there may be with so many open files.
///
/// # Errors
///
/// When there would be too few to be of use.
pub(crate) fn connections(files: u64) -> Result<usize, Failure> {
    let most = MAX_CONNECTIONS.min(files.saturating_sub(OWN_FILES));
    if most < LEAST_CONNECTIONS {
        let least = LEAST_CONNECTIONS + OWN_FILES;
        let sentence = format!("{files} files may be open at the same time, at least {least} are needed");
        return Err(Failure::new(Exit::Configuration, sentence)
            .help("raise the limit: ulimit -n 4096, or LimitNOFILE= of a systemd unit"));
    }
    if most < MAX_CONNECTIONS {
        tracing::info!(
            "at most {most} connections are accepted: {files} files may be open, {OWN_FILES} of them for other things"
        );
    }
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest_and_too_few_are_refused() {
        assert_eq!(connections(1_000_000).unwrap(), 16_384);
        assert_eq!(connections(1024).unwrap(), 768);
        for few in [0, 256, 300] {
            let failure = connections(few).unwrap_err();
            assert!(failure.to_string().contains("ulimit -n"), "{failure}");
        }
    }
}
