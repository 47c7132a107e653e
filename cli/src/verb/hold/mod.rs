//! The verbs that place and lift holds on everything, a queue, or an agent, and that give an agent up.

pub mod pause;
pub mod resume;

pub mod agent;
pub mod queue;

pub mod drain;
pub mod stop;
pub mod undrain;

mod flags;
mod forget;
mod known_queue;
