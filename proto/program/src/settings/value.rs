//! Values of files, checked by the flags that take them.

use std::{any::TypeId, error::Error as _, path::PathBuf};

use clap::{
    Arg, ArgAction, Command,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::file::Value;

/// Whether the flag takes no value.
pub(crate) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// A value of a file as the texts that the flag takes.
///
/// # Errors
///
/// What was expected instead.
pub(crate) fn values_of(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Truth(truth) if is_switch(arg) => Ok(vec![truth.to_string()]),
        other if is_switch(arg) => Err(format!("expected true or false, not {}", other.kind())),
        Value::List(_) if !matches!(arg.get_action(), ArgAction::Append) => {
            Err("expected one value, not a list".to_owned())
        }
        Value::List(items) if items.is_empty() => {
            Err("an empty list says nothing: leave the key out".to_owned())
        }
        Value::List(items) => items.iter().map(|item| scalar(arg, item)).collect(),
        value => scalar(arg, value).map(|value| vec![value]),
    }
}

fn scalar(arg: &Arg, value: &Value) -> Result<String, String> {
    let takes = arg.get_value_parser().type_id();
    let is_text = [TypeId::of::<String>(), TypeId::of::<PathBuf>()]
        .iter()
        .any(|text| takes == *text);
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Number(number) if !is_text => Ok(number.clone()),
        other => Err(format!("expected a string, not {}", other.kind())),
    }
}

/// Checks one value with clap, as if it were on the command line.
///
/// # Errors
///
/// Why the value cannot be used.
pub(crate) fn check(command: &Command, arg: &Arg, value: &str) -> Result<(), String> {
    let flag = format!("--{}={value}", arg.get_long().unwrap_or_default());
    let alone = command
        .clone()
        .mut_args(|arg| arg.env(Resettable::Reset))
        .subcommand_required(false)
        .arg_required_else_help(false);
    let Err(error) = alone.try_get_matches_from([command.get_name(), &flag]) else {
        return Ok(());
    };
    match error.kind() {
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            // Some parsers quote the value themselves.
            Err(if why.contains(&format!("'{value}'")) {
                why
            } else {
                format!("'{value}' cannot be used: {why}")
            })
        }
        ErrorKind::InvalidValue => Err(match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(words)) if !words.is_empty() => {
                format!("'{value}' is not one of {}", words.join(", "))
            }
            _ => format!("'{value}' cannot be used"),
        }),
        // Other errors are about flags that are missing beside this one.
        _ => Ok(()),
    }
}
