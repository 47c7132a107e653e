//! The checks that the doctors of the three programs share, and how their findings are printed.

pub mod checkup;
mod clock;
mod connection;
pub mod report;
