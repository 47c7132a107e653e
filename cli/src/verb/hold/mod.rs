//! The verbs that hold work back: of everything, of a queue, or of an agent.

pub mod pause;
pub mod resume;

pub mod agent;
pub mod queue;

pub mod drain;
pub mod stop;
pub mod undrain;

mod flags;
