//! Panics, which are bugs of ours. The log says so, and so does the exit code when a panic ends the program.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
};

use swarm_program::{exit::Exit, failure::Failure};

/// Logs every panic from now on, in whichever thread it happens.
pub(crate) fn log_panics() {
    set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |place| format!(" at {place}"));
        tracing::error!("a bug of the agent's{place}: {}", message(panic.payload()));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
    }));
}

/// Runs the program's work. A panic in it becomes a failure that calls it a bug.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // The state behind a panic is not used again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let sentence = format!("the agent ended because of a bug of ours: {}", message(&*payload));
        Err(Failure::new(Exit::Bug, sentence)
            .help("please report it with the log; unconfirmed results are kept in the state directory"))
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("it left no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_the_program_with_a_sentence_and_a_code_of_its_own() {
        for panic in [
            || panic!("seven is not {}", 8),
            || -> Result<(), Failure> { panic!("seven is not 8") },
        ] {
            let failure = caught::<()>(panic).unwrap_err();
            assert_eq!(failure.exit, Exit::Bug);
            assert_eq!(
                failure.sentence,
                "the agent ended because of a bug of ours: seven is not 8"
            );
        }
        assert!(caught(|| Ok(())).is_ok());
    }
}
