//! The program `swarmctl`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    swarmctl::main(std::env::args_os())
}
