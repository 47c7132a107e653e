//! The shells in a command, and what they read: whatever stands in a shell's line is read as commands.

use std::path::Path;

/// Shells whose lines quote as POSIX says.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "dash", "hush", "ksh", "lksh", "mksh", "oksh", "osh", "pdksh", "posh", "rbash",
    "zsh",
];

/// Shells with a quoting or with options of their own.
const FOREIGN: &[&str] = &[
    "fish", "csh", "tcsh", "elvish", "nu", "pwsh", "xonsh", "yash", "ysh",
];

/// Long options of shells whose argument is a word of its own.
const LONG_WITH_WORD: &[&str] = &["--rcfile", "--init-file", "--emulate"];

/// Programs that make a shell read a text once more, or compute with it.
const READ_AGAIN: &[&str] = &["eval", "trap", "let", "declare", "typeset", "source"];

/// Variables that name a shell.
const NAMES_A_SHELL: &[&str] = &["SHELL", "BASH"];

/// Programs that take a word for the name of a variable, whose subscript a shell computes.
const TAKES_NAMES: &[&str] = &[
    "read",
    "unset",
    "local",
    "mapfile",
    "readarray",
    "getopts",
    "compgen",
];

/// Programs that do so with this option.
const TAKES_NAMES_BY_OPTION: &[&str] = &["[", "[[", "test", "printf"];
const NAME_OPTION: &str = "-v";

/// What ends a command within a line, also where it stands within `$( )` and the like.
const BETWEEN_COMMANDS: &[char] = &['(', ')', ';', '&', '|', '`', '<', '>', '\n'];

/// What may stand around a word of a line without being a part of it.
const AROUND_WORDS: &[char] = &['"', '\'', '$', '{', '}'];

/// A word that a shell of a command reads, as far as the command tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShellLine {
    /// The position of the word.
    pub(crate) at: usize,
    /// Whether another program of the command starts the shell, and may keep variables from it, as `sudo` does.
    pub(crate) is_wrapped: bool,
    /// The shell, when it reads the word in a way of its own, if at all.
    pub(crate) foreign: Option<Foreign>,
}

/// A shell whose words nothing can be put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign(&'static str);

impl Foreign {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// A variable as a line of this shell has it.
    pub(crate) fn variable(self, name: &str) -> String {
        match self.0 {
            "pwsh" => format!("$env:{name}"),
            "nu" => format!("$env.{name}"),
            "elvish" => format!("$E:{name}"),
            "xonsh" => format!("${name}"),
            _ => format!("\"${name}\""),
        }
    }
}

/// What a shell reads of the words behind it, by its options.
enum Reads {
    /// A script, whose arguments they are.
    Script,
    /// None of them: it reads its input.
    Input,
    /// A line, at this position.
    Line(usize),
    /// Any of them, in a way of its own.
    Anything(Foreign),
}

/// What shells read, in the order of the words: `sh -c LINE`, also behind `env`, `timeout 5` and the like.
pub(crate) fn shell_lines(words: &[impl AsRef<str>]) -> Vec<ShellLine> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let is_wrapped = at > 0;
        match read_by(word.as_ref(), words, at + 1) {
            None | Some(Reads::Script | Reads::Input) => {}
            Some(Reads::Line(line)) => {
                lines.push(ShellLine {
                    at: line,
                    is_wrapped,
                    foreign: None,
                });
                at = line;
            }
            Some(Reads::Anything(foreign)) => {
                lines.extend((at + 1..words.len()).map(|at| ShellLine {
                    at,
                    is_wrapped,
                    foreign: Some(foreign),
                }));
                return lines;
            }
        }
        at += 1;
    }
    lines
}

