//! A command as one line for a shell, for formats that have no list of words.

use std::rc::Rc;

use crate::{
    jobfile::{
        fields,
        tree::{Content, Node},
    },
    output::text::shell_word,
};

/// The words as a line for a shell. `sh -c LINE` is the line itself.
pub(super) fn line(argv: &[String]) -> String {
    match argv {
        [shell, flag, line] if shell == "sh" && flag == "-c" => line.clone(),
        words => words
            .iter()
            .map(|word| shell_word(word))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// The same for a `run` of a job file.
pub(super) fn line_of(run: &Rc<Node>) -> String {
    if let Content::Scalar { text, .. } = &run.content {
        return text.clone();
    }
    let words = fields::items(run).iter().map(|word| match &word.content {
        Content::Scalar { text, .. } => text.clone(),
        Content::List(_) | Content::Map(_) => String::new(),
    });
    line(&words.collect::<Vec<_>>())
}
