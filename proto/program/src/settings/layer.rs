//! Reads all settings: files and other programs' variables count where command line and environment say nothing.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, ValueHint, value_parser};
use etcetera::BaseStrategy as _;

use super::{
    alias::Alias,
    file::{Entry, Fault, SettingsFile},
    mistyped,
    shown::{Origin, Settings},
    usage,
    value::{check, is_switch, values_of},
};
use crate::{exit::Exit, failure::Failure, words::nearest::nearest};

/// The words for a file that cannot be opened.
const UNREADABLE: &str = "cannot be read";

/// The flag that names a file.
const CONFIG: &str = "config";

/// Flags of one call: the file itself, and the fields to print, which each verb has of its own.
const NOT_SETTINGS: [&str; 2] = [CONFIG, "fields"];

/// A program that has settings.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The program's name. The user's file is `$XDG_CONFIG_HOME/swarm/NAME.toml`.
    pub name: &'static str,
}

/// The command line as it was read, with environment and files.
#[derive(Debug)]
pub struct Read {
    /// For `FromArgMatches`.
    pub matches: ArgMatches,
    /// Every setting with its value and origin.
    pub settings: Settings,
}

/// Why a command line cannot be carried out.
#[derive(Debug)]
pub enum ReadError {
    /// clap's words: wrong usage, or help that was asked for.
    Usage(clap::Error),
    /// Every fault of the files and of other programs' variables, each with its place.
    Settings(Failure),
}

impl ReadError {
    /// Writes it to the terminal and gives the exit code.
    pub fn tell(&self) -> Exit {
        match self {
            ReadError::Usage(error) => {
                // Help goes to stdout, errors go to stderr. Nothing can be done when the stream is closed.
                let _ = error.print();
                if error.use_stderr() {
                    Exit::Usage
                } else {
                    Exit::Done
                }
            }
            ReadError::Settings(failure) => failure.tell(),
        }
    }
}

/// The failure for faults of the settings.
fn failure(faults: &[String], help: String) -> Failure {
    let sentence = match faults.len() {
        1 => "cannot use the configuration".to_owned(),
        count => format!("cannot use the configuration: it has {count} faults"),
    };
    let mut failure = Failure::new(Exit::Configuration, sentence).help(help);
    failure.faults = faults.iter().map(|fault| format!("  {fault}")).collect();
    failure
}

/// The sources of settings besides the command line and the variables that clap reads.
struct Surroundings<'s> {
    user_file: Option<PathBuf>,
    variable: &'s dyn Fn(&str) -> Option<OsString>,
    /// The names of variables that may be settings.
    variables: Vec<String>,
}

/// Values of files and aliases by key, with their origins.
type Given = BTreeMap<String, (Vec<String>, Origin)>;

impl Program {
    /// Adds to the program's description the variable of every setting, and the flag that names a file.
    pub fn command(&self, command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .global(true)
            .help(format!(
                "Read settings from this file, before those in $XDG_CONFIG_HOME/swarm/{}.toml",
                self.name
            ));
        let heading = setting_args(&command)
            .find(|arg| arg.is_global_set())
            .and_then(|arg| arg.get_help_heading().map(str::to_owned));
        let config = match heading {
            Some(heading) => config.help_heading(heading),
            None => config,
        };
        command
            .mut_args(|arg| match (key(&arg), arg.get_env().is_some()) {
                (Some(key), false) => {
                    let variable = format!("SWARM_{}", key.to_ascii_uppercase());
                    arg.env(variable)
                }
                _ => arg,
            })
            .arg(config)
    }

