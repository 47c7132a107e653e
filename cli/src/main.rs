//! The program `swarmctl`; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Most of what a request costs beside the disk is short-lived memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    swarmctl::main(std::env::args_os())
}
