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
        terminal::{hint, note, notes},
    },
};

/// What to try, with the verb of each.
const LINES: [&str; 5] = [
    "status",
    "list",
    "run -- uname -a",
    "submit -- sleep 10",
    "events -f",
];

/// Says what to try against this coordinator.
pub(super) fn tell(coordinator: &Address) {
    let typed = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let started_as = match typed.is_file() {
        true => typed,
        // The shell has found it.
        false => env::current_exe().unwrap_or(typed),
    };
    let program = as_typed(&started_as);
    notes("");
    hint("It stays up until Ctrl-C. Try in another terminal:");
    for line in LINES {
        note(format!("  {}", next::of_program(&program, coordinator, line)));
    }
    // An agent of its own is there only where all programs were built.
    let agent = started_as.with_file_name("agent");
    if agent.is_file() {
        note(format!("  {}{}", as_typed(&agent), next::flag(coordinator)));
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
    let path = program.strip_prefix(&here).unwrap_or(program);
    match path.parent() {
        // A bare name would be looked for in PATH.
        Some(parent) if parent.as_os_str().is_empty() => {
            shell_word(&Path::new(".").join(path).to_string_lossy())
        }
        _ => shell_word(&path.to_string_lossy()),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