    /// Reads the command line, the environment and the files.
    ///
    /// # Errors
    ///
    /// When help was asked for, the command line is wrong, or a file is.
    pub fn read(
        &self,
        command: Command,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Read, ReadError> {
        let surroundings = Surroundings {
            user_file: self.user_file(),
            variable: &|name| env::var_os(name),
            variables: env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .filter(|name| mistyped::is_like_a_setting(name))
                .collect(),
        };
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        self.read_in(&surroundings, command, &args)
    }

    /// The same for a program whose description is a type.
    ///
    /// # Errors
    ///
    /// As `read`.
    pub fn parse<P: CommandFactory + FromArgMatches>(
        &self,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<(P, Settings), ReadError> {
        let Read { matches, settings } = self.read(P::command(), args)?;
        let program = P::from_arg_matches(&matches)
            .map_err(|error| ReadError::Usage(error.format(&mut self.command(P::command()))))?;
        Ok((program, settings))
    }

    /// The path of the user's own file; nothing without a home directory.
    pub fn user_file(&self) -> Option<PathBuf> {
        let user = etcetera::choose_base_strategy().ok()?;
        Some(
            user.config_dir()
                .join("swarm")
                .join(format!("{}.toml", self.name)),
        )
    }

    fn read_in(
        &self,
        surroundings: &Surroundings<'_>,
        command: Command,
        args: &[OsString],
    ) -> Result<Read, ReadError> {
        let command = self.command(command);
        // Help and wrong usage come before any fault of the files.
        let first = usage::matches(command.clone(), args).map_err(ReadError::Usage)?;
        let (given, mut notes, faults) = self.given(surroundings, &command, leaf(&first));
        notes.extend(mistyped::notes(self.name, &command, &surroundings.variables));
        let is_internal = is_hidden(&command, &first);
        if !faults.is_empty() && !is_internal {
            let help = if faults.iter().all(|fault| fault.contains(UNREADABLE)) {
                "name a file that is there and may be read".to_owned()
            } else {
                format!("each key is a flag with underscores: see {} --help", self.name)
            };
            return Err(ReadError::Settings(failure(&faults, help)));
        }
        let matches = with_defaults(command.clone(), &given)
            .try_get_matches_from(args)
            .map_err(ReadError::Usage)?;
        let notes = if is_internal { Vec::new() } else { notes };
        let settings = Settings::of(setting_args(&command), &matches, &given, notes);
        Ok(Read { matches, settings })
    }

    /// The values of the files and of other programs' variables, with notes to print and with faults.
    fn given(
        &self,
        surroundings: &Surroundings<'_>,
        command: &Command,
        matches: &ArgMatches,
    ) -> (Given, Vec<String>, Vec<String>) {
        let (mut given, mut notes, mut faults) = (Given::new(), Vec::new(), Vec::new());
        if let Some(path) = &surroundings.user_file {
            match SettingsFile::read(path) {
                Ok(file) => take_file(file, command, &mut given, &mut faults),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => faults.push(unreadable(path, &error)),
            }
        }
        if let Some(path) = matches.get_one::<PathBuf>(CONFIG) {
            match SettingsFile::read(path) {
                Ok(file) => take_file(file, command, &mut given, &mut faults),
                Err(error) => faults.push(unreadable(path, &error)),
            }
        }
        for alias in Alias::of(self.name) {
            let Some(value) = (surroundings.variable)(alias.variable) else {
                continue;
            };
            let Some(arg) = setting_args(command).find(|arg| key(arg).as_deref() == Some(alias.key)) else {
                let flag = alias.key.replace('_', "-");
                notes.push(format!(
                    "{} is ignored: {} has no --{flag}",
                    alias.variable, self.name
                ));
                continue;
            };
            let variable = arg.get_env().and_then(|variable| variable.to_str());
            if variable.is_some_and(|variable| (surroundings.variable)(variable).is_some()) {
                continue;
            }
            let written = value.to_string_lossy();
            let converted = alias
                .convert(&written)
                .map_err(str::to_owned)
                .and_then(|value| check(command, arg, &value).map(|()| value));
            match converted {
                Ok(value) => {
                    notes.push(format!(
                        "{}={written} is taken for --{} {value}",
                        alias.variable,
                        arg.get_long().unwrap_or_default()
                    ));
                    let origin = Origin::Variable(alias.variable.to_owned());
                    given.insert(alias.key.to_owned(), (vec![value], origin));
                }
                Err(why) => faults.push(format!("{}={written}: {why}", alias.variable)),
            }
        }
        (given, notes, faults)
    }
}

/// The flags that are settings: those of the program itself.
fn setting_args(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| key(arg).is_some())
}

/// The key of a flag that is a setting.
pub(crate) fn key(arg: &Arg) -> Option<String> {
    let is_setting = !arg.is_hide_set()
        && matches!(
            arg.get_action(),
            ArgAction::Set | ArgAction::Append | ArgAction::SetTrue
        );
    let long = arg
        .get_long()
        .filter(|long| is_setting && !NOT_SETTINGS.contains(long))?;
    Some(long.replace('-', "_"))
}

/// The matches of the innermost verb.
pub(crate) fn leaf(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some((_, inner)) => leaf(inner),
        None => matches,
    }
}

