//! Commands that are probably not what was meant, although nothing forbids them.

use std::{collections::BTreeSet, path::Path};

use swarm_proto::{
    mask::{INDEX_VARIABLE, LINE_VARIABLE},
    v1::{Command, SubmitTasksRequest, task_spec::Work},
};

use crate::{
    jobfile::series::{Written, has_braces, shell_lines},
    output::text,
    program::terminal::note,
};

/// At most this many doubts are told; the tasks of a request mostly have the same ones.
const MAX_TOLD: usize = 5;

/// Warns of every doubt once. `written` has the commands of the request as they were written.
pub(super) fn tell(request: &SubmitTasksRequest, written: &[Written]) {
    let doubts = of(request, written);
    doubts
        .iter()
        .take(MAX_TOLD)
        .for_each(|doubt| note(format!("warning: {doubt}")));
    if doubts.len() > MAX_TOLD {
        let more = (doubts.len() - MAX_TOLD) as u64;
        note(format!("and {}", text::counted(more, "more warning")));
    }
}

fn of(request: &SubmitTasksRequest, written: &[Written]) -> BTreeSet<String> {
    let works = request
        .tasks
        .iter()
        .filter_map(|task| task.spec.as_ref()?.work.as_ref());
    let programs = works.filter_map(|work| match work {
        // A line may say the program.
        Work::Command(command) => elsewhere(command),
        Work::Prompt(_) => None,
    });
    let commands = written.iter().flat_map(|written| {
        [
            unread(&written.command),
            written
                .left()
                .zip(written.variable)
                .map(|(left, variable)| left.told(variable)),
            unused(written),
            split(&written.command),
        ]
    });
    programs.chain(commands.flatten()).collect()
}

/// A program that is looked for beside the command, in a directory that is empty.
fn elsewhere(command: &Command) -> Option<String> {
    let program = match shell_lines(&command.argv).first() {
        Some(line) if !line.is_wrapped && line.foreign.is_none() => {
            command.argv[line.at].split_whitespace().next()?
        }
        Some(_) | None => command.argv.first()?,
    };
    let is_a_path = program.contains('/') && !program.contains(['$', '=', '"', '\'', '(', '`', '*']);
    let is_relative = is_a_path && !program.starts_with(['/', '~']);
    (is_relative && command.cwd.is_empty()).then(|| {
        format!(
            "{program} is looked for in the fresh, empty directory of the attempt: give its whole path, or a \
             directory that is on the agent's machine, such as --cwd \"$PWD\" (`cwd:` in a job file)"
        )
    })
}

/// A variable in a command without a shell that would put its value there.
fn unread(command: &Command) -> Option<String> {
    if !shell_lines(&command.argv).is_empty() {
        return None;
    }
    let names = [
        LINE_VARIABLE,
        INDEX_VARIABLE,
        "SWARM_INPUTS",
        "SWARM_WORKDIR",
        "SWARM_TASK_ID",
    ];
    let is_in = |name: &&&str| {
        let forms = [format!("${name}"), format!("${{{name}")];
        command
            .argv
            .iter()
            .any(|word| forms.iter().any(|form| word.contains(form.as_str())))
    };
    let name = names.iter().find(is_in)?;
    let instead = match *name {
        LINE_VARIABLE | INDEX_VARIABLE => "write {} in its place, or ",
        _ => "",
    };
    Some(format!(
        "${name} is given to {} as it stands, for no shell reads this command: {instead}write the whole command \
         line as one word in quotes",
        command.argv.first()?
    ))
}

/// A line that is given to nobody by name. Tasks of numbers may well be the same, but for chance.
fn unused(written: &Written) -> Option<String> {
    let Command { argv, stdin, .. } = &written.command;
    if written.variable != Some(LINE_VARIABLE) {
        return None;
    }
    let names_it = |text: &str| {
        [LINE_VARIABLE, INDEX_VARIABLE]
            .iter()
            .any(|name| text.contains(name))
    };
    let is_used = argv.iter().any(|word| has_braces(word) || names_it(word))
        || names_it(&String::from_utf8_lossy(stdin));
    (!is_used).then(|| {
        format!(
            "no line is put into the command: {{}} stands for it there, and only a program that reads the variable \
             {LINE_VARIABLE} finds it without"
        )
    })
}

