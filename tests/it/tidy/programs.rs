//! The command lines of the three programs, and of all their verbs.

use clap::Command;

/// The three programs.
pub(super) fn programs() -> [Command; 3] {
    [
        swarm_coordinator::command_line(),
        swarm_agent::command_line(),
        swarmctl::command_line(),
    ]
}

/// A program with all verbs below it, each by all of its words, in the order of the help.
pub(super) fn verbs(program: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    add(program, program.get_name().to_owned(), &mut found);
    found
}

fn add<'program>(verb: &'program Command, name: String, found: &mut Vec<(String, &'program Command)>) {
    found.push((name.clone(), verb));
    for below in verb.get_subcommands() {
        add(below, format!("{name} {}", below.get_name()), found);
    }
}
