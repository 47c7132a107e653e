//! A program's wall clock, which can be wrong.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::disk::compile;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct WrongClock {
    library: PathBuf,
    ahead: i64,
}

impl WrongClock {
    /// Compiles it into `dir`; `None` when this machine has no compiler, which is said for whoever looks at what the
    /// tests print.
    pub(crate) fn build(dir: &Path) -> Option<WrongClock> {
        let library = compile("clock", dir)?;
        Some(WrongClock { library, ahead: 0 })
    }

    /// The same clock, ahead by so many seconds.
    pub(crate) fn ahead(&self, seconds: i64) -> WrongClock {
        WrongClock {
            ahead: seconds,
            ..self.clone()
        }
    }

    /// The variables that a program needs in its environment.
    pub(crate) fn env(&self) -> [(&'static str, OsString); 2] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("SWARM_CLOCK_AHEAD", self.ahead.to_string().into()),
        ]
    }
}
