//! Ends a child of `dev` when `dev` is gone, however it went.

use std::{
    env,
    io::{self, Read as _},
    thread,
};

use nix::sys::signal::{Signal, raise};

/// Set for programs whose standard input is a pipe that `dev` holds open.
pub(super) const VARIABLE: &str = "SWARM_DEV_CHILD";

/// In a child of `dev`, asks this process to stop as soon as its standard input ends.
pub(super) fn hold() {
    if env::var_os(VARIABLE).is_none_or(|value| value != "1") {
        return;
    }
    let watch = || {
        let mut buffer = [0; 64];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                Ok(_) | Err(_) => {}
            }
        }
        // A signal like any other: the program leaves in its usual order.
        let _ = raise(Signal::SIGTERM);
    };
    if let Err(error) = thread::Builder::new().name("leash".to_owned()).spawn(watch) {
        eprintln!("cannot watch whether swarmctl dev still runs: {error}");
    }
}
