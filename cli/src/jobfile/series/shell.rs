//! The shells in a command, and their lines: whatever stands in such a line is read as commands.

use std::path::Path;

/// Shells whose lines quote as POSIX says.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "dash", "ksh", "ksh93", "mksh", "posh", "rbash", "yash", "zsh",
];

/// Shells with a quoting of their own.
const FOREIGN: &[&str] = &["fish", "csh", "tcsh", "elvish", "nu", "pwsh", "xonsh"];

/// Long options of shells whose argument is a word of its own.
const LONG_WITH_WORD: &[&str] = &["--rcfile", "--init-file"];

/// The line that a shell of a command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShellLine {
    /// The position of its word.
    pub(crate) at: usize,
    /// Whether another program of the command starts the shell, and may keep variables from it, as `sudo` does.
    pub(crate) is_wrapped: bool,
    /// Whether the shell quotes otherwise than POSIX says.
    pub(crate) is_foreign: bool,
}

/// The lines that shells read, in their order: `sh -c LINE`, also behind `env`, `timeout 5` and the like.
pub(crate) fn shell_lines(words: &[impl AsRef<str>]) -> Vec<ShellLine> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let program = Path::new(word.as_ref())
            .file_name()
            .and_then(|name| name.to_str());
        let is_one_of = |shells: &[&str]| program.is_some_and(|program| shells.contains(&program));
        let is_foreign = is_one_of(FOREIGN);
        let line = match is_foreign || is_one_of(SHELLS) {
            true => line_behind(words, at + 1),
            false => None,
        };
        if let Some(line) = line {
            let is_wrapped = at > 0;
            lines.push(ShellLine {
                at: line,
                is_wrapped,
                is_foreign,
            });
        }
        at = line.unwrap_or(at) + 1;
    }
    lines
}

/// The position of the line behind the options of a shell; `None` when it reads a script or its input.
fn line_behind(words: &[impl AsRef<str>], first: usize) -> Option<usize> {
    let (mut at, mut takes_a_line) = (first, false);
    loop {
        let word = words.get(at)?.as_ref();
        at += 1;
        if word == "--" {
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
        takes_a_line |= word.starts_with('-') && flags.contains('c');
        // Each `o` sets an option whose name is the next word.
        at += flags.matches(['o', 'O']).count();
    }
    (takes_a_line && at < words.len()).then_some(at)
}

/// Whether a line uses a variable.
pub(crate) fn uses(line: &str, variable: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices('$').any(|(at, _)| {
        let rest = &line[at + 1..];
        let name = rest.strip_prefix('{').unwrap_or(rest).strip_prefix(variable);
        name.is_some_and(|behind| !behind.starts_with(is_name))
    })
}

/// Whether a line has a here-document, in which quotes are data.
pub(crate) fn has_here_document(line: &str) -> bool {
    line.replace("<<<", "").contains("<<")
}

/// Whether a line starts a shell with a line of its own.
pub(crate) fn starts_a_shell(line: &str) -> bool {
    !shell_lines(&line.split_whitespace().collect::<Vec<_>>()).is_empty()
}

/// What surrounds a place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// Commands, which end with this character if they stand within something else.
    Commands(Option<char>),
    Single,
    Double,
}

