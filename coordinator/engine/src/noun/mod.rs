//! The nouns: records, and the values in them. Nothing here asks a state.

pub mod needs;
pub mod rules;
pub mod selector;
pub mod task;

pub mod attempt;
pub mod cut;
pub mod lease;
pub mod outcome;
pub mod tries;

pub mod cancelled;

pub mod agent;
pub mod job;
pub mod process;

pub mod hold;
pub mod queue;

pub(crate) mod owners;
pub mod presence;
pub(crate) mod slow;
pub(crate) mod unstarted;

pub mod counts;
pub mod lazy_box;
