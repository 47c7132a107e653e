//! All faults of a command line and the environment at once: clap alone stops at the first one.

use std::ffi::OsString;

use clap::{
    ArgMatches, Command,
    builder::ValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Reads the command line and the environment.
///
/// # Errors
///
/// The message to print. It names every wrong value, up to the first unknown flag.
pub fn matches<T>(command: Command, args: impl IntoIterator<Item = T>) -> Result<ArgMatches, clap::Error>
where
    T: Into<OsString> + Clone,
{
    let mut args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let (mut faults, mut lenient, mut other) = (Vec::new(), command.clone(), None);
    loop {
        let error = match lenient.clone().try_get_matches_from(&args) {
            Ok(matches) if faults.is_empty() => return other.map_or(Ok(matches), Err),
            Ok(_) => break,
            Err(error) => error,
        };
        // Each flag is reported once: from then on it takes any text.
        if let Some(flag) = refused(&lenient, &error) {
            faults.push(sentence(&error));
            lenient = lenient.mut_arg(flag, |arg| arg.value_parser(ValueParser::os_string()));
        } else if let Some(place) = unknown(&args, &error) {
            // Whether the words behind an unknown flag belong to it is unknown, so only those before it are read.
            args.truncate(place);
            other = Some(error);
        } else if other.is_some() || !faults.is_empty() {
            // A flag may be missing only because of another fault.
            break;
        } else {
            return Err(error);
        }
    }
    match other {
        Some(error) if faults.is_empty() => Err(error),
        other => {
            faults.extend(other.as_ref().map(sentence));
            Err(together(command, &faults))
        }
    }
}

/// One message for all faults.
pub fn together(mut command: Command, faults: &[String]) -> clap::Error {
    command.error(ErrorKind::ValueValidation, faults.join("\nerror: "))
}

/// The flag whose value an error is about, unless it takes any text already.
fn refused(command: &Command, error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return None;
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let any_text = ValueParser::os_string().type_id();
    // A flag knows its shown form only after this.
    let mut command = command.clone();
    command.build();
    let flag = command.get_arguments().find(|arg| arg.to_string() == *shown)?;
    (flag.get_value_parser().type_id() != any_text).then(|| flag.get_id().to_string())
}

/// The position of the unknown flag of an error.
fn unknown(args: &[OsString], error: &clap::Error) -> Option<usize> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(shown))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let is_it = |arg: &OsString| {
        arg.to_str()
            .is_some_and(|arg| arg.split('=').next() == Some(shown))
    };
    args.iter().skip(1).position(is_it).map(|place| place + 1)
}

/// The text of an error, without the hint at --help.
fn sentence(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let told = rendered.split("\n\n").next().unwrap_or(&rendered);
    told.trim_start_matches("error: ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::{Arg, value_parser};

    use super::*;

    fn said(args: &[&str]) -> clap::Error {
        let number = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(u8));
        let command = Command::new("prog").args([number("slots"), number("most"), number("least")]);
        matches(command, ["prog"].iter().chain(args)).unwrap_err()
    }

    #[test]
    fn every_wrong_value_is_named() {
        let refused = said(&["--slots", "x", "--most=300", "--odd", "--least", "y"]);
        let text = refused.to_string();
        for (part, count) in [
            ("error: invalid value 'x' for '--slots <slots>'", 1),
            ("error: invalid value '300' for '--most <most>'", 1),
            ("error: unexpected argument '--odd' found", 1),
            ("--least", 0),
        ] {
            assert_eq!(text.matches(part).count(), count, "{part} in {text}");
        }
    }

    #[test]
    fn an_unknown_flag_is_told_before_a_missing_verb() {
        let command = Command::new("prog")
            .arg_required_else_help(true)
            .subcommand_required(true)
            .subcommand(Command::new("go"));
        let said = matches(command, ["prog", "--odd"]).unwrap_err();
        assert_eq!(said.kind(), ErrorKind::UnknownArgument);
    }

    #[test]
    fn a_single_fault_and_help_are_claps_own() {
        assert!(!said(&["--help"]).use_stderr());
        let unknown = said(&["--slot", "1"]).to_string();
        assert!(unknown.contains("--slots"), "{unknown}");
    }
}
