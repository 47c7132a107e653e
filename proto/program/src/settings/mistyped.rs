//! Variables with a slip in their name: without a note, they would be ignored in silence.
//!
//! A variable that begins like ours may belong to another program or a task. So a note is made only for a name that is
//! close to a variable of this program.

use clap::Command;

use super::alias::Alias;
use crate::words::nearest::nearest;

/// The beginning of our own variables.
const OURS: &str = "SWARM_";

/// The most wrong letters of a slip; a name with more of them is another word.
const MOST_SLIPS: usize = 2;

/// Settings that are close to a setting of another program: one environment may have the settings of all programs.
const ELSEWHERE: [&str; 2] = ["SWARM_STATE_DIR", "SWARM_DATA_DIR"];

/// The beginnings of variables of the programs that ours replace.
const THEIRS: [&str; 2] = ["RESIDENT_", "ORCHESTRATOR_"];

/// Whether a variable begins like a setting.
pub(crate) fn is_like_a_setting(variable: &str) -> bool {
    variable.starts_with(OURS) || THEIRS.iter().any(|prefix| variable.starts_with(prefix))
}

/// A note for each of these variables that is probably mistyped.
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
