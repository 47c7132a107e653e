//! The data directory that a verb works on.

use std::path::PathBuf;

use clap::Args;
use swarm_program::{exit::Exit, failure::Failure};

use crate::program::{config::data_dir, failure::chain};

/// Flags that name the data directory.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// Where the data are [default: $XDG_STATE_HOME/swarm/coordinator].
    #[arg(long, env = "SWARM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Data {
    /// The directory.
    ///
    /// # Errors
    ///
    /// When none is named and the user has no home directory.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        data_dir(self.data_dir.as_deref())
    }
}

impl From<PathBuf> for Data {
    fn from(dir: PathBuf) -> Data {
        Data { data_dir: Some(dir) }
    }
}

/// A failure of the disk in the middle of a verb.
pub(super) fn disk_failure(error: &dyn std::error::Error) -> Failure {
    let help = "make room on the disk and look at its state, then run it again";
    Failure::new(Exit::Disk, chain(error)).help(help)
}