/// A line of a POSIX shell with a variable in place of each `sign`, quoted as its place needs it. Text in single
/// quotes and comments stays as it is, and so does text in double quotes that another shell may read.
pub(super) fn fill(line: &str, sign: &str, variable: &str, is_wrapped: bool) -> String {
    if has_here_document(line) {
        return line.to_owned();
    }
    let starts_a_shell = starts_a_shell(line);
    let (quoted, within_quotes) = match is_wrapped {
        // A shell that was not given the variable gives up: nothing would stand in place of the sign.
        true => (format!("\"${{{variable}?}}\""), format!("${{{variable}?}}")),
        false => (format!("\"${variable}\""), format!("${{{variable}}}")),
    };
    let mut filled = String::with_capacity(line.len());
    let (mut outer, mut around) = (Vec::new(), Around::Commands(None));
    let mut before = '\n';
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let taken = match (around, next) {
            (Around::Commands(_), _) if rest.starts_with(sign) => {
                filled.push_str(&quoted);
                rest = &rest[sign.len()..];
                before = '}';
                continue;
            }
            (Around::Double, _) if rest.starts_with(sign) && !starts_a_shell => {
                filled.push_str(&within_quotes);
                rest = &rest[sign.len()..];
                continue;
            }
            // Within double quotes a shell would leave the backslash of braces that stay.
            (Around::Double, '\\') if rest[1..].starts_with(sign) => {
                filled.push_str(sign);
                rest = &rest[1 + sign.len()..];
                continue;
            }
            (Around::Commands(_) | Around::Double, '\\') => {
                1 + rest[1..].chars().next().map_or(0, char::len_utf8)
            }
            (Around::Commands(_), '#') if before.is_whitespace() || ";&|(".contains(before) => {
                rest.find('\n').unwrap_or(rest.len())
            }
            (Around::Single, '\'') | (Around::Double, '"') => {
                around = outer.pop().unwrap_or(Around::Commands(None));
                1
            }
            (Around::Commands(Some(end)), c) if c == end => {
                around = outer.pop().unwrap_or(Around::Commands(None));
                1
            }
            (Around::Commands(_), '\'' | '"' | '`' | '(') | (Around::Double, '`') => {
                outer.push(around);
                around = match next {
                    '\'' => Around::Single,
                    '"' => Around::Double,
                    '`' => Around::Commands(Some('`')),
                    _ => Around::Commands(Some(')')),
                };
                1
            }
            (Around::Double, '$') if rest.starts_with("$(") => {
                outer.push(around);
                around = Around::Commands(Some(')'));
                2
            }
            _ => next.len_utf8(),
        };
        filled.push_str(&rest[..taken]);
        before = next;
        rest = &rest[taken..];
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::process::Command;

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
            (&["fish", "-c", "x"], &[2]),
            (&["sh", "x.sh", "-c", "y"], &[]),
            (&["sh", "-c"], &[]),
            (&["sh", "-e", "--", "-c", "x"], &[]),
            (&["grep", "-c", "x"], &[]),
            (&[], &[]),
        ] {
            assert_eq!(lines(words), expected, "{words:?}");
        }
        assert!(shell_lines(&["fish", "-c", "x"])[0].is_foreign);
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

    /// What a real shell does with the filled line, whose entry is a hostile name.
    #[test]
    fn a_shell_reads_a_value_as_one_word_wherever_it_stands() {
        let entry = "my * \"pic`x`$(y)'.jpg; echo owned";
        for (line, expected) in [
            ("printf '<%s>' {}", format!("<{entry}>")),
            (r#"printf '<%s>' "a {} b""#, format!("<a {entry} b>")),
            (
                r#"printf '<%s>' "$(printf '%s.png' {}) {}""#,
                format!("<{entry}.png {entry}>"),
            ),
            (
                r#"printf '<%s>' "`printf '%s.png' {}` {}""#,
                format!("<{entry}.png {entry}>"),
            ),
            (
                r#"(printf '<%s>' "$( (printf '"%s"' {}) )" {})"#,
                format!("<\"{entry}\"><{entry}>"),
            ),
            ("# don't {}\nprintf '<%s>' {} # it's", format!("<{entry}>")),
            (r#"printf '<%s>' "$#" '{}' {}"#, format!("<0><{{}}><{entry}>")),
        ] {
            for is_wrapped in [false, true] {
                let filled = fill(line, "{}", "ENTRY", is_wrapped);
                let mut shell = Command::new("sh");
                let output = shell.args(["-c", &filled]).env("ENTRY", entry).output().unwrap();
                assert_eq!(
                    String::from_utf8_lossy(&output.stdout),
                    expected,
                    "{line} as {filled}"
                );
            }
        }
    }

    #[test]
    fn a_wrapped_shell_without_the_variable_gives_up() {
        let filled = fill("echo rm -r /data/{}", "{}", "ENTRY", true);
        let output = Command::new("sh")
            .args(["-c", &filled])
            .env_remove("ENTRY")
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{filled}");
    }

    #[test]
    fn what_cannot_be_quoted_stays() {
        for line in ["cat <<END\n{}\nEND", r#"bash -c "wc {}""#, "bash -c 'wc {}'"] {
            assert_eq!(fill(line, "{}", "ENTRY", false), line);
        }
        assert_eq!(fill("wc <<< {}", "{}", "ENTRY", false), "wc <<< \"$ENTRY\"");
        assert_eq!(
            fill(r#"bash -c 'wc "$1"' _ {}"#, "{}", "ENTRY", false),
            r#"bash -c 'wc "$1"' _ "$ENTRY""#
        );
    }
}