/// Whether the verb is hidden: only programs of ours call it.
fn is_hidden(command: &Command, matches: &ArgMatches) -> bool {
    matches.subcommand().is_some_and(|(name, inner)| {
        command
            .find_subcommand(name)
            .is_some_and(|verb| verb.is_hide_set() || is_hidden(verb, inner))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let error = error.to_string();
    let why = error.split(" (os error").next().unwrap_or(&error);
    format!("{}: {UNREADABLE}: {}", path.display(), lower_first(why))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Adds the values of a file; they replace earlier ones.
fn take_file(file: SettingsFile, command: &Command, given: &mut Given, faults: &mut Vec<String>) {
    let SettingsFile {
        path,
        entries,
        faults: mut unread,
    } = file;
    let mut found = Vec::new();
    for entry in &entries {
        match take_entry(entry, command) {
            Ok((key, values)) => {
                let origin = Origin::File {
                    path: path.clone(),
                    line: entry.key_place.line,
                };
                given.insert(key, (values, origin));
            }
            // A line that cannot be read has its fault already.
            Err(fault)
                if unread
                    .iter()
                    .any(|other: &Fault| other.place.line == fault.place.line) => {}
            Err(fault) => found.push(fault),
        }
    }
    found.append(&mut unread);
    found.sort();
    faults.extend(
        found
            .iter()
            .map(|fault| format!("{}: {}", fault.place.within(&path), fault.why)),
    );
}

/// The key and values of an entry.
fn take_entry(entry: &Entry, command: &Command) -> Result<(String, Vec<String>), Fault> {
    let Some(arg) = setting_args(command).find(|arg| key(arg).as_deref() == Some(&entry.key)) else {
        let keys: Vec<String> = setting_args(command).filter_map(key).collect();
        let written = entry.key.replace('-', "_");
        let meant = match nearest(&written, keys.iter().map(String::as_str)) {
            Some(key) => format!("; did you mean '{key}'?"),
            None => String::new(),
        };
        return Err(Fault {
            place: entry.key_place,
            why: format!("unknown key '{}'{meant}", entry.key),
        });
    };
    let values = values_of(arg, &entry.value).and_then(|values| {
        if !is_switch(arg) {
            values.iter().try_for_each(|value| check(command, arg, value))?;
        }
        Ok(values)
    });
    match values {
        Ok(values) => Ok((entry.key.clone(), values)),
        Err(why) => Err(Fault {
            place: entry.place,
            why: format!("{}: {why}", entry.key),
        }),
    }
}

/// Makes each given value the default of its flag, also where a verb has the same setting as a flag of its own.
fn with_defaults(command: Command, given: &Given) -> Command {
    let by_variable: BTreeMap<OsString, &Vec<String>> = setting_args(&command)
        .filter_map(|arg| Some((arg.get_env()?.to_owned(), &given.get(&key(arg)?)?.0)))
        .collect();
    lay_below(command, &by_variable)
}

fn lay_below(command: Command, by_variable: &BTreeMap<OsString, &Vec<String>>) -> Command {
    command
        .mut_args(|arg| match arg.get_env().and_then(|name| by_variable.get(name)) {
            Some(values) => arg.default_values(*values),
            None => arg,
        })
        .mut_subcommands(|verb| lay_below(verb, by_variable))
}

#[cfg(test)]
mod tests;
