//! The machine underneath: its clock, disk, memory, open files, pace, threads and randomness, and how much of it the
//! program takes.

pub(crate) mod clock;
pub(crate) mod data_dir;
pub(crate) mod disk;
pub(crate) mod marker;
pub(crate) mod memory;
pub(crate) mod open_files;
pub(crate) mod pace;
pub(crate) mod random;
pub(crate) mod thread;
pub(crate) mod usage;
