//! Owners' rules: the commands that the owner of an agent lets it run.

use std::{fmt, sync::Arc};

use wildmatch::WildMatch;

use crate::{
    limits::MAX_PROGRAM_BYTES,
    noun::needs::{Class, Executor},
};

/// The program of a command, as its task names it: owners' rules are about that name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// No rule can name it.
    #[default]
    Unnamed,
    /// A name, or a path.
    Named(Arc<str>),
}

impl Program {
    /// The program of a command line. Without a slash, the name may mean any program in a PATH of the task's own.
    pub fn of_command(name: &str, has_own_path: bool) -> Program {
        let may_be_any = has_own_path && !name.contains('/');
        if name.is_empty() || name.len() > MAX_PROGRAM_BYTES || may_be_any {
            return Program::Unnamed;
        }
        Program::named(name)
    }

    /// The program with this name.
    pub fn named(name: &str) -> Program {
        Program::Named(name.into())
    }

    /// The next program in order.
    pub(crate) fn successor(&self) -> Program {
        match self {
            Program::Unnamed => Program::named(""),
            Program::Named(name) => Program::Named([name, "\0"].concat().into()),
        }
    }

    /// The bytes of its name.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Program::Unnamed => 0,
            Program::Named(name) => name.len(),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Program::Unnamed => f.write_str("an unnamed program"),
            Program::Named(name) => f.write_str(name),
        }
    }
}

/// The commands that an owner lets an agent run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    /// Every command.
    #[default]
    Everything,
    /// Commands whose program fits a pattern.
    Programs(Arc<[Pattern]>),
    /// No command.
    NoCommands,
}

impl Rules {
    /// The rules that allow programs by these patterns.
    pub fn programs<T: AsRef<str>>(patterns: &[T]) -> Rules {
        Rules::Programs(patterns.iter().map(|text| Pattern::new(text.as_ref())).collect())
    }

    /// Whether they allow every task.
    pub fn are_none(&self) -> bool {
        *self == Rules::Everything
    }

    /// Whether they allow the tasks of a class that run this program.
    pub fn allow(&self, class: &Class, program: &Program) -> bool {
        if class.executor != Executor::Command {
            return true;
        }
        match (self, program) {
            (Rules::Everything, _) => true,
            (Rules::Programs(patterns), Program::Named(name)) => {
                patterns.iter().any(|pattern| pattern.matcher.matches(name))
            }
            (Rules::Programs(_), Program::Unnamed) | (Rules::NoCommands, _) => false,
        }
    }

    /// How many patterns a program is compared with at most.
    pub fn comparisons(&self) -> usize {
        match self {
            Rules::Programs(patterns) => patterns.len(),
            Rules::Everything | Rules::NoCommands => 1,
        }
    }

    /// The patterns of programs, as the owner wrote them.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let patterns = match self {
            Rules::Programs(patterns) => &**patterns,
            Rules::Everything | Rules::NoCommands => &[],
        };
        patterns.iter().map(|pattern| &*pattern.text)
    }
}

/// A pattern of names: `*` stands for any characters and `?` for one.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    matcher: WildMatch,
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        Pattern {
            text: text.into(),
            matcher: WildMatch::new(text),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Pattern) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Pattern) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::QueueName, noun::needs::Needs};

    #[test]
    fn rules_allow_programs_by_name_and_say_nothing_of_other_kinds_of_tasks() {
        let command = Needs::command(QueueName::stored("default")).class;
        let prompt = Class {
            executor: Executor::Prompt,
            ..command.clone()
        };
        let some = Rules::programs(&["git", "/opt/*/bin/?"]);
        for (rules, program, is_allowed) in [
            (&Rules::Everything, Program::named("sh"), true),
            (&Rules::Everything, Program::Unnamed, true),
            (&some, Program::named("git"), true),
            (&some, Program::named("/opt/a/b/bin/x"), true),
            (&some, Program::named("gitk"), false),
            (&some, Program::Unnamed, false),
            (&Rules::NoCommands, Program::named("git"), false),
        ] {
            assert_eq!(rules.allow(&command, &program), is_allowed, "{rules:?} {program}");
            assert!(rules.allow(&prompt, &program), "{rules:?}");
        }
    }

    #[test]
    fn nothing_is_between_a_program_and_its_successor() {
        for name in ["", "a", "ls"] {
            let program = Program::named(name);
            assert!(program < program.successor() && program.successor() <= Program::named("ls -l"));
        }
        assert!(Program::Unnamed < Program::Unnamed.successor());
    }
}
