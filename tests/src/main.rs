//! All three programs in one binary: the name it is started under says which.

use std::{env, ffi::OsString, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    let name = args
        .first()
        .and_then(|path| Path::new(path).file_name())
        .unwrap_or_default()
        .to_owned();
    // Children of `swarmctl dev` go through it, as they do in its own binary: it ends them when it is gone.
    let child_of_dev = env::var_os("SWARM_DEV_CHILD").is_some();
    match name.to_str() {
        Some("coordinator") if !child_of_dev => swarm_coordinator::main(args),
        Some("agent") if !child_of_dev => swarm_agent::main(args),
        Some("swarmctl" | "coordinator" | "agent") => swarmctl::main(args),
        _ => {
            eprintln!("error: started as '{}'", name.to_string_lossy());
            eprintln!("help: start it under the name coordinator, agent or swarmctl");
            ExitCode::from(2)
        }
    }
}
