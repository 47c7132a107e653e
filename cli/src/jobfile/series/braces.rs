//! `{}` in the command of a series stands for the task's line, or else its number, as it does for `xargs -I {}`.

use std::path::Path;

use swarm_proto::mask::{INDEX_VARIABLE, LINE_VARIABLE};

use super::Item;

const BRACES: &str = "{}";

/// The shells whose `-c` takes a line.
const SHELLS: &[&str] = &["sh", "ash", "bash", "dash", "ksh", "zsh"];

/// The position of the line that a shell reads; `None` for a command without a shell.
pub(crate) fn shell_line(argv: &[String]) -> Option<usize> {
    let program = Path::new(argv.first()?).file_name()?.to_str()?;
    let flag = argv.get(1)?;
    let takes_a_line = flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('c');
    (SHELLS.contains(&program) && takes_a_line && argv.len() > 2).then_some(2)
}

/// How often a word has them.
pub(super) fn count(word: &str) -> usize {
    word.matches(BRACES).count()
}

/// Puts the item into a command. A shell is given the name of the variable, for it would read the value as a command.
pub(super) fn fill(argv: &mut [String], item: &Item) {
    match shell_line(argv) {
        // A line that uses a variable means its braces for another program, such as find.
        Some(line) if uses_a_variable(&argv[line]) => {}
        Some(line) => argv[line] = in_shell(&argv[line], item.variable()),
        None => {
            let value = item.value();
            for word in argv {
                *word = word.replace(BRACES, &value);
            }
        }
    }
}

/// Whether a line of a shell uses a variable of the series.
pub(crate) fn uses_a_variable(line: &str) -> bool {
    [INDEX_VARIABLE, LINE_VARIABLE]
        .iter()
        .any(|variable| line.contains(&format!("${variable}")) || line.contains(&format!("${{{variable}")))
}

/// A line of a shell with the variable in place of each `{}`, quoted as its place needs it. Text in single quotes
/// stays as it is.
fn in_shell(line: &str, variable: &str) -> String {
    let mut filled = String::with_capacity(line.len());
    let mut quote = None;
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        if quote != Some('\'') && rest.starts_with(BRACES) {
            filled.push_str(&match quote {
                Some(_) => format!("${{{variable}}}"),
                None => format!("\"${variable}\""),
            });
            rest = &rest[BRACES.len()..];
            continue;
        }
        match next {
            '\\' if quote != Some('\'') => {
                let taken = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                filled.push_str(&rest[..taken]);
                rest = &rest[taken..];
                continue;
            }
            '\'' | '"' if quote.is_none() => quote = Some(next),
            c if quote == Some(c) => quote = None,
            _ => {}
        }
        filled.push(next);
        rest = &rest[next.len_utf8()..];
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(argv: &[&str], line: &str) -> Vec<String> {
        let mut argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        fill(
            &mut argv,
            &Item {
                number: 7,
                line: Some(line.to_owned()),
            },
        );
        argv
    }

    #[test]
    fn a_command_without_a_shell_gets_the_line_itself() {
        assert_eq!(
            filled(&["convert", "{}", "out/{}.png"], "a $(b).jpg"),
            ["convert", "a $(b).jpg", "out/a $(b).jpg.png"]
        );
        let mut argv = ["seq".to_owned(), "{}".to_owned()];
        fill(
            &mut argv,
            &Item {
                number: 7,
                line: None,
            },
        );
        assert_eq!(argv, ["seq", "7"]);
    }

    #[test]
    fn a_shell_gets_the_variable_quoted() {
        for (line, expected) in [
            ("wc -l {} | tee {}.n", r#"wc -l "$ENTRY" | tee "$ENTRY".n"#),
            (r#"echo "<{}>" \{} {}"#, r#"echo "<${ENTRY}>" \{} "$ENTRY""#),
            ("awk '{}' {}", r#"awk '{}' "$ENTRY""#),
            (r#"find "$ENTRY" -exec wc {} +"#, r#"find "$ENTRY" -exec wc {} +"#),
            ("find ${ENTRY%/} -exec wc {} +", "find ${ENTRY%/} -exec wc {} +"),
            ("ls ü\\", "ls ü\\"),
        ] {
            for shell in ["sh", "/bin/bash"] {
                assert_eq!(filled(&[shell, "-c", line], "a b")[2], expected, "{line}");
            }
        }
    }

    #[test]
    fn a_line_of_a_shell_is_recognised() {
        let at = |argv: &[&str]| shell_line(&argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(at(&["bash", "-ec", "x"]), Some(2));
        for argv in [
            &["sh", "x.sh", "{}"][..],
            &["sh", "-c"],
            &["grep", "-c", "x"],
            &[],
        ] {
            assert_eq!(at(argv), None, "{argv:?}");
        }
    }
}
