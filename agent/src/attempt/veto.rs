//! The owner's veto: tasks that this agent refuses, whatever the coordinator assigns.
//!
//! The veto is asked before anything of a task touches the machine.

use swarm_proto::v1::{TaskSpec, task_spec::Work};

use crate::program::config::Config;

/// The queue of a task that names none.
const DEFAULT_QUEUE: &str = "default";

/// Why this agent refuses the task; `None` when it takes the task.
pub(crate) fn objection(config: &Config, spec: &TaskSpec) -> Option<String> {
    let command = match &spec.work {
        Some(Work::Command(command)) => command,
        Some(Work::Prompt(_)) => {
            return Some("this agent runs commands only, and the task is a prompt".into());
        }
        None => return Some("this agent does not know this kind of work; a newer version may".into()),
    };
    let queue = queue_of(spec);
    if !config.queues.is_empty() && !config.queues.iter().any(|own| own == queue) {
        return Some(format!(
            "the owner of this agent serves no tasks of the queue {queue} (--queues)"
        ));
    }
    if config.no_command {
        return Some("the owner of this agent allows no commands (--no-command)".into());
    }
    if config.allow_command.is_empty() {
        return None;
    }
    let program = command.argv.first().map_or("", String::as_str);
    if !config.allow_command.iter().any(|glob| fits(glob, program)) {
        return Some(format!(
            "the owner of this agent does not allow the command '{program}' (--allow-command)"
        ));
    }
    // In another PATH an allowed name may be another program.
    let renamed = command.env.contains_key("PATH") && !program.contains('/');
    renamed.then(|| format!("with a PATH of its own '{program}' may be any program (--allow-command)"))
}

/// The queue of a task.
pub(crate) fn queue_of(spec: &TaskSpec) -> &str {
    match spec.queue.as_str() {
        "" => DEFAULT_QUEUE,
        named => named,
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters and `?` for one.
fn fits(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // The place of the last star, and the end of the text that it stands for.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, read) = (place + 1, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{Command, Prompt};

    use super::*;

    fn refusal(flags: &[&str], spec: &TaskSpec) -> Option<String> {
        let config = Config::read(["agent"].iter().chain(flags)).unwrap();
        objection(&config, spec)
    }

    fn command(program: &str) -> TaskSpec {
        let work = Command {
            argv: vec![program.to_owned()],
            ..Command::default()
        };
        TaskSpec {
            work: Some(Work::Command(work)),
            ..TaskSpec::default()
        }
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (glob, text) in [
            ("git", "git"),
            ("git*", "git"),
            ("/opt/*/run", "/opt/a/b/run"),
            ("?s", "ls"),
            ("*", ""),
        ] {
            assert!(fits(glob, text), "{glob} {text}");
        }
        for (glob, text) in [
            ("git", "gitk"),
            ("git", "/x/git"),
            ("?s", "s"),
            ("*a", "ab"),
            ("", "a"),
        ] {
            assert!(!fits(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn an_owner_without_rules_allows_every_command_and_no_other_work() {
        assert_eq!(refusal(&[], &command("sh")), None);
        let mut spec = command("sh");
        spec.work = Some(Work::Prompt(Prompt::default()));
        assert!(refusal(&[], &spec).unwrap().contains("prompt"));
        spec.work = None;
        assert!(refusal(&[], &spec).unwrap().contains("newer version"));
    }

    #[test]
    fn commands_are_refused_altogether_or_by_name() {
        assert!(refusal(&["--no-command"], &command("sh")).is_some());
        let rules = ["--allow-command", "git,/opt/bin/*"];
        assert_eq!(refusal(&rules, &command("git")), None);
        assert_eq!(refusal(&rules, &command("/opt/bin/x")), None);
        assert!(refusal(&rules, &command("sh")).unwrap().contains("'sh'"));
    }

    #[test]
    fn a_task_that_renames_programs_is_refused_where_names_are_the_rule() {
        let with_path = |program| {
            let mut spec = command(program);
            if let Some(Work::Command(command)) = &mut spec.work {
                command.env.insert("PATH".to_owned(), "/tmp".to_owned());
            }
            spec
        };
        assert!(refusal(&["--allow-command", "git"], &with_path("git")).is_some());
        assert_eq!(
            refusal(&["--allow-command", "/bin/*"], &with_path("/bin/ls")),
            None
        );
        assert_eq!(refusal(&[], &with_path("git")), None);
    }

    #[test]
    fn tasks_of_other_queues_are_refused_and_an_unnamed_queue_is_the_default() {
        let mut spec = command("sh");
        assert_eq!(refusal(&["--queues", "default"], &spec), None);
        spec.queue = "nightly".to_owned();
        assert_eq!(refusal(&["--queues", "a,nightly"], &spec), None);
        assert!(refusal(&["--queues", "a"], &spec).unwrap().contains("nightly"));
    }
}
