//! The `agent` program: one call into its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    swarm_agent::main(std::env::args_os())
}
