//! Panics that end the program: bugs of ours, which have an exit code of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use swarm_program::{bug::message, exit::Exit, failure::Failure};

/// Runs the program's work. A panic in it becomes a failure that calls it a bug.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // The state behind a panic is not used again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let sentence = format!("the agent ended because of a bug of ours: {}", message(&*payload));
        Err(Failure::new(Exit::Bug, sentence)
            .help("please report it with the log; unconfirmed results are kept in the state directory"))
    })
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