/// The shell of these that a word names, also with a path before it and a version behind it: `/bin/bash-5.2`, `ksh93`.
fn named(word: &str, shells: &[&'static str]) -> Option<&'static str> {
    let program = Path::new(word).file_name()?.to_str()?;
    let program = program.strip_suffix("-static").unwrap_or(program);
    let program = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    shells.iter().copied().find(|shell| *shell == program)
}

/// What a program that may be a shell reads of the words from `first` on; `None` when it is no shell.
fn read_by(program: &str, words: &[impl AsRef<str>], first: usize) -> Option<Reads> {
    if let Some(shell) = named(program, FOREIGN) {
        return Some(match words.get(first) {
            None => Reads::Input,
            Some(option) if option.as_ref().starts_with('-') => Reads::Anything(Foreign(shell)),
            Some(_) => Reads::Script,
        });
    }
    Some(behind_options(named(program, SHELLS)?, words, first))
}

fn behind_options(shell: &'static str, words: &[impl AsRef<str>], first: usize) -> Reads {
    let (mut at, mut takes_a_line, mut takes_input) = (first, false, false);
    while let Some(word) = words.get(at).map(AsRef::as_ref) {
        at += 1;
        if word == "--" || word == "-" {
            break;
        }
        if word.starts_with("--") {
            at += usize::from(LONG_WITH_WORD.contains(&word));
            continue;
        }
        let Some(flags) = word.strip_prefix(['-', '+']).filter(|flags| !flags.is_empty()) else {
            at -= 1;
            break;
        };
        // Shells disagree on where the name of such an option is: in the rest of this word, or in the next one.
        if flags.trim_end_matches(['o', 'O']).contains(['o', 'O']) {
            return Reads::Anything(Foreign(shell));
        }
        takes_a_line |= word.starts_with('-') && flags.contains('c');
        takes_input |= word.starts_with('-') && flags.contains('s');
        // Each `o` sets an option whose name is the next word.
        at += flags.matches(['o', 'O']).count();
    }
    match (takes_a_line, at < words.len()) {
        (true, true) => Reads::Line(at),
        (false, true) if !takes_input && !is_stream(words[at].as_ref()) => Reads::Script,
        _ => Reads::Input,
    }
}

/// Whether a script is what another program writes, or the input.
fn is_stream(script: &str) -> bool {
    script.starts_with("/dev/") || script.starts_with("/proc/")
}

/// Whether a line uses a variable.
pub(super) fn uses(line: &str, variable: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices('$').any(|(at, _)| {
        let rest = &line[at + 1..];
        let name = rest.strip_prefix('{').unwrap_or(rest).strip_prefix(variable);
        name.is_some_and(|behind| !behind.starts_with(is_name))
    })
}

/// Whether a line has a here-document, in which quotes are data.
pub(super) fn has_here_document(line: &str) -> bool {
    line.replace("<<<", "").contains("<<")
}

/// Whether a part of a line may be read as commands once more: by another shell, by `eval` and the like; or whether
/// the value in place of the sign may be computed, as the name of a variable. A shell that runs a script with arguments
/// reads none of it.
pub(super) fn is_read_again(line: &str, sign: &str) -> bool {
    // Whoever quotes or escapes the name of a program still means the program.
    let line = line.replace('\\', "");
    line.split(BETWEEN_COMMANDS).any(|command| {
        let words: Vec<&str> = command.split_whitespace().map(without_signs).collect();
        // A point that reads a file stands first; elsewhere it is a directory.
        words.first() == Some(&".")
            || command.contains(sign) && takes_a_name(&words)
            || words.iter().enumerate().any(|(at, word)| {
                // Of `${A:-bash}` and `A=bash` each part counts.
                names_a_shell(word)
                    || word.split([':', '=']).any(|part| {
                        let part = part.trim_start_matches(['-', '+', '?']);
                        let reads = read_by(part, &words, at + 1);
                        READ_AGAIN.contains(&part)
                            || reads.is_some_and(|reads| !matches!(reads, Reads::Script))
                    })
            })
    })
}

/// Whether a word has a shell's name from a variable: `$SHELL`, `${SHELL:-sh}`.
fn names_a_shell(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    NAMES_A_SHELL.iter().any(|name| {
        word.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(is_name))
    })
}

/// Whether a command takes a word for the name of a variable.
fn takes_a_name(words: &[&str]) -> bool {
    let has = |programs: &[&str]| words.iter().any(|word| programs.contains(word));
    has(TAKES_NAMES) || has(TAKES_NAMES_BY_OPTION) && words.contains(&NAME_OPTION)
}

/// A word of a line without the quotes and the like around it, unless it has nothing else.
fn without_signs(word: &str) -> &str {
    match word.trim_matches(AROUND_WORDS) {
        "" => word,
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(words: &[&str]) -> Vec<usize> {
        shell_lines(words).iter().map(|line| line.at).collect()
    }

    #[test]
    fn a_line_of_a_shell_is_recognised_wherever_the_shell_is() {
        for (words, expected) in [
            (&["bash", "-ec", "x"][..], &[2][..]),
            (&["bash", "-e", "-c", "x"], &[3]),
            (&["bash", "-cx", "x"], &[2]),
            (&["bash", "-c", "-", "x"], &[3]),
            (&["/bin/sh", "-o", "pipefail", "-c", "x", "_", "y"], &[4]),
            (&["bash", "-euo", "pipefail", "-c", "x"], &[4]),
            (&["bash", "-ceuo", "pipefail", "x"], &[3]),
            (&["bash", "+e", "+O", "extglob", "-c", "--", "x"], &[6]),
            (&["bash", "--norc", "--rcfile", "r", "-c", "x"], &[5]),
            (&["env", "A=b", "sh", "-c", "x"], &[4]),
            (&["timeout", "5", "sh", "-c", "x"], &[4]),
            (&["nice", "bash", "-c", "x"], &[3]),
            (&["sudo", "-u", "ann", "sh", "-c", "x"], &[5]),
            (&["busybox", "sh", "-c", "x"], &[3]),
            (&["find", ".", "-exec", "sh", "-c", "x", "_", "y", ";"], &[5]),
            (&["sh", "-c", "exec \"$@\"", "_", "mksh", "-c", "x"], &[2, 6]),
            (&["sh", "x.sh", "-c", "y"], &[]),
            (&["sh", "-c"], &[]),
            (&["sh", "-e", "--", "-c", "x"], &[]),
            (&["grep", "-c", "x"], &[]),
            (&[], &[]),
        ] {
            assert_eq!(lines(words), expected, "{words:?}");
        }
        let wrapped = |words: &[&str]| shell_lines(words)[0].is_wrapped;
        assert!(wrapped(&["env", "sh", "-c", "x"]) && !wrapped(&["sh", "-c", "x"]));
    }

    #[test]
    fn a_variable_ends_where_its_name_ends() {
        for line in ["wc $ENTRY", "\"${ENTRY%/}\"", "$ENTRYPOINT$ENTRY", "$ENTRY.n"] {
            assert!(uses(line, "ENTRY"), "{line}");
        }
        for line in ["$ENTRYPOINT", "${ENTRY_2}", "ENTRY", "$ ENTRY", ""] {
            assert!(!uses(line, "ENTRY"), "{line}");
        }
    }

    #[test]
    fn whatever_stands_behind_the_options_of_another_shell_is_its_own() {
        for (words, expected) in [
            (&["fish", "-c", "x"][..], &[1, 2][..]),
            (&["fish", "--command", "x"], &[1, 2]),
            (&["fish", "--command=x"], &[1]),
            (&["pwsh", "-NoProfile", "-c", "x"], &[1, 2, 3]),
            (&["pwsh", "-NoProfile", "-Command", "x", "y"], &[1, 2, 3, 4]),
            (&["timeout", "5", "yash", "--cmdline", "x"], &[3, 4]),
            (&["zsh", "-oshwordsplit", "-c", "x"], &[1, 2, 3]),
            (&["sh", "-c", "x", "_", "nu", "-c", "y"], &[2, 5, 6]),
            (&["fish", "x.fish", "y"], &[]),
            (&["cp", "-t", "fish", "x"], &[]),
        ] {
            assert_eq!(lines(words), expected, "{words:?}");
        }
        let variable = |words: &[&str]| shell_lines(words)[0].foreign.unwrap().variable("ENTRY");
        assert_eq!(variable(&["fish", "-c", "x"]), "\"$ENTRY\"");
        assert_eq!(variable(&["pwsh", "-c", "x"]), "$env:ENTRY");
    }

    #[test]
    fn a_line_that_something_reads_again_is_recognised() {
        for line in [
            "bash -c \"wc {}\"",
            "n=$(bash -c \"wc {}\")",
            "n=`bash -c \"wc {}\"`",
            "true;bash -c 'wc {}'",
            "true&&bash -c 'wc {}'",
            "(sh -c \"wc {}\")",
            "n=\"$(sh -ec \"wc {}\")\"",
            "\"/bin/bash-5.2\" -c \"wc {}\"",
            "ba\\sh -c\"echo {}\"",
            "${SHELL} -c \"wc {}\"",
            "echo \"wc {}\" | sh",
            "echo \"wc {}\" | bash -s x",
            "pwsh -c echo {}",
            "eval wc {}",
            "trap \"rm {}\" EXIT",
            "let \"n={}\"",
            "${SHELL:-sh} -c \"wc {}\"",
            "${SHELL-sh} -c \"wc {}\"",
            "${A:-bash} -c \"wc {}\"",
            "A=$SHELL; $A x {}; A=bash",
            "source /dev/stdin <<< \"x {}\"",
            ". <(echo \"x {}\")",
            "echo \"wc {}\" | bash /dev/stdin",
            "bash-static -c \"wc {}\"",
            "[ -v {} ]",
            "[[ -v {} ]]",
            "printf -v {} x",
            "read {}",
            "unset {}",
            "local -i n={}",
        ] {
            assert!(is_read_again(line, "{}"), "{line}");
        }
        for line in [
            "bash step.sh {} | sort",
            "bash -euo pipefail step.sh {} > {}.log",
            "sh \"{}\"",
            "fish step.fish {}",
            "wc -c {}; grep -c sh {}",
            "ls x.sh",
            "find . -name {}; test -e {} && printf '%s' {}",
            "while read -r name; do cp \"$name\" {}; done < names",
            "./run-sh {} --shell=x; echo $BASH_VERSION",
        ] {
            assert!(!is_read_again(line, "{}"), "{line}");
        }
    }
}
