//! The environment of a task's process: a few variables of the agent, the attempt's names and places, the task's own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::{attempt_key::AttemptKey, disk::workspace::AttemptDirectory};

/// The agent's own variables that a task sees, besides LC_*.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];
/// For an agent that has no PATH of its own.
const FALLBACK_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Bytes of the names of cut inputs: a variable of more than 128 KiB would keep the command from being started.
const MAX_CUT_BYTES: usize = 64 * 1024;

/// The whole environment of an attempt's process. Of two values of one variable the task's own counts.
pub(super) fn of(
    own: &BTreeMap<String, String>,
    key: &AttemptKey,
    job_id: &str,
    directory: &AttemptDirectory,
    cut: &[String],
) -> Vec<(OsString, OsString)> {
    environment(std::env::vars_os(), own, key, job_id, directory, cut)
}

fn environment(
    agents: impl Iterator<Item = (OsString, OsString)>,
    own: &BTreeMap<String, String>,
    key: &AttemptKey,
    job_id: &str,
    directory: &AttemptDirectory,
    cut: &[String],
) -> Vec<(OsString, OsString)> {
    let mut env = BTreeMap::from([(OsString::from("PATH"), OsString::from(FALLBACK_PATH))]);
    env.extend(agents.filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
    }));
    let told = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
    let path = |path: &Path| path.as_os_str().to_owned();
    env.extend([
        told("SWARM_TASK_ID", OsStr::new(&key.task_id)),
        told("SWARM_ATTEMPT", OsStr::new(&key.attempt.to_string())),
        told("SWARM_JOB_ID", OsStr::new(job_id)),
        told("SWARM_WORKDIR", &path(&directory.work())),
        told("SWARM_INPUTS", &path(&directory.inputs())),
    ]);
    if !cut.is_empty() {
        env.extend([told("SWARM_INPUTS_CUT", OsStr::new(&lines(cut)))]);
    }
    env.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    env.into_iter().collect()
}

/// The names of cut inputs, one a line. Those that have no room are counted in a line that is no file's name.
fn lines(names: &[String]) -> String {
    let mut lines = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            lines.push('\n');
        }
        if lines.len() + name.len() > MAX_CUT_BYTES {
            lines += &format!("… and {} more", names.len() - index);
            break;
        }
        lines += name;
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::workspace::{Bounds, Workspace};

    fn key() -> AttemptKey {
        AttemptKey {
            task_id: "t".to_owned(),
            attempt: 3,
        }
    }

    #[test]
    fn a_task_sees_its_own_environment_and_none_of_the_agents_secrets() {
        let place = tempfile::tempdir().unwrap();
        let bounds = Bounds { bytes: 0, free: None };
        let workspace = Arc::new(Workspace::new(place.path().to_owned(), "agent", bounds));
        let directory = AttemptDirectory::make(&workspace, &key(), false).unwrap();
        let agents = [
            ("PATH", "/bin"),
            ("HOME", "/home/x"),
            ("USER", "x"),
            ("TZ", "UTC"),
            ("TMPDIR", "/tmp"),
            ("LC_TIME", "C"),
            ("AWS_SECRET", "x"),
            ("SWARM_NAME", "y"),
            ("LANG", "C"),
        ];
        let agents = agents
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let own = BTreeMap::from([
            ("LANG".to_owned(), "de".to_owned()),
            ("A".to_owned(), "1".to_owned()),
        ]);
        let env = environment(agents, &own, &key(), "j", &directory, &[]);
        let names: Vec<_> = env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "A",
                "HOME",
                "LANG",
                "LC_TIME",
                "PATH",
                "SWARM_ATTEMPT",
                "SWARM_INPUTS",
                "SWARM_JOB_ID",
                "SWARM_TASK_ID",
                "SWARM_WORKDIR",
                "TMPDIR",
                "TZ",
                "USER"
            ]
        );
        assert!(env.contains(&("PATH".into(), "/bin".into())));
        assert!(env.contains(&("LANG".into(), "de".into())));
    }

    #[test]
    fn names_of_cut_inputs_are_lines_and_never_too_long_for_a_variable() {
        assert_eq!(
            lines(&["fetch".to_owned(), "the build".to_owned()]),
            "fetch\nthe build"
        );
        let blank = ["fetch ".to_owned(), "build ".to_owned()];
        assert_eq!(lines(&blank), "fetch \nbuild ", "a name of its own is changed");
        let many: Vec<String> = (0..1_000).map(|number| format!("{number:0>200}")).collect();
        let told = lines(&many);
        let named = told.lines().count() - 1;
        assert!(told.len() < MAX_CUT_BYTES + 200 && named > 300);
        assert_eq!(
            told.lines().last(),
            Some(&*format!("… and {} more", 1_000 - named))
        );
    }
}
