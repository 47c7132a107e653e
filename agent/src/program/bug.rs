//! A panic is a bug of ours: it is said as such, and when it ends the program, the exit code says so, too.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
};

use crate::{EXIT_BUG, Fault};

/// From now on a panic is a line in the log, wherever it is and whatever it ends.
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

/// Runs the program's work; a panic in it becomes a fault that says whose.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Nothing of what was in use is looked at again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let sentence = format!("the agent ended because of a bug of ours: {}", message(&*payload));
        Err(Fault::new(EXIT_BUG, sentence)
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
            || -> Result<(), Fault> { panic!("seven is not 8") },
        ] {
            let fault = caught::<()>(panic).unwrap_err();
            assert_eq!(fault.exit, EXIT_BUG);
            assert_eq!(
                fault.sentence,
                "the agent ended because of a bug of ours: seven is not 8"
            );
        }
        assert!(caught(|| Ok(())).is_ok());
    }
}
