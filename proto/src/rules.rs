//! Owners' rules: whether the owner of an agent lets it run a command. The coordinator's engine has the same rules.

use wildmatch::WildMatch;

use crate::{
    limits::MAX_PROGRAM_BYTES,
    v1::{Command, OwnerRules},
};

/// Why an owner does not let an agent run a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// He allows no commands.
    Commands,
    /// He does not allow this program.
    Program,
    /// He goes by names, and this one may be any program: the task sets a PATH of its own.
    Path,
}

/// Whether the rules allow a command.
///
/// # Errors
///
/// The rule against it.
pub fn allow(rules: &OwnerRules, command: &Command) -> Result<(), Forbidden> {
    if rules.no_commands {
        return Err(Forbidden::Commands);
    }
    if rules.programs.is_empty() {
        return Ok(());
    }
    let program = command.argv.first().map_or("", String::as_str);
    let fits = |pattern: &String| WildMatch::new(pattern).matches(program);
    if program.is_empty() || program.len() > MAX_PROGRAM_BYTES || !rules.programs.iter().any(fits) {
        return Err(Forbidden::Program);
    }
    if command.env.contains_key("PATH") && !program.contains('/') {
        return Err(Forbidden::Path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str) -> Command {
        Command {
            argv: vec![program.to_owned()],
            ..Command::default()
        }
    }

    fn programs(programs: &[&str]) -> OwnerRules {
        OwnerRules {
            programs: programs.iter().map(|text| (*text).to_owned()).collect(),
            ..OwnerRules::default()
        }
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, program) in [
            ("git", "git"),
            ("git*", "git"),
            ("/opt/*/run", "/opt/a/b/run"),
            ("?s", "ls"),
            ("*", "x"),
        ] {
            assert_eq!(
                allow(&programs(&[pattern]), &command(program)),
                Ok(()),
                "{pattern}"
            );
        }
        for (pattern, program) in [
            ("git", "gitk"),
            ("git", "/x/git"),
            ("?s", "s"),
            ("*a", "ab"),
            ("*", ""),
        ] {
            let refused = allow(&programs(&[pattern]), &command(program));
            assert_eq!(refused, Err(Forbidden::Program), "{pattern}");
        }
    }

    #[test]
    fn commands_are_forbidden_altogether_or_by_name() {
        let none = OwnerRules {
            no_commands: true,
            ..OwnerRules::default()
        };
        assert_eq!(allow(&none, &command("sh")), Err(Forbidden::Commands));
        assert_eq!(allow(&OwnerRules::default(), &command("sh")), Ok(()));
        let some = programs(&["git", "/opt/bin/*"]);
        assert_eq!(allow(&some, &command("/opt/bin/x")), Ok(()));
        assert_eq!(allow(&some, &command("sh")), Err(Forbidden::Program));
    }

    #[test]
    fn a_task_that_renames_programs_is_forbidden_where_names_are_the_rule() {
        let with_path = |program| Command {
            env: [("PATH".to_owned(), "/tmp".to_owned())].into(),
            ..command(program)
        };
        assert_eq!(
            allow(&programs(&["git"]), &with_path("git")),
            Err(Forbidden::Path)
        );
        assert_eq!(allow(&programs(&["/bin/*"]), &with_path("/bin/ls")), Ok(()));
        assert_eq!(allow(&OwnerRules::default(), &with_path("git")), Ok(()));
    }
}
