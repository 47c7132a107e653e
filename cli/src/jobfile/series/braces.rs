//! `{}` in the command of a series stands for the task's line, or else its number, as it does for `xargs -I {}`.

use swarm_proto::mask::INDEX_VARIABLE;

use super::{
    Item,
    left::Left,
    line,
    shell::{Foreign, shell_lines},
};

const BRACES: &str = "{}";

/// The braces that stay, for another program such as find.
const KEPT: &str = "\\{}";

/// Whether a word has braces that stand for the item.
pub(crate) fn has_braces(word: &str) -> bool {
    word.split(KEPT).any(|part| part.contains(BRACES))
}

/// How often a word has them at the most.
pub(super) fn count(word: &str) -> usize {
    word.matches(BRACES).count()
}

/// Puts the item into a command: its value into words, and the name of its variable into lines of shells, which would
/// read the value as commands. Returns why braces stay as they are, where they do.
pub(super) fn fill(argv: &mut [String], item: &Item) -> Option<Left> {
    let (value, variable) = (item.value(), item.variable());
    let lines = shell_lines(argv);
    let mut left = None;
    for (at, word) in argv.iter_mut().enumerate() {
        // No shell reads digits as anything else.
        let is_text = |foreign: Option<Foreign>| foreign.is_some() && variable == INDEX_VARIABLE;
        let shell = lines.iter().find(|line| line.at == at);
        let Some(shell) = shell.filter(|shell| !is_text(shell.foreign)) else {
            let parts = word.split(KEPT).map(|part| part.replace(BRACES, &value));
            *word = parts.collect::<Vec<String>>().join(BRACES);
            continue;
        };
        let whole = match shell.foreign {
            Some(foreign) => Some(Left::Behind(foreign)),
            None => Left::in_all_of(word, BRACES, variable),
        };
        let stays = match whole {
            Some(why) => has_braces(word).then_some(why),
            None => {
                let (filled, stays) = line::fill(word, BRACES, variable, shell.is_wrapped);
                *word = filled;
                stays
            }
        };
        left = left.or(stays);
    }
    left
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
    fn braces_behind_a_backslash_stay() {
        assert_eq!(
            filled(&["find", "{}", "-exec", "wc", r"\{}", ";", r"\{}{}\{}"], "a"),
            ["find", "a", "-exec", "wc", "{}", ";", "{}a{}"]
        );
        assert_eq!(
            filled(&["sh", "-c", r#"find {} -exec wc \{} +; echo "\{} {}""#], "a")[2],
            r#"find "$ENTRY" -exec wc \{} +; echo "{} ${ENTRY}""#
        );
        assert!(has_braces("a{}") && !has_braces(r"\{}") && has_braces(r"\{}{}"));
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
    fn no_shell_reads_a_value_as_commands() {
        let name = "x; touch owned";
        for argv in [
            &["bash", "-e", "-c", "wc -l {}"][..],
            &["bash", "-cx", "wc -l {}"],
            &["sh", "-o", "pipefail", "-c", "wc -l {}"],
        ] {
            assert_eq!(filled(argv, name).last().unwrap(), "wc -l \"$ENTRY\"", "{argv:?}");
        }
        for argv in [
            &["env", "A=b", "sh", "-c", "wc -l {}"][..],
            &["timeout", "5", "sh", "-c", "wc -l {}"],
            &["sudo", "sh", "-c", "wc -l {}"],
            &["busybox", "sh", "-c", "wc -l {}"],
        ] {
            assert_eq!(
                filled(argv, name).last().unwrap(),
                "wc -l \"${ENTRY?}\"",
                "{argv:?}"
            );
        }
        for argv in [
            &["fish", "--command", "wc -l {}"][..],
            &["pwsh", "-NoProfile", "-c", "wc -l {}"],
            &["sh", "-c", "n=$(bash -c \"wc -l {}\")"],
            &["bash", "-c", "eval wc -l {}"],
            &["bash", "-c", "echo $(({}))"],
            &["sh", "-c", "cat <<END\n{}\nEND"],
            &["sh", "-c", "bash -c 'wc {}'; wc {}"],
        ] {
            assert_eq!(filled(argv, name), argv, "{argv:?}");
        }
        assert_eq!(filled(&["fish", "wc.fish", "{}"], name)[2], name);
    }

    #[test]
    fn words_behind_a_line_and_lines_with_the_number_get_the_item() {
        assert_eq!(
            filled(&["sh", "-c", r#"wc -l "$1""#, "_", "{}"], "a b"),
            ["sh", "-c", r#"wc -l "$1""#, "_", "a b"]
        );
        for (argv, expected) in [
            (
                &["sh", "-c", "trap 'rm -rf tmp' EXIT; ./step {}"][..],
                "trap 'rm -rf tmp' EXIT; ./step \"$ARRAY_INDEX\"",
            ),
            (&["fish", "-c", "step {}"], "step 7"),
        ] {
            let mut argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
            let item = Item {
                number: 7,
                line: None,
            };
            assert_eq!(fill(&mut argv, &item), None);
            assert_eq!(argv.last().unwrap(), expected);
        }
        for (line, expected) in [
            (
                "convert {} out/$ARRAY_INDEX.png",
                r#"convert "$ENTRY" out/$ARRAY_INDEX.png"#,
            ),
            ("$ENTRYPOINT {}", r#"$ENTRYPOINT "$ENTRY""#),
        ] {
            assert_eq!(filled(&["sh", "-c", line], "a b")[2], expected);
        }
    }
}
