//! Commands that are probably not what was meant, although nothing forbids them.

use std::collections::BTreeSet;

use swarm_proto::{
    mask::{INDEX_VARIABLE, LINE_VARIABLE},
    v1::{Command, SubmitTasksRequest, task_spec::Work},
};

use crate::{
    jobfile::series::{BRACES, ShellLine, has_here_document, shell_lines, starts_a_shell, uses},
    output::text,
    program::terminal::note,
};

/// At most this many doubts are told; the tasks of a request mostly have the same ones.
const MAX_TOLD: usize = 5;

/// Warns of every doubt once.
pub(super) fn tell(request: &SubmitTasksRequest) {
    let doubts = of(request);
    doubts
        .iter()
        .take(MAX_TOLD)
        .for_each(|doubt| note(format!("warning: {doubt}")));
    if doubts.len() > MAX_TOLD {
        let more = (doubts.len() - MAX_TOLD) as u64;
        note(format!("and {}", text::counted(more, "more warning")));
    }
}

fn of(request: &SubmitTasksRequest) -> BTreeSet<String> {
    let works = request
        .tasks
        .iter()
        .filter_map(|task| task.spec.as_ref()?.work.as_ref());
    let commands = works.filter_map(|work| match work {
        Work::Command(command) => Some(command),
        Work::Prompt(_) => None,
    });
    commands
        .flat_map(|command| [elsewhere(command), unread(command), left(command)])
        .flatten()
        .collect()
}

/// A program that is looked for beside the command, in a directory that is empty.
fn elsewhere(command: &Command) -> Option<String> {
    let program = match shell_lines(&command.argv).first() {
        Some(line) if !line.is_wrapped => command.argv[line.at].split_whitespace().next()?,
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

/// The sign for the line of a series where it stays as it is, although nothing else says which line is meant.
fn left(command: &Command) -> Option<String> {
    let variable = match (
        command.env.contains_key(LINE_VARIABLE),
        command.env.contains_key(INDEX_VARIABLE),
    ) {
        (true, _) => LINE_VARIABLE,
        (false, true) => INDEX_VARIABLE,
        (false, false) => return None,
    };
    let lines = shell_lines(&command.argv);
    let line_of = |line: &ShellLine| command.argv[line.at].as_str();
    if lines.iter().any(|line| uses(line_of(line), variable)) {
        return None;
    }
    let left = lines.iter().find(|line| line_of(line).contains(BRACES))?;
    let line = line_of(left);
    Some(if left.is_foreign {
        format!("{{}} stays as it is in a line of this shell: write \"${variable}\" in its place")
    } else if has_here_document(line) {
        format!("{{}} stays as it is in a line with a here-document: write ${variable} in its place")
    } else if starts_a_shell(line) {
        format!("{{}} stays as it is where another shell reads it: write '… \"${variable}\" …' there")
    } else {
        format!("{{}} in single quotes stays as it is: write \"${variable}\" outside of them")
    })
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{NewTask, TaskSpec};

    use super::*;

    fn doubts(argv: &[&str], cwd: &str, env: &[&str]) -> Vec<String> {
        let command = Command {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: cwd.to_owned(),
            env: env
                .iter()
                .map(|name| ((*name).to_owned(), "x".to_owned()))
                .collect(),
            ..Command::default()
        };
        let task = NewTask {
            spec: Some(TaskSpec {
                work: Some(Work::Command(command)),
                ..TaskSpec::default()
            }),
            ..NewTask::default()
        };
        let request = SubmitTasksRequest {
            job: None,
            tasks: vec![task.clone(), task],
        };
        of(&request).into_iter().collect()
    }

    #[test]
    fn a_relative_program_is_doubted_in_an_empty_directory_alone() {
        for argv in [&["./thumb.sh", "a"][..], &["sh", "-c", "bin/thumb a | sort"]] {
            assert!(
                doubts(argv, "", &[])[0].contains("fresh, empty directory"),
                "{argv:?}"
            );
            assert!(doubts(argv, "/srv", &[]).is_empty(), "{argv:?}");
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
            assert!(doubts(argv, "", &[]).is_empty(), "{argv:?}");
        }
    }

    #[test]
    fn what_no_shell_reads_is_doubted() {
        assert!(doubts(&["wc", "$ENTRY"], "", &["ENTRY"])[0].starts_with("$ENTRY is given to wc"));
        assert!(
            doubts(&["cat", "${SWARM_INPUTS}/a"], "", &[])[0].starts_with("$SWARM_INPUTS is given to cat")
        );
        assert!(doubts(&["sh", "-c", "wc \"$ENTRY\""], "", &["ENTRY"]).is_empty());
        assert!(doubts(&["sh", "-c", "awk '{}'"], "", &["ENTRY"])[0].contains("\"$ENTRY\""));
        assert!(doubts(&["sh", "-c", "awk '{}'"], "", &[]).is_empty());
        for (argv, told) in [
            (&["sh", "-c", "cat <<E\n{}\nE"][..], "here-document"),
            (
                &["bash", "-e", "-c", "sh -c \"wc {}\""],
                "where another shell reads it",
            ),
            (&["fish", "-c", "wc {}"], "of this shell"),
            (
                &["sh", "-c", "awk '{}' $ENTRYPOINT $ARRAY_INDEX"],
                "in single quotes",
            ),
        ] {
            let doubts = doubts(argv, "", &["ENTRY", "ARRAY_INDEX"]);
            assert!(doubts[0].contains(told), "{argv:?}: {doubts:?}");
        }
        assert!(doubts(&["env", "sh", "-c", "wc \"$ENTRY\""], "", &["ENTRY"]).is_empty());
    }
}
