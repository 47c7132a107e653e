//! The settings of a program: from flags, environment, files and defaults, in this order.
//!
//! clap's description of a program's flags is the only one there is. Every flag
//! of the program itself is a setting: `--lease-ttl` is `SWARM_LEASE_TTL` in the
//! environment and `lease_ttl` in a file. A file's value becomes the flag's
//! default before the command line is read for good, so that a new flag is a new
//! key without a line here.

mod layer;
mod shown;

mod alias;
mod file;
mod mistyped;
mod value;

pub mod bytes;
pub mod usage;

pub use layer::{Program, Read, ReadError};
pub use shown::{Form, Origin, Setting, Settings};
