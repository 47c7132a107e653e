//! Panics, which are bugs of ours: the log says so, whoever reads it.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    panic::set_hook,
};

use crate::log;

/// Logs every panic from now on, in whichever thread of this program it happens.
pub fn log_panics(program: &'static str) {
    set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |place| format!(" at {place}"));
        tracing::error!("a bug of the {program}'s{place}: {}", message(panic.payload()));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            trace
                .to_string()
                .lines()
                .for_each(|line| tracing::error!("{line}"));
        }
        // The panic may end the program.
        log::flush();
    }));
}

/// What a panic says.
pub fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("it left no message")
}
