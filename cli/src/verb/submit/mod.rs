//! The verbs that submit work: flags and files become a request, and its answer is told.

pub mod run;
#[expect(
    clippy::module_inception,
    reason = "the folder has the name of its first verb"
)]
pub mod submit;

pub(crate) mod answer;
mod check;
mod depended_job;
mod doubts;
pub(crate) mod dry_run;
pub(crate) mod needs;
pub(crate) mod series;
pub(crate) mod source;
pub(crate) mod spec;
mod stdin;
pub(crate) mod unmatched;
