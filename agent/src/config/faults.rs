//! All faults of the settings at once: clap alone stops at the first.

use std::ffi::OsString;

use clap::{
    ArgMatches, Command,
    builder::ValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// What the command line and the environment say.
///
/// # Errors
///
/// What to print; every value that its flag does not take is named, up to the first flag that there is not.
pub(super) fn matches<T>(
    command: Command,
    args: impl IntoIterator<Item = T>,
) -> Result<ArgMatches, clap::Error>
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
        // A flag is asked about once: from then on it takes any text.
        if let Some(flag) = refused(&lenient, &error) {
            faults.push(sentence(&error));
            lenient = lenient.mut_arg(flag, |arg| arg.value_parser(ValueParser::os_string()));
        } else if let Some(place) = unknown(&args, &error) {
            // Whether what follows belongs to it cannot be known; what stands before it is looked at.
            args.truncate(place);
            other = Some(error);
        } else {
            return Err(error);
        }
    }
    faults.extend(other.as_ref().map(sentence));
    Err(together(command, &faults))
}

/// One message for all of them.
pub(super) fn together(mut command: Command, faults: &[String]) -> clap::Error {
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
    // Only then do flags know how they are shown.
    let mut command = command.clone();
    command.build();
    let flag = command.get_arguments().find(|arg| arg.to_string() == *shown)?;
    (flag.get_value_parser().type_id() != any_text).then(|| flag.get_id().to_string())
}

/// Where the flag is that an error does not know.
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

/// What an error says, without how to get help.
fn sentence(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let told = rendered.split("\n\n").next().unwrap_or(&rendered);
    told.trim_start_matches("error: ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn every_wrong_value_is_named() {
        let flags = [
            "--slots",
            "0",
            "--log-format",
            "xml",
            "--claim-wait",
            "5m",
            "--odd",
        ];
        let refused = Config::read(["agent"].iter().chain(&flags)).unwrap_err();
        let said = refused.to_string();
        for part in [
            "error: invalid value '0' for '--slots <auto|N>'",
            "error: invalid value 'xml' for '--log-format <FORMAT>'",
            "error: invalid value '5m' for '--claim-wait <DURATION>'",
            "error: unexpected argument '--odd' found",
        ] {
            assert_eq!(said.matches(part).count(), 1, "{part} in {said}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named_together() {
        let flags = ["--shard-id", "2", "--no-command", "--allow-command", "git"];
        let said = Config::read(["agent"].iter().chain(&flags))
            .unwrap_err()
            .to_string();
        assert!(said.starts_with("error: --shard-id is 2"), "{said}");
        assert!(
            said.contains("\nerror: --no-command and --allow-command"),
            "{said}"
        );
    }

    #[test]
    fn a_single_fault_and_help_are_claps_own() {
        let help = Config::read(["agent", "--help"]).unwrap_err();
        assert!(!help.use_stderr());
        let unknown = Config::read(["agent", "--slot", "1"]).unwrap_err().to_string();
        assert!(unknown.contains("--slots"), "{unknown}");
    }
}
