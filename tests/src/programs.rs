//! The three programs by the name under which a binary was started.

use std::{env, ffi::OsString, path::Path, process::ExitCode};

/// Runs the program of this name; nothing when there is none.
pub(crate) fn named(args: &[OsString]) -> Option<ExitCode> {
    let name = Path::new(args.first()?).file_name()?.to_str()?;
    // Children of `swarmctl dev` go through it, as they do in its own binary: it ends them when it is gone.
    let child_of_dev = env::var_os("SWARM_DEV_CHILD").is_some();
    match name {
        "coordinator" if !child_of_dev => Some(swarm_coordinator::main(args.to_vec())),
        "agent" if !child_of_dev => Some(swarm_agent::main(args.to_vec())),
        "swarmctl" | "coordinator" | "agent" => Some(swarmctl::main(args.to_vec())),
        _ => None,
    }
}
