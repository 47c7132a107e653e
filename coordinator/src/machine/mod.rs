//! The machine underneath: its clock, its disk, its threads, chance, and what the program takes of it.

pub(crate) mod clock;
pub(crate) mod data_dir;
pub(crate) mod disk;
pub(crate) mod random;
pub(crate) mod thread;
pub(crate) mod usage;
