//! The `coordinator` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    swarm_coordinator::main(std::env::args_os())
}
