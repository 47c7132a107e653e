//! The demo's tasks: one for each part and measure, and a report that waits for them all.

use std::{collections::BTreeMap, env, io, path::Path};

use swarm_proto::v1::{
    Command, Dependency, DependencyCondition, NewJob, NewTask, SubmitTasksRequest, TaskSpec, task_spec::Work,
};

use super::project::{self, Project};
use crate::program::value;

/// The end of a shell pipeline for each measure of a crate. The pipeline's beginning prints the crate's sources.
const CRATE_MEASURES: &[Measure] = &[
    Measure {
        title: "lines",
        count: "wc -l",
    },
    Measure {
        title: "tests",
        count: r"grep -cE '^[ 	]*#\[(tokio::)?test'",
    },
    Measure {
        title: "comments",
        count: "grep -cE '^[ 	]*//'",
    },
    Measure {
        title: "public items",
        count: "grep -cE '^[ 	]*pub (async |const |unsafe )*(fn|struct|enum|trait|type|mod|static|const) '",
    },
];

/// The same for any other directory.
const DIRECTORY_MEASURES: &[Measure] = &[
    Measure {
        title: "lines",
        count: "wc -l",
    },
    Measure {
        title: "words",
        count: "wc -w",
    },
    Measure {
        title: "bytes",
        count: "wc -c",
    },
];

/// Prints part, measure and number. `$1` is the part, `$2` the measure, and the other arguments are those of `find`;
/// COUNT is the measure's pipeline. grep exits with 1 when it counts none, which is an answer too.
const MEASURE: &str = r#"part=$1 measure=$2; shift 2
number=$(find "$@" -exec cat {} + | { COUNT || true; })
printf '%s\t%s\t%d\n' "$part" "$measure" "$number""#;

const REPORT: &str = include_str!("report.sh");

/// Depth and file size to which an unknown directory is searched.
const DIRECTORY_BOUNDS: [&str; 4] = ["-maxdepth", "4", "-size", "-2048k"];

/// Characters that make the ids of each demo its own.
const ID_LENGTH: usize = 4;

/// Characters of a part's name in an id.
const MAX_NAME_CHARS: usize = 80;

struct Measure {
    title: &'static str,
    count: &'static str,
}

/// The request of the demo, with words for its messages.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) request: SubmitTasksRequest,
    /// The task that prints the report.
    pub(crate) report: String,
    /// The project in a sentence.
    pub(crate) project: String,
}

impl Demo {
    /// Plans the demo over the project around the current directory. Every plan has ids of its own.
    ///
    /// # Errors
    ///
    /// When the current directory cannot be read, or there are no random bytes.
    pub(crate) fn plan() -> anyhow::Result<Demo> {
        let here = env::current_dir()?;
        let project = project::find(&here).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot look into {}: {error}", here.display()),
            )
        })?;
        let id = value::generate_id().map_err(anyhow::Error::msg)?;
        Ok(of_project(&project, &id[..ID_LENGTH]))
    }
}

fn of_project(project: &Project, id: &str) -> Demo {
    let measures = if project.is_workspace {
        CRATE_MEASURES
    } else {
        DIRECTORY_MEASURES
    };
    let mut tasks = Vec::new();
    for part in &project.parts {
        for measure in measures {
            let mut argv = shell(&MEASURE.replace("COUNT", measure.count));
            argv.extend([part.clone(), measure.title.to_owned()]);
            argv.extend(where_to_look(project, part));
            let mut task_id = format!("{id}.{}", readable_id(&format!("{part}.{}", measure.title)));
            if tasks.iter().any(|task: &NewTask| task.task_id == task_id) {
                task_id = format!("{task_id}.{}", tasks.len());
            }
            tasks.push(task(
                &task_id,
                format!("{part}: {}", measure.title),
                argv,
                &project.root,
            ));
        }
    }

    let report = format!("{id}.report");
    let titles: Vec<&str> = measures.iter().map(|measure| measure.title).collect();
    let mut argv = shell(REPORT);
    argv.push(titles.join(","));
    let mut last = task(&report, "report".to_owned(), argv, &project.root);
    if let Some(spec) = &mut last.spec {
        let dependency = |task: &NewTask| Dependency {
            task_id: task.task_id.clone(),
            condition: DependencyCondition::Succeeded.into(),
        };
        spec.depends_on = tasks.iter().map(dependency).collect();
    }
    tasks.push(last);

    let kind = match (project.is_workspace, project.parts.len()) {
        (true, 1) => "crate",
        (true, _) => "crates",
        (false, 1) => "directory",
        (false, _) => "directories",
    };
    let job = NewJob {
        job_id: format!("{id}.demo"),
        name: "demo".to_owned(),
        labels: BTreeMap::new(),
    };
    Demo {
        request: SubmitTasksRequest {
            job: Some(job),
            tasks,
        },
        report,
        project: format!("{} {kind} of {}", project.parts.len(), project.root.display()),
    }
}

