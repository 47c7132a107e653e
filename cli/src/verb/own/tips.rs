//! The tips below a wrong command line. clap guesses by letters alone, which names verbs that end things where somebody
//! wanted to look at them.

use std::ffi::OsString;

use clap::{
    Command,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};
use swarm_program::words::nearest::nearest;

use crate::output::text::shell_word;

/// The verbs that take a command behind `--`.
const TAKES_COMMAND: [&str; 2] = ["run", "submit"];

/// Verbs that change what others may depend on. clap names one for any word that begins a little like it; here it
/// has to be a slip of the finger. `stop` ends everything at once, and is never guessed.
const CHANGING: &[&str] = &[
    "cancel", "retry", "lease", "pause", "resume", "drain", "undrain", "import", "remove",
];
const NO_GUESS: &str = "stop";

/// Words for verbs in other programs, with what to type here.
const OTHER_VERBS: &[(&str, &str)] = &[
    ("top", "status -w"),
    ("htop", "status -w"),
    ("watch", "status -w"),
    ("ps", "list"),
    ("tasks", "list"),
    ("squeue", "list"),
    ("info", "inspect ID"),
    ("describe", "inspect ID"),
    ("get", "inspect ID"),
    ("tail", "logs ID"),
    ("output", "logs ID"),
    ("add", "submit -- CMD"),
    ("enqueue", "submit -- CMD"),
    ("sbatch", "submit -- CMD"),
    ("exec", "run -- CMD"),
    ("srun", "run -- CMD"),
    ("kill", "cancel ID"),
    ("delete", "remove ID"),
    ("purge", "remove --ended-before 7d --dry-run"),
    ("prune", "remove --ended-before 7d --dry-run"),
    ("scancel", "cancel ID"),
    ("restart", "retry ID"),
    ("rerun", "retry ID"),
    ("nodes", "agent list"),
    ("workers", "agent list"),
    ("hosts", "agent list"),
    ("up", "dev"),
    ("start", "dev"),
    ("server", "dev"),
];

/// Flags of other programs, each of a verb or of any (`""`), with what to do here.
const OTHER_FLAGS: &[(&str, &str, &str)] = &[
    (
        "",
        "--cron",
        "there are no schedules: let cron run swarmctl submit, or use --not-before and --delay",
    ),
    (
        "",
        "--schedule",
        "there are no schedules: let cron run swarmctl submit, or use --not-before and --delay",
    ),
    ("logs", "-n", "the last lines: --tail N"),
    ("logs", "--lines", "the last lines: --tail N"),
    (
        "cancel",
        "--failed",
        "failed tasks have ended: swarmctl retry --failed brings them back",
    ),
    ("list", "-n", "at most so many: --limit N"),
    ("submit", "-p", "--priority, or --prompt"),
    ("submit", "--retry", "--retries N"),
    ("run", "--retry", "--retries N"),
    ("submit", "--after", "--depends-on ID"),
    ("submit", "--foreach", "--each-line FILE"),
];

/// The error with tips that help, and with the usage of its verb alone.
pub(crate) fn improved(mut error: clap::Error, command: Command, args: &[OsString]) -> clap::Error {
    let mut command = command;
    command.build();
    let (verb, words) = verb_of(&command, args);
    let tip = match error.kind() {
        ErrorKind::UnknownArgument => {
            let wrong = text_of(&error, ContextKind::InvalidArg);
            // That the flag be a value is a guess about a command that only two verbs take.
            error.remove(ContextKind::Suggested);
            flag_tip(&wrong, words.first().map_or("", String::as_str), args)
        }
        ErrorKind::InvalidSubcommand => {
            let wrong = text_of(&error, ContextKind::InvalidSubcommand);
            let other = OTHER_VERBS.iter().find(|(word, _)| *word == wrong);
            let is_bad = |guess: &String| {
                let guess = guess.as_str();
                guess == NO_GUESS || (CHANGING.contains(&guess) && nearest(&wrong, [guess]).is_none())
            };
            if other.is_some() || guesses(&error).iter().any(is_bad) {
                error.remove(ContextKind::SuggestedSubcommand);
            }
            other.map(|(_, ours)| format!("did you mean: swarmctl {ours}"))
        }
        _ => return error,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedArg);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    // clap's own usage of an error names every flag that has a value, those from the environment included.
    let usage = verb.clone().render_usage();
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    error
}

fn flag_tip(wrong: &str, verb: &str, args: &[OsString]) -> Option<String> {
    let flag = wrong.split(['=', ' ']).next().unwrap_or(wrong);
    let known = OTHER_FLAGS
        .iter()
        .find(|(of, other, _)| *other == flag && (of.is_empty() || *of == verb));
    if let Some((_, _, tip)) = known {
        return Some((*tip).to_owned());
    }
    if !TAKES_COMMAND.contains(&verb) || wrong.starts_with('-') {
        return None;
    }
    let place = args.iter().position(|arg| arg == wrong)?;
    let typed: Vec<String> = args[place..]
        .iter()
        .map(|arg| shell_word(&arg.to_string_lossy()))
        .collect();
    Some(format!(
        "the command goes after --: swarmctl {verb} -- {}",
        typed.join(" ")
    ))
}

/// The verb that the words name, and its words.
fn verb_of<'c>(command: &'c Command, args: &[OsString]) -> (&'c Command, Vec<String>) {
    let (mut verb, mut words) = (command, Vec::new());
    for word in args.iter().skip(1).map_while(|arg| arg.to_str()) {
        if word == "--" {
            break;
        }
        if let Some(found) = verb.find_subcommand(word) {
            verb = found;
            words.push(found.get_name().to_owned());
        }
    }
    (verb, words)
}

fn text_of(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    }
}

fn guesses(error: &clap::Error) -> Vec<String> {
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(guess)) => vec![guess.clone()],
        Some(ContextValue::Strings(guesses)) => guesses.clone(),
        _ => Vec::new(),
    }
}
