//! A line of a POSIX shell, into which a variable is put in place of a sign, quoted as its place needs it.

use swarm_proto::mask::INDEX_VARIABLE;

use super::left::Left;

/// What surrounds a place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// Commands, which end with this character if they stand within something else.
    Commands(Option<char>),
    Single,
    Double,
    /// What a shell may compute with, which ends with this character: it runs commands within the value of a variable
    /// there. A parameter's braces are taken for it, too, for its offsets are computed.
    Arithmetic(char),
}

/// A line with the variable in place of each sign, and why one of them stays as it is. In single quotes and comments
/// they stay, and in arithmetic, unless the variable has a number.
pub(super) fn fill(line: &str, sign: &str, variable: &str, is_wrapped: bool) -> (String, Option<Left>) {
    let (quoted, within_quotes) = match is_wrapped {
        // A shell that was not given the variable gives up: nothing would stand in place of the sign.
        true => (format!("\"${{{variable}?}}\""), format!("${{{variable}?}}")),
        false => (format!("\"${variable}\""), format!("${{{variable}}}")),
    };
    let mut filled = String::with_capacity(line.len());
    let (mut outer, mut around) = (Vec::new(), Around::Commands(None));
    let (mut before, mut left) = ('\n', None);
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix(sign) {
            let (put, stays) = match around {
                Around::Commands(_) => (quoted.as_str(), None),
                Around::Double => (within_quotes.as_str(), None),
                Around::Arithmetic(_) if variable == INDEX_VARIABLE => (within_quotes.as_str(), None),
                Around::Arithmetic(_) => (sign, Some(Left::InArithmetic)),
                Around::Single => (sign, Some(Left::InSingleQuotes)),
            };
            filled.push_str(put);
            left = left.or(stays);
            rest = behind;
            before = '}';
            continue;
        }
        let here = (around, next);
        let mut within = |depth: usize, inner: Around| {
            outer.push(around);
            outer.extend(std::iter::repeat_n(inner, depth - 1));
            around = inner;
        };
        let taken = match here {
            // Within double quotes a shell would leave the backslash of braces that stay.
            (Around::Double, '\\') if rest[1..].starts_with(sign) => {
                filled.push_str(sign);
                rest = &rest[1 + sign.len()..];
                continue;
            }
            (Around::Commands(_) | Around::Double | Around::Arithmetic(_), '\\') => {
                1 + rest[1..].chars().next().map_or(0, char::len_utf8)
            }
            (Around::Commands(_), '#') if before.is_whitespace() || ";&|(".contains(before) => {
                rest.find('\n').unwrap_or(rest.len())
            }
            (Around::Single, '\'') | (Around::Double, '"') => {
                around = outer.pop().unwrap_or(Around::Commands(None));
                1
            }
            (Around::Commands(Some(end)) | Around::Arithmetic(end), c) if c == end => {
                around = outer.pop().unwrap_or(Around::Commands(None));
                1
            }
            // A backslash says there that the braces are meant to stay.
            (Around::Single, '\\') if rest[1..].starts_with(sign) => 1 + sign.len(),
            (Around::Single, _) => next.len_utf8(),
            (_, '$') if rest.starts_with("$((") => {
                within(2, Around::Arithmetic(')'));
                3
            }
            (_, '$') if rest.starts_with("$(") => {
                within(1, Around::Commands(Some(')')));
                2
            }
            (_, '$') if rest.starts_with("${") => {
                within(1, Around::Arithmetic('}'));
                2
            }
            (_, '$') if rest.starts_with("$[") => {
                within(1, Around::Arithmetic(']'));
                2
            }
            (_, '`') => {
                within(1, Around::Commands(Some('`')));
                1
            }
            (Around::Arithmetic(_), '(') => {
                within(1, Around::Arithmetic(')'));
                1
            }
            (Around::Commands(_), '(') if rest.starts_with("((") => {
                within(2, Around::Arithmetic(')'));
                2
            }
            (Around::Commands(_), '[') if compares_numbers(rest) => {
                within(2, Around::Arithmetic(']'));
                2
            }
            // The subscript of a variable is computed, too.
            (Around::Commands(_), '[') if before.is_ascii_alphanumeric() || before == '_' => {
                within(1, Around::Arithmetic(']'));
                1
            }
            (Around::Arithmetic(_), '[') => {
                within(1, Around::Arithmetic(']'));
                1
            }
            (Around::Commands(_), '\'') => {
                within(1, Around::Single);
                1
            }
            (Around::Commands(_), '"') => {
                within(1, Around::Double);
                1
            }
            (Around::Commands(_), '(') => {
                within(1, Around::Commands(Some(')')));
                1
            }
            _ => next.len_utf8(),
        };
        filled.push_str(&rest[..taken]);
        before = next;
        rest = &rest[taken..];
    }
    (filled, left)
}

