//! What somebody at a shell sees: submits, waits, lists, asks why, and reads what went wrong.

mod big_job;
mod control;
mod cut_output;
mod lifecycle;
mod submitting;

mod listing;
mod status;

mod answering;
mod doctor;
mod errors;
mod explaining;
mod json;
mod words;

mod bench;
mod completions;
mod exchange;

mod readme;
