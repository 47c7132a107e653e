//! Stops a child of `dev` when its parent has ended, even if the parent was killed.

use std::{
    env,
    io::{self, Read as _},
    thread,
};

use nix::sys::signal::{Signal, raise};

/// The variable that marks a child of `dev`.
pub(super) const VARIABLE: &str = "SWARM_DEV_CHILD";

/// In a child of `dev`, stops this process when its standard input ends, which the parent holds open.
pub(super) fn stop_with_it() {
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
        // The program leaves in order, as after any SIGTERM.
        let _ = raise(Signal::SIGTERM);
    };
    if let Err(error) = thread::Builder::new().name("parent".to_owned()).spawn(watch) {
        eprintln!("cannot watch whether swarmctl dev still runs: {error}");
    }
}
