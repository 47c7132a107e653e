//! Shell completions: clap's script for a shell, with live ids where the program knows some.

use std::io;

use clap::Command;

pub use clap_complete::Shell;

/// The verb's flags.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell that is to complete the program's command lines
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The script for a shell. `live` is a hidden verb: it gets the words typed so far, the last one unfinished, and
/// prints the possible words, one a line; with `--described` each with a tab and a description. Only bash, zsh and fish
/// ask it, and none offers the verb itself.
///
/// # Errors
///
/// Never in practice: the script is written to memory.
pub fn script(command: &Command, shell: Shell, live: Option<&str>) -> io::Result<String> {
    let mut command = command.clone();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    command.build();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script).map_err(io::Error::other)?;
    let script = match live {
        Some(verb) => without(verb, &script),
        None => script,
    };
    Ok(match (live, shell) {
        (Some(verb), Shell::Bash) => script + &fill(BASH, &name, verb),
        (Some(verb), Shell::Zsh) => {
            // The script ends by registering its function, or by calling it when it is loaded by its name.
            let end = script.rfind("\nif [ ").unwrap_or(script.len());
            script[..end].to_owned() + &fill(ZSH, &name, verb)
        }
        (Some(verb), Shell::Fish) => script + &fill(FISH, &name, verb),
        _ => script,
    })
}

/// A script that does not offer a verb, which clap's scripts do although it is hidden.
fn without(verb: &str, script: &str) -> String {
    let (of_zsh, of_fish) = (format!("'{verb}:"), format!("-a \"{verb}\""));
    let lines = script.lines().filter(|line| {
        let line = line.trim_start();
        !(line.starts_with(&of_zsh) || line.starts_with("complete ") && line.contains(&of_fish))
    });
    let lines = lines.map(|line| match line.trim_start().starts_with("opts=") {
        true => line.replace(&format!(" {verb} "), " "),
        false => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

fn fill(template: &str, name: &str, verb: &str) -> String {
    template.replace("NAME", name).replace("VERB", verb)
}

/// The words come from the line, because bash breaks its own words at the colons of ids and addresses.
const BASH: &str = r#"
_NAME_live() {
    _NAME "$@"
    local line="${COMP_LINE:0:COMP_POINT}" said found current before
    read -ra said <<< "$line"
    [[ $line == *[[:space:]] ]] && said+=("")
    current="${said[${#said[@]} - 1]}"
    found=$("${said[0]}" VERB -- "${said[@]:1}" 2>/dev/null)
    if [[ -n $found ]]; then
        before="${current%"${current##*:}"}"
        mapfile -t COMPREPLY <<< "$found"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
complete -o nosort -o bashdefault -o default -F _NAME_live NAME
"#;

const ZSH: &str = r#"
_NAME_live() {
    local -a said found shown
    local -i ret=1
    said=("${(@)words[2,CURRENT]}")
    _NAME "$@" && ret=0
    found=("${(@f)$(NAME VERB --described -- "${(@)said}" 2>/dev/null)}")
    found=("${(@)found:#}")
    shown=("${(@)found/$'\t'/  }")
    found=("${(@)found%%$'\t'*}")
    (( ${#found} )) && compadd -V live -l -d shown -a found && ret=0
    return ret
}

if [ "$funcstack[1]" = "_NAME" ]; then
    _NAME_live "$@"
else
    compdef _NAME_live NAME
fi
"#;

const FISH: &str = r"
complete -c NAME -k -a '(NAME VERB --described -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_and_three_ask_for_live_ids() {
        let command = Command::new("prog").subcommand(Command::new("list"));
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let script = script(&command, shell, Some("complete-ids")).unwrap();
            assert!(script.contains("list"), "{shell}: {script}");
            assert_eq!(
                script.contains("complete-ids -"),
                !matches!(shell, Shell::Elvish | Shell::PowerShell),
                "{shell}"
            );
        }
        let offering = command
            .clone()
            .subcommand(Command::new("complete-ids").hide(true));
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(&offering, shell, Some("complete-ids")).unwrap();
            let offers = |line: &str| {
                let line = line.trim_start();
                (line.starts_with("opts=") && line.contains("complete-ids"))
                    || line.starts_with("'complete-ids:")
                    || line.contains("-a \"complete-ids\"")
            };
            assert!(!script.lines().any(offers), "{shell}: {script}");
        }
        let zsh = script(&command, Shell::Zsh, Some("complete-ids")).unwrap();
        assert_eq!(zsh.matches("compdef _").count(), 1, "{zsh}");
    }
}
