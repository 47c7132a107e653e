//! Every verb of the coordinator, and a coordinator that trims, is killed at each step of what it does to its
//! files: the next one succeeds or says what to do, and the outcome is that of an undisturbed one.

mod image;
mod scene;
mod serving;
mod steps;
mod verbs;

/// The exit code of a killed program, as a shell says it: 128 and the number of SIGKILL.
const KILLED: i32 = 137;
/// Steps of each verb, and of each part of the data, in the ordinary run; those by hand take all.
const SAMPLE: usize = 8;
/// Trials at a time.
const THREADS: usize = 4;
