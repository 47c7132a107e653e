//! The owner's veto: tasks that this agent refuses, whatever the coordinator assigns.
//!
//! The rules travel with the registration, and the coordinator gives the agent nothing that they forbid. The veto is
//! asked all the same before anything of a task touches the machine: the coordinator is not trusted with that.

use swarm_proto::{
    rules::{self, Forbidden},
    v1::{TaskSpec, task_spec::Work},
};

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
    let program = command.argv.first().map_or("", String::as_str);
    match rules::allow(&config.rules(), command) {
        Ok(()) => None,
        Err(Forbidden::Commands) => Some("the owner of this agent allows no commands (--no-command)".into()),
        Err(Forbidden::Program) => Some(format!(
            "the owner of this agent does not allow the command '{program}' (--allow-command)"
        )),
        // In another PATH an allowed name may be another program.
        Err(Forbidden::Path) => Some(format!(
            "with a PATH of its own '{program}' may be any program (--allow-command)"
        )),
    }
}

/// The queue of a task.
pub(crate) fn queue_of(spec: &TaskSpec) -> &str {
    match spec.queue.as_str() {
        "" => DEFAULT_QUEUE,
        named => named,
    }
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
