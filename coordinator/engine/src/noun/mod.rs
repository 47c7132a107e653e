//! What the engine knows of: records, and the values that they are made of. Nothing here looks at a state.

pub mod needs;
pub mod selector;
pub mod task;

pub mod lease;

pub mod agent;
pub mod job;

pub mod hold;
pub mod queue;

pub mod counts;
pub mod rare;
