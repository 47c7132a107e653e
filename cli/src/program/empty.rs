//! Refuses empty words of a command line. They come from variables that are not set, and name nothing: an empty id
//! would be the beginning of every id, and an empty filter would select everything.

use std::ffi::OsStr;

use clap::{Arg, ArgMatches, Command, error::ErrorKind, parser::ValueSource};

/// Arguments that may be empty: the words of a task's own command, the words of a line that is being completed, and
/// the reason of a hold.
const MAY_BE_EMPTY: [&str; 3] = ["command", "words", "reason"];

/// Refuses an empty word among the matches of a built command, and names its argument.
///
/// # Errors
///
/// clap's, about the first one.
pub fn check(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let empty = command.get_arguments().find(|arg| is_given_empty(arg, matches));
    if let Some(arg) = empty.map(ToString::to_string) {
        let sentence = format!(
            "invalid value '' for '{arg}': it is empty, and so it names nothing; is a variable unset?"
        );
        return Err(command.error(ErrorKind::ValueValidation, sentence));
    }
    match matches.subcommand() {
        Some((name, matches)) => match command.find_subcommand_mut(name) {
            Some(verb) => check(verb, matches),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

fn is_given_empty(arg: &Arg, matches: &ArgMatches) -> bool {
    let id = arg.get_id().as_str();
    if MAY_BE_EMPTY.contains(&id) || !arg.get_action().takes_values() {
        return false;
    }
    // A verb's own matches do not know the flags of other verbs.
    let Ok(Some(mut words)) = matches.try_get_raw(id) else {
        return false;
    };
    matches.value_source(id) == Some(ValueSource::CommandLine) && words.any(is_empty)
}

fn is_empty(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| word.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, CommandFactory as _};

    use super::*;
    use crate::args::Program;

    /// A command line that gives this argument of a verb an empty value, and every required one something.
    fn line(path: &[String], verb: &Command, empty: &Arg) -> Vec<String> {
        let mut line = vec!["swarmctl".to_owned()];
        line.extend_from_slice(path);
        if let Some(long) = empty.get_long() {
            line.push(format!("--{long}="));
        }
        for arg in verb.get_positionals() {
            if arg.get_id() == empty.get_id() {
                line.push(String::new());
            } else if arg.is_last_set() {
                line.extend(["--", "x"].map(str::to_owned));
            } else if arg.is_required_set() {
                line.push("x".to_owned());
            }
        }
        line
    }

    fn read(line: &[String]) -> Result<(), clap::Error> {
        let mut command = Program::command();
        command.build();
        let matches = command.clone().try_get_matches_from(line)?;
        check(&mut command, &matches)
    }

    fn try_verbs(command: &Command, path: &[String], (tried, others): &mut (usize, Vec<String>)) {
        // The program's own flags are those of each verb, too.
        for arg in command.get_arguments().filter(|_| !path.is_empty()) {
            let takes_text = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
            if !takes_text || MAY_BE_EMPTY.contains(&arg.get_id().as_str()) {
                continue;
            }
            let line = line(path, command, arg);
            let told = read(&line).unwrap_err().to_string();
            match told.contains("invalid value ''") || told.contains("a value is required for") {
                true => *tried += 1,
                // It goes only with certain other flags.
                false => others.push(line.join(" ")),
            }
        }
        for verb in command.get_subcommands() {
            let path = [path, &[verb.get_name().to_owned()]].concat();
            let mut below = (0, Vec::new());
            try_verbs(verb, &path, &mut below);
            *tried += below.0;
            others.extend(below.1);
        }
    }

    #[test]
    fn no_argument_of_any_verb_may_be_empty() {
        let mut command = Program::command();
        command.build();
        let mut found = (0, Vec::new());
        try_verbs(&command, &[], &mut found);
        let (tried, others) = found;
        assert!(
            tried > 150 && others.len() < 15,
            "{tried} refused, not tried: {others:#?}"
        );
    }

    #[test]
    fn a_command_may_have_empty_words() {
        let line = ["swarmctl", "run", "--", "printf", "%s", ""];
        assert!(read(&line.map(str::to_owned)).is_ok());
    }
}
