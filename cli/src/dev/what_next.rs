//! The command lines to try beside a running `dev`, as they can be typed in this directory.

use std::{
    env,
    path::{Path, PathBuf},
};

use swarm_proto::channel::Address;

use crate::{
    output::text::shell_word,
    program::{
        next,
        terminal::{hint, note},
    },
};

/// What to try, with the verb of each.
const LINES: [&str; 5] = [
    "status",
    "list",
    "run -- sh -c 'uname -a; nproc'",
    "submit -- sleep 10",
    "events -f",
];

/// Says what to try against this coordinator.
pub(super) fn tell(coordinator: &Address) {
    let exe = env::current_exe().ok();
    let program = exe.as_deref().map_or_else(|| "swarmctl".to_owned(), as_typed);
    hint("\nIt stays up until Ctrl-C. Try in another terminal:");
    for line in LINES {
        note(format!("  {}", next::of_program(&program, coordinator, line)));
    }
    // An agent of its own is there only where all programs were built.
    if let Some(agent) = exe.as_deref().and_then(sibling_agent) {
        let flag = next::flag(coordinator);
        note(format!("  {}{flag}", as_typed(&agent)));
    }
}

/// A program as a person types it here: by its name if the shell finds it so, else by its path.
fn as_typed(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    if found.is_some_and(|found| is_same(&found, program)) {
        return shell_word(&name.to_string_lossy());
    }
    let here = env::current_dir().unwrap_or_default();
    let path = match program.strip_prefix(&here) {
        // A bare name would be looked for in PATH.
        Ok(below) => Path::new(".").join(below),
        Err(_) => program.to_owned(),
    };
    shell_word(&path.to_string_lossy())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The program `agent` beside this one.
fn sibling_agent(program: &Path) -> Option<PathBuf> {
    let agent = program.with_file_name("agent");
    agent.is_file().then_some(agent)
}
