//! The machine underneath: its disk.

pub(crate) mod disk;
