//! Braces that stay as they are in a line of a shell, because nothing can be put there that no shell reads as commands.

use swarm_proto::mask::INDEX_VARIABLE;

use super::shell::{Foreign, has_here_document, is_read_again, uses};

/// Why braces stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A shell with a way of its own may read the word.
    Behind(Foreign),
    /// The line uses the variable, and means its braces for another program such as find.
    BesideTheVariable,
    /// Quotes are data in a here-document.
    InHereDocument,
    /// Another shell, `eval` or the like may read a part of the line.
    ReadAgain,
    /// The shell computes there.
    InArithmetic,
    /// Single quotes keep everything.
    InSingleQuotes,
}

impl Left {
    /// Why each sign in a POSIX shell's line stays, if it does.
    pub(super) fn in_all_of(line: &str, sign: &str, variable: &str) -> Option<Left> {
        if uses(line, variable) {
            Some(Left::BesideTheVariable)
        } else if variable != INDEX_VARIABLE && is_read_again(line, sign) {
            Some(Left::ReadAgain)
        } else if has_here_document(line) {
            Some(Left::InHereDocument)
        } else {
            None
        }
    }

    /// What stays, why, and what to write instead.
    pub(crate) fn told(self, variable: &str) -> String {
        match self {
            Left::Behind(foreign) => {
                let (shell, instead) = (foreign.name(), foreign.variable(variable));
                format!(
                    "{{}} stays as it is behind the options of {shell}: write {instead} in its place in a line of \
                     {shell}; to give it to a script, write the whole command as one word in quotes, with \
                     \"${variable}\" in it"
                )
            }
            Left::BesideTheVariable => format!(
                "{{}} stays as it is in a line that has ${variable}, too: write \"${variable}\" in its place, or \
                 \\{{}} where another program such as find reads it"
            ),
            Left::InHereDocument => {
                format!("{{}} stays as it is in a line with a here-document: write ${variable} in its place")
            }
            Left::ReadAgain => format!(
                "{{}} stays as it is in a line that starts another shell, or has eval, let and the like: put what is \
                 read again into single quotes, with \"${variable}\" in it, and check that it is a number where let \
                 or declare computes with it"
            ),
            Left::InArithmetic => format!(
                "{{}} stays as it is where a shell may compute with it, as in $(( )), ${{ }} and [ ]: put \
                 \"${variable}\" into a variable first and check that it is a number"
            ),
            Left::InSingleQuotes => {
                format!("{{}} in single quotes stays as it is: write \"${variable}\" outside of them")
            }
        }
    }
}
