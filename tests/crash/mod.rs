//! The real programs under load while everything around them fails, and a checker of what clients saw.
//!
//! `run` goes through one seed; `check` is pure; `report` is what is left of a run.

pub(crate) mod caller;
pub(crate) mod check;
pub(crate) mod fault;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod meddler;
pub(crate) mod part;
pub(crate) mod reader;
pub(crate) mod report;
pub(crate) mod rogue;
pub(crate) mod run;
pub(crate) mod submitter;
pub(crate) mod swarm;
pub(crate) mod wire;
