//! The help texts of the three programs: what they and their verbs are for, each flag, and what stands behind.

use std::collections::BTreeSet;

use clap::{Arg, Command, builder::StyledStr};

use super::document::Document;
use crate::tidy::programs::{programs, verbs};

/// All of them, a text that several verbs have once.
pub(super) fn of_all_programs() -> Document {
    let mut texts = Vec::new();
    for program in &programs() {
        for (_, verb) in verbs(program).iter().filter(|(_, verb)| !verb.is_hide_set()) {
            texts_of(verb, &mut texts);
        }
    }
    let mut document = Document::default();
    let mut known = BTreeSet::new();
    for text in texts {
        for prose in prose(&text) {
            if known.insert(prose.clone()) {
                document.add_help(&prose);
            }
        }
    }
    document
}

fn texts_of(verb: &Command, texts: &mut Vec<String>) {
    let mut add = |text: Option<&StyledStr>| texts.extend(text.map(ToString::to_string));
    add(verb.get_long_about().or(verb.get_about()));
    for argument in verb.get_arguments().filter(|argument| !argument.is_hide_set()) {
        add(argument.get_long_help().or(argument.get_help()));
        for value in values(argument) {
            add(value.get_help());
        }
    }
    add(verb.get_before_long_help().or(verb.get_before_help()));
    add(verb.get_after_long_help().or(verb.get_after_help()));
}

fn values(argument: &Arg) -> Vec<clap::builder::PossibleValue> {
    if argument.is_hide_possible_values_set() {
        return Vec::new();
    }
    argument.get_possible_values()
}

/// The paragraphs of a text. Indented lines are examples and tables, of which other rules know.
fn prose(text: &str) -> Vec<String> {
    let is_aside = |line: &&str| line.starts_with("  ") || line.ends_with(':') && line.len() < 20;
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let lines: Vec<&str> = paragraph.lines().filter(|line| !is_aside(line)).collect();
        lines.join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect()
}
