//! Log lines as JSON: every line of both programs is an object, and a field means the same in both.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;
use serde_json::Value;
use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::shell_task,
    coordinator::Coordinator,
    program::{command, run},
    workspace_root,
};

/// The fields that the log library adds to every line.
const OF_EACH_LINE: [&str; 3] = ["timestamp", "level", "message"];

/// The fields that CONTRIBUTING.md lists: each line of its list begins with one or more names.
fn listed_fields() -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace_root().join("CONTRIBUTING.md")).unwrap();
    let section = text.split("## Log lines\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| {
        let names = row.split('|').next().unwrap().split('`');
        names.map(|name| name.trim_matches([' ', ',']).to_owned())
    })
    .filter(|name| !name.is_empty())
    .collect()
}

#[track_caller]
fn read(log: &str) -> Vec<BTreeMap<String, Value>> {
    let listed = listed_fields();
    assert!(listed.len() > 5, "{listed:?}");
    let lines: Vec<BTreeMap<String, Value>> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for own in OF_EACH_LINE {
            assert!(line[own].is_string(), "{line:?}");
        }
        let time = line["timestamp"].as_str().unwrap();
        assert!(
            time.len() > 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z'),
            "{time}"
        );
        let unlisted: Vec<_> = line
            .keys()
            .filter(|key| !OF_EACH_LINE.contains(&key.as_str()) && !listed.contains(*key))
            .collect();
        assert!(
            unlisted.is_empty(),
            "CONTRIBUTING.md does not list {unlisted:?}: {line:?}"
        );
    }
    lines
}

#[track_caller]
fn find<'a>(
    lines: &'a [BTreeMap<String, Value>],
    message: &str,
    task: Option<&str>,
) -> &'a BTreeMap<String, Value> {
    let is_it = |line: &&BTreeMap<String, Value>| {
        line["message"].as_str().unwrap().starts_with(message)
            && task.is_none_or(|task| line.get("task_id").is_some_and(|id| id == task))
    };
    lines
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("no '{message}': {lines:#?}"))
}

#[test]
fn every_log_line_is_an_object_with_listed_fields() {
    let flags = ["--log-format", "json", "--log-level", "debug"];
    let mut coordinator = Coordinator::with(&flags);
    let mut agent = RealAgent::start(&coordinator, "a", &[&flags[..], &["--slots", "2"]].concat());
    let client = coordinator.client();
    client.submit(vec![shell_task("good", "true"), shell_task("bad", "exit 7")]);
    client.wait_for_state("good", TaskState::Succeeded);
    client.wait_for_event("bad", "attempt_failed");
    agent.program().signal(Signal::SIGTERM);
    assert_eq!(agent.program().wait(PATIENCE), 0);
    assert_eq!(coordinator.stop(PATIENCE), 0);

    let of_agent = read(&agent.program().log());
    let begins = find(&of_agent, "begins", Some("good"));
    assert!(
        begins["attempt"] == 1 && begins["queue"] == "default",
        "{begins:?}"
    );
    let failed = find(&of_agent, "failed", Some("bad"));
    assert!(
        failed["reason"] == "exit" && failed["duration_ms"].is_u64(),
        "{failed:?}"
    );
    assert!(find(&of_agent, "a works for", None)["agent_id"].is_string());

    let of_coordinator = read(&coordinator.program().log());
    assert!(find(&of_coordinator, "serving", None)["address"].is_string());
    find(&of_coordinator, "stopped; everything is on disk", None);
}

#[test]
fn the_last_line_of_a_verb_of_an_agent_that_fails_is_an_object_whatever_is_filtered() {
    let home = tempfile::tempdir().unwrap();
    for filter in ["info", "h2=debug"] {
        let mut command = command("agent", home.path());
        command.args([
            "--log-format",
            "json",
            "--log-level",
            filter,
            "man",
            "/proc/no/such",
        ]);
        let ended = run(command);
        assert_ne!(ended.code, 0);
        let last = read(&ended.stderr).pop().unwrap();
        assert_eq!(last["level"], "ERROR", "{last:?}");
        assert!(
            last["message"].as_str().unwrap().contains("/proc/no/such"),
            "{last:?}"
        );
    }
}

#[test]
fn the_last_line_of_a_coordinator_that_cannot_go_on_is_an_object_too() {
    let coordinator = Coordinator::start();
    let data = coordinator.data_dir();
    let home = tempfile::tempdir().unwrap();
    for (more, code, said, told) in [
        (&["--listen", "127.0.0.1:0"][..], 3, "data directory", ""),
        (&["--lease-ttl", "1ms"], 78, "--lease-ttl", ""),
        (&["--listen", "0.0.0.0:0"], 78, "plaintext", "--insecure"),
    ] {
        let mut command = command("coordinator", home.path());
        command.args(["--log-format", "json", "--data-dir"]).arg(&data);
        command.args(more);
        let ended = run(command).expect(code);
        let lines = read(&ended.stderr);
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{last:?}");
        assert!(last["message"].as_str().unwrap().contains(said), "{last:?}");
        let help = last.get("help").and_then(Value::as_str).unwrap_or_default();
        assert!(help.contains(told), "{last:?}");
    }
}