/// Whether a text begins with a condition that takes words for numbers: `[[ $n -gt 3 ]]`.
fn compares_numbers(text: &str) -> bool {
    let is_comparison = |word: &str| matches!(word, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge");
    // Where the condition ends is not looked for: `]]` may stand in a pattern.
    let condition = text.strip_prefix("[[");
    condition.is_some_and(|condition| condition.split_whitespace().any(is_comparison))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn filled(line: &str) -> String {
        fill(line, "{}", "ENTRY", false).0
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
            (
                r#"printf '<%s>' "$((1 + (2)))${HOME:+}/{}" $(( $(printf %.1s 1{}) + 1 )) {}"#,
                format!("<3/{entry}><2><{entry}>"),
            ),
        ] {
            for is_wrapped in [false, true] {
                let (filled, _) = fill(line, "{}", "ENTRY", is_wrapped);
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
    fn no_shell_computes_with_a_value_unless_it_is_a_number() {
        for line in [
            "echo $(( {} + 1 ))",
            "echo \"$(( 2 * ({}) ))\"",
            "echo $[ {} + 1 ]",
            "(({} > 1)) && echo",
            "for ((i = 0; i < {}; i++)); do echo; done",
            "echo ${x:{}:1}",
            "a[{}]=1",
            "[[ 1 -eq {} ]]",
        ] {
            assert_eq!(
                fill(line, "{}", "ENTRY", false),
                (line.to_owned(), Some(Left::InArithmetic))
            );
        }
        assert_eq!(
            filled("[[ {} == a* ]] && [ {} ]"),
            "[[ \"$ENTRY\" == a* ]] && [ \"$ENTRY\" ]"
        );

        let line = "echo $(( {} * 2 )) \"$(({}+1))\" {}";
        for (is_wrapped, put) in [(false, "${ARRAY_INDEX}"), (true, "${ARRAY_INDEX?}")] {
            let (filled, left) = fill(line, "{}", "ARRAY_INDEX", is_wrapped);
            assert!(
                left.is_none() && filled.starts_with(&format!("echo $(( {put} * 2 ))")),
                "{filled}"
            );
            let mut shell = Command::new("sh");
            let output = shell
                .args(["-c", &filled])
                .env("ARRAY_INDEX", "7")
                .output()
                .unwrap();
            assert_eq!(output.stdout, b"14 8 7\n", "{filled}");
        }
    }

    #[test]
    fn a_wrapped_shell_without_the_variable_gives_up() {
        let (filled, _) = fill("echo rm -r /data/{}", "{}", "ENTRY", true);
        let output = Command::new("sh")
            .args(["-c", &filled])
            .env_remove("ENTRY")
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{filled}");
    }

    #[test]
    fn what_cannot_be_quoted_stays() {
        let (line, left) = fill("awk '{}' {}", "{}", "ENTRY", false);
        assert_eq!(
            (line.as_str(), left),
            ("awk '{}' \"$ENTRY\"", Some(Left::InSingleQuotes))
        );
        for line in ["ls # {}", r"awk '\{}'"] {
            assert_eq!(fill(line, "{}", "ENTRY", false), (line.to_owned(), None));
        }
        assert_eq!(filled("wc <<< {}"), "wc <<< \"$ENTRY\"");
    }
}