/// A line of a shell that is the path of a file with blanks in it, which the shell takes for several words.
fn split(command: &Command) -> Option<String> {
    let [shell, flag, line] = command.argv.as_slice() else {
        return None;
    };
    let is_split = shell == "sh" && flag == "-c" && line.contains(' ') && Path::new(line).is_file();
    is_split.then(|| {
        format!(
            "{line} is a file here, and the shell that reads a command of one word takes it for several: quote it \
             for the shell, too: \"{}\"",
            text::shell_word(line)
        )
    })
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{NewTask, TaskSpec};

    use super::*;

    /// The doubts about a command, which is that of a series if the item has a variable.
    fn doubts(argv: &[&str], cwd: &str, variable: Option<&'static str>) -> Vec<String> {
        let command = Command {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: cwd.to_owned(),
            ..Command::default()
        };
        let spec = TaskSpec {
            work: Some(Work::Command(command)),
            ..TaskSpec::default()
        };
        let written: Vec<Written> = Written::of(&spec, variable).into_iter().collect();
        let task = NewTask {
            spec: Some(spec),
            ..NewTask::default()
        };
        let request = SubmitTasksRequest {
            job: None,
            tasks: vec![task.clone(), task],
        };
        of(&request, &written).into_iter().collect()
    }

    #[test]
    fn a_relative_program_is_doubted_in_an_empty_directory_alone() {
        for argv in [&["./thumb.sh", "a"][..], &["sh", "-c", "bin/thumb a | sort"]] {
            assert!(
                doubts(argv, "", None)[0].contains("fresh, empty directory"),
                "{argv:?}"
            );
            assert!(doubts(argv, "/srv", None).is_empty(), "{argv:?}");
        }
        for argv in [
            &["/bin/true"][..],
            &["make", "a/b"],
            &["sh", "-c", "A=b/c make"],
            &["sh", "-c", "\"$HOME/bin/x\""],
            &["sh", "-c", "~/bin/x"],
            &["sh", "-c", ""],
            &[],
        ] {
            assert!(doubts(argv, "", None).is_empty(), "{argv:?}");
        }
    }

    #[test]
    fn what_no_shell_reads_is_doubted() {
        assert!(doubts(&["wc", "$ENTRY"], "", Some("ENTRY"))[0].starts_with("$ENTRY is given to wc"));
        assert!(
            doubts(&["cat", "${SWARM_INPUTS}/a"], "", None)[0].starts_with("$SWARM_INPUTS is given to cat")
        );
        assert!(doubts(&["sh", "-c", "wc \"$ENTRY\""], "", Some("ENTRY")).is_empty());
        assert!(doubts(&["sh", "-c", "awk '{}'"], "", Some("ENTRY"))[0].contains("\"$ENTRY\""));
        assert!(doubts(&["sh", "-c", "awk '{}'"], "", None).is_empty());
        for (argv, told) in [
            (&["sh", "-c", "cat <<E\n{}\nE"][..], "here-document"),
            (
                &["bash", "-e", "-c", "sh -c \"wc {}\""],
                "that starts another shell",
            ),
            (&["fish", "-c", "wc {}"], "in a line of fish"),
            (
                &["pwsh", "-NoProfile", "-c", "wc {}"],
                "write $env:ENTRY in its place",
            ),
            (
                &["sh", "-c", "awk '{}' $ENTRYPOINT $ARRAY_INDEX"],
                "in single quotes",
            ),
            (&["sh", "-c", "echo $(({}))"], "check that it is a number"),
            (
                &["sh", "-c", "find \"$ENTRY\" -exec wc {} +"],
                "in a line that has $ENTRY, too",
            ),
        ] {
            let doubts = doubts(argv, "", Some("ENTRY"));
            assert!(doubts[0].contains(told), "{argv:?}: {doubts:?}");
        }
        for line in ["wc \"$ENTRY\"", "find \"$ENTRY\" -exec wc \\{} +", "ls {} # {}"] {
            assert!(
                doubts(&["env", "sh", "-c", line], "", Some("ENTRY")).is_empty(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_that_is_put_nowhere_is_doubted_and_a_number_is_not() {
        for argv in [&["wc", "-l"][..], &["sh", "-c", "wc -l"], &["find", r"\{}"]] {
            let doubts = doubts(argv, "", Some("ENTRY"));
            assert!(
                doubts[0].starts_with("no line is put into the command"),
                "{argv:?}: {doubts:?}"
            );
        }
        for argv in [
            &["wc", "a{}"][..],
            &["sh", "-c", "wc \"$ENTRY\""],
            &["sh", "-c", "wc page-$ARRAY_INDEX"],
            &["awk", "BEGIN { print ENVIRON[\"ENTRY\"] }"],
        ] {
            assert!(doubts(argv, "", Some("ENTRY")).is_empty(), "{argv:?}");
        }
        assert!(doubts(&["train"], "/srv", Some("ARRAY_INDEX")).is_empty());
        assert!(doubts(&["wc"], "", None).is_empty());
    }
}