/// Text as a part of an id; characters that no id can have become dashes.
fn readable_id(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        }
    };
    text.chars().take(MAX_NAME_CHARS).map(plain).collect()
}

/// A script for a shell, with its arguments.
fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
}

/// The arguments of `find`: the part without build results and without the parts inside it.
fn where_to_look(project: &Project, part: &str) -> Vec<String> {
    // A part's name may begin with a dash.
    let path = |part: &str| format!("./{part}");
    let mut words = vec![path(part)];
    if !project.is_workspace {
        words.extend(DIRECTORY_BOUNDS[..2].iter().map(|&word| word.to_owned()));
    }
    words.extend(["(", "-name", "target", "-o", "-name", ".git"].map(str::to_owned));
    for inner in project
        .parts
        .iter()
        .filter(|other| Path::new(other) != Path::new(part))
    {
        if Path::new(inner).starts_with(part) {
            words.extend(["-o".to_owned(), "-path".to_owned(), path(inner)]);
        }
    }
    words.extend([")", "-prune", "-o", "-type", "f"].map(str::to_owned));
    if project.is_workspace {
        words.extend(["-name", "*.rs"].map(str::to_owned));
    } else {
        words.extend(DIRECTORY_BOUNDS[2..].iter().map(|&word| word.to_owned()));
    }
    words
}

fn task(task_id: &str, name: String, argv: Vec<String>, root: &Path) -> NewTask {
    let command = Command {
        argv,
        cwd: root.display().to_string(),
        ..Command::default()
    };
    let spec = TaskSpec {
        work: Some(Work::Command(command)),
        name,
        ..TaskSpec::default()
    };
    NewTask {
        task_id: task_id.to_owned(),
        spec: Some(spec),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::*;

    /// Runs a task as an agent would, with its dependencies' outputs in a directory.
    fn output(task: &NewTask, inputs: &Path) -> String {
        let Some(Work::Command(command)) = &task.spec.as_ref().unwrap().work else {
            panic!("no command")
        };
        let output = process::Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .current_dir(&command.cwd)
            .env("SWARM_INPUTS", inputs)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{:?}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn report(project: &Project) -> String {
        let inputs = tempfile::tempdir().unwrap();
        let demo = of_project(project, "x");
        let (last, tasks) = demo.request.tasks.split_last().unwrap();
        assert_eq!(last.spec.as_ref().unwrap().depends_on.len(), tasks.len());
        for task in tasks {
            fs::write(inputs.path().join(&task.task_id), output(task, inputs.path())).unwrap();
        }
        output(last, inputs.path())
    }

    #[test]
    fn crates_are_measured_without_the_crates_inside_them() {
        let dir = tempfile::tempdir().unwrap();
        for part in ["outer/src", "outer/inner/src", "outer/target", "-odd one"] {
            fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        let source = "//! A crate.\npub fn a() {}\n\n#[test]\nfn t() {}\n";
        for file in [
            "outer/src/lib.rs",
            "outer/inner/src/lib.rs",
            "outer/inner/src/two words.rs",
            "outer/target/x.rs",
        ] {
            fs::write(dir.path().join(file), source).unwrap();
        }
        let project = Project {
            root: dir.path().to_owned(),
            is_workspace: true,
            parts: ["-odd one", "outer", "outer/inner"].map(str::to_owned).to_vec(),
        };
        let table: Vec<Vec<String>> = report(&project)
            .lines()
            .map(|line| {
                line.split("  ")
                    .filter(|cell| !cell.is_empty())
                    .map(|cell| cell.trim().to_owned())
                    .collect()
            })
            .collect();
        assert_eq!(
            table,
            [
                vec!["lines", "tests", "comments", "public items"],
                vec!["-odd one", "0", "0", "0", "0"],
                vec!["outer", "5", "1", "1", "1"],
                vec!["outer/inner", "10", "2", "2", "2"],
                vec!["total", "15", "3", "3", "3"],
            ]
        );
    }

    #[test]
    fn any_directory_can_be_measured() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes"), "one two\nthree\n").unwrap();
        let project = Project {
            root: dir.path().to_owned(),
            is_workspace: false,
            parts: vec![".".to_owned()],
        };
        let report = report(&project);
        let total: Vec<&str> = report.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(total, ["total", "2", "3", "14"]);
    }
}
