//! Variables that look like settings and are none: a slip would be ignored without a word.
//!
//! What is ours and like no setting of a program may be another program's, or a task's. So a name is told only when
//! it is close to one that this program reads.

use clap::Command;

use super::alias::Alias;
use crate::words::nearest::nearest;

/// What variables of ours begin with.
const OURS: &str = "SWARM_";

/// More letters that are wrong make it another word: nobody else's names are told from ours by their beginning.
const MOST_SLIPS: usize = 2;

/// Settings of one program that are close to one of another; a test sets all of all programs.
const ELSEWHERE: [&str; 2] = ["SWARM_STATE_DIR", "SWARM_DATA_DIR"];

/// What those of the programs that ours take the place of begin with.
const THEIRS: [&str; 2] = ["RESIDENT_", "ORCHESTRATOR_"];

/// Whether a variable is looked at here.
pub(crate) fn is_like_a_setting(variable: &str) -> bool {
    variable.starts_with(OURS) || THEIRS.iter().any(|prefix| variable.starts_with(prefix))
}

/// What to tell about those of these variables that this program does not read.
pub(crate) fn notes(program: &str, command: &Command, variables: &[String]) -> Vec<String> {
    let mut read = Vec::new();
    read_by(command, &mut read);
    let aliases: Vec<&str> = Alias::of(program).map(|alias| alias.variable).collect();
    variables
        .iter()
        .filter_map(|variable| {
            if variable.starts_with(OURS) {
                ours(variable, &read)
            } else if aliases.is_empty() || Alias::is_of_any_program(variable) {
                None
            } else {
                Some(theirs(variable, &aliases))
            }
        })
        .collect()
}

/// The variables of all flags, also those of verbs.
fn read_by(command: &Command, read: &mut Vec<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    read.extend(variables.map(str::to_owned));
    command.get_subcommands().for_each(|verb| read_by(verb, read));
}

fn ours(variable: &str, read: &[String]) -> Option<String> {
    if read.iter().any(|known| known == variable) || ELSEWHERE.contains(&variable) {
        return None;
    }
    let keys = read.iter().filter_map(|known| known.strip_prefix(OURS));
    let written = variable.strip_prefix(OURS)?;
    let meant = nearest(written, keys)?;
    if strsim::damerau_levenshtein(written, meant) > MOST_SLIPS {
        return None;
    }
    Some(format!("{variable} is ignored; did you mean {OURS}{meant}?"))
}

fn theirs(variable: &str, aliases: &[&str]) -> String {
    match nearest(variable, aliases.iter().copied()) {
        Some(meant) => format!("{variable} is ignored; did you mean {meant}?"),
        None => format!("{variable} is ignored: it means nothing here"),
    }
}
