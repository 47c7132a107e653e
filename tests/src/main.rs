//! All three programs in one binary: the name it is started under says which.

mod programs;

use std::{env, ffi::OsString, process::ExitCode};

use mimalloc::MiMalloc;

/// As in the coordinator's own program, whose memory is measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    programs::named(&args).unwrap_or_else(|| {
        eprintln!("error: started under another name");
        eprintln!("help: start it under the name coordinator, agent or swarmctl");
        ExitCode::from(2)
    })
}
