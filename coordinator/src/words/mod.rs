//! What people are told: events and explanations in sentences.

mod change;
pub(crate) mod event;
pub(crate) mod explanation;
mod fact;
pub(crate) mod hold;
pub(crate) mod names;
pub(crate) mod silence;
pub(crate) mod unfit;
