//! Command lines: what one must look like when it comes in, and how it is shown to others.

use swarm_engine::noun::rules::Program;
use swarm_proto::v1;

use super::{field::Fields, text::quoted};

/// What the agent sets itself: a task that could override it would mislead its own tools.
const RESERVED_PREFIX: &str = "SWARM_";

/// Notes what is wrong with a command line.
pub(crate) fn check(command: &v1::Command, fields: &mut Fields<'_>) {
    match command.argv.first() {
        None => fields.refuse("argv", "is empty: it needs a program"),
        Some(program) if program.is_empty() => fields.refuse("argv[0]", "is empty: it names the program"),
        Some(_) => {}
    }
    for (index, argument) in command.argv.iter().enumerate() {
        if argument.contains('\0') {
            fields.refuse(
                format_args!("argv[{index}]"),
                "has a NUL byte, which no argument can have",
            );
        }
    }
    if !command.cwd.is_empty() && !command.cwd.starts_with('/') {
        let cwd = quoted(&command.cwd);
        fields.refuse(
            "cwd",
            format!("{cwd} is no absolute path; leave it empty for a fresh directory"),
        );
    }
    if command.cwd.contains('\0') {
        fields.refuse("cwd", "has a NUL byte, which no path can have");
    }
    for (name, value) in &command.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            fields.refuse(
                "env",
                format!("{} is no name of an environment variable", quoted(name)),
            );
        } else if name.starts_with(RESERVED_PREFIX) {
            let name = quoted(name);
            fields.refuse(
                "env",
                format!("{name} is reserved: the agent sets {RESERVED_PREFIX}* itself"),
            );
        }
        if value.contains('\0') {
            fields.refuse("env", format!("the value of {} has a NUL byte", quoted(name)));
        }
    }
}

/// The program that owners' rules go by.
pub(crate) fn program(command: &v1::Command) -> Program {
    let name = command.argv.first().map_or("", String::as_str);
    Program::of_command(name, command.env.contains_key("PATH"))
}

#[cfg(test)]
mod tests {
    use swarm_engine::rejection::Faults;

    use super::*;
    use crate::wire::sample;

    fn faults_of(command: &v1::Command) -> Faults {
        let mut faults = Faults::default();
        check(command, &mut Fields::of_request(&mut faults));
        faults
    }

    #[test]
    fn each_fault_is_named_by_its_path() {
        let with = |change: fn(&mut v1::Command)| {
            let mut command = sample::command();
            change(&mut command);
            command
        };
        let env = |name: &str, value: &str| v1::Command {
            env: [(name.to_owned(), value.to_owned())].into(),
            ..sample::command()
        };
        let cases: Vec<(v1::Command, &[&str])> = vec![
            (sample::command(), &[]),
            (with(|command| command.argv.clear()), &["argv"]),
            (with(|command| command.argv[0].clear()), &["argv[0]"]),
            (
                with(|command| command.argv = ["a", "\0", "b\0"].map(str::to_owned).into()),
                &["argv[1]", "argv[2]"],
            ),
            (with(|command| command.cwd = "there".into()), &["cwd"]),
            (with(|command| command.cwd = "/a\0".into()), &["cwd"]),
            (with(|command| command.cwd = "/srv".into()), &[]),
            (env("", "v"), &["env"]),
            (env("A=B", "v"), &["env"]),
            (env("A\0", "v"), &["env"]),
            (env("A", "v\0"), &["env"]),
            (env("SWARM_TASK_ID", "v"), &["env"]),
            (env("SWARMED", "a=b"), &[]),
        ];
        for (command, expected) in cases {
            let faults = faults_of(&command);
            let paths: Vec<&str> = faults.named().iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(paths, expected, "{faults}");
        }
    }

    #[test]
    fn an_environment_value_is_in_no_fault() {
        let pairs = [("", "hunter2\0"), ("SWARM_X", "hunter2")];
        let faults = faults_of(&v1::Command {
            env: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..sample::command()
        });
        assert_eq!(faults.named().len(), 3);
        assert!(!faults.to_string().contains("hunter2"));
    }
}
