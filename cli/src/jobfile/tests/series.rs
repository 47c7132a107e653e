//! Series: many tasks written as one.

use std::fs;

use super::{Surroundings, accepted, command, faults, parse_in};
use crate::jobfile::{fault::Position, surroundings::lines_beside};

#[test]
fn an_array_becomes_a_task_for_each_number() {
    let file = accepted(
        "tasks:\n- {id: s, name: shard, array: '1-3:2', run: [work, '{}']}\n- {id: all, run: x, depends_on: shard}\n\
         - {id: one, run: x, depends_on: [s-3]}\n- {id: named, run: x, depends_on: [shard 1]}\n",
    );
    let ids: Vec<&str> = file
        .request
        .tasks
        .iter()
        .map(|task| task.task_id.as_str())
        .collect();
    assert_eq!(ids, ["s-1", "s-3", "all", "one", "named"]);
    let specs: Vec<_> = file
        .request
        .tasks
        .iter()
        .map(|task| task.spec.clone().unwrap())
        .collect();
    assert_eq!(command(&specs[1]).argv, ["work", "3"]);
    assert_eq!(command(&specs[1]).env["ARRAY_INDEX"], "3");
    assert_eq!(specs[1].name, "shard 3");
    let depends_on = |index: usize| -> Vec<&str> {
        specs[index]
            .depends_on
            .iter()
            .map(|on| on.task_id.as_str())
            .collect()
    };
    assert_eq!(depends_on(2), ["s-1", "s-3"]);
    assert_eq!((depends_on(3), depends_on(4)), (vec!["s-3"], vec!["s-1"]));
    assert!(file.external.is_empty());
    // What the coordinator says of a task is found at the entry that it comes from.
    assert_eq!(
        file.locate("tasks[3].spec.depends_on[0]"),
        Some(Position { line: 4, column: 34 })
    );
    assert_eq!(
        file.locate("tasks[1].task_id"),
        Some(Position { line: 2, column: 8 })
    );
}

#[test]
fn a_series_of_names_has_ids_of_its_own_and_can_run_again() {
    let text = "tasks: [{name: s, array: 1-2, run: x}, {name: t, run: y, depends_on: s}]";
    let (one, other) = (accepted(text).request, accepted(text).request);
    let on: Vec<&String> = one.tasks[2]
        .spec
        .iter()
        .flat_map(|spec| &spec.depends_on)
        .map(|on| &on.task_id)
        .collect();
    assert_eq!(on, [&one.tasks[0].task_id, &one.tasks[1].task_id]);
    assert_ne!(one.tasks[0].task_id, other.tasks[0].task_id);
}

#[test]
fn lines_come_from_a_list_or_from_a_file_beside_the_job_file() {
    let listed = accepted("tasks: [{id: l, each_line: [a b, c], run: 'wc {}'}]").request;
    let spec = listed.tasks[0].spec.clone().unwrap();
    assert_eq!(command(&spec).argv, ["sh", "-c", "wc \"$ENTRY\""]);
    assert_eq!(
        (command(&spec).env["ENTRY"].as_str(), spec.name.as_str()),
        ("a b", "a b")
    );

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lines.txt"), "a b\r\n\n#c\n").unwrap();
    let job_file = directory.path().join("job.yaml");
    let around = Surroundings {
        now: jiff::Timestamp::UNIX_EPOCH,
        lines: &|file| lines_beside(&job_file, file),
    };
    let read = |text: &str| parse_in(text, "f", "", around);
    let file = read("tasks: [{id: l, each_line: lines.txt, run: x}]").unwrap();
    let ids: Vec<&str> = file
        .request
        .tasks
        .iter()
        .map(|task| task.task_id.as_str())
        .collect();
    assert_eq!(ids, ["l-1", "l-3"]);
    let missing = read("tasks: [{each_line: nothing.txt, run: x}]")
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("f:1:21: `each_line`: cannot read "),
        "{missing}"
    );
    assert!(read("tasks: [{each_line: '-', run: x}]").is_err());
}

#[test]
fn faults_of_series_are_told_where_they_are() {
    for (text, expected) in [
        (
            "tasks: [{array: 5-1, run: x}]",
            "1:17: `array`: '5-1' is not a list of numbers such as 1-10, 1-9:2 or 3,7",
        ),
        (
            "tasks: [{array: 1-2, each_line: [a], run: x}]",
            "1:22: `each_line` and `array` say the same thing: keep one of them",
        ),
        (
            "tasks: [{each_line: [], run: x}]",
            "1:21: `each_line`: the list is empty",
        ),
        (
            "tasks: [{each_line: a.txt, run: x}]",
            "1:21: `each_line`: the lines of a.txt are read by `swarmctl submit -f` only",
        ),
        (
            "{defaults: {array: 1-2}, tasks: [{run: x}]}",
            "1:13: `array` has no meaning in `defaults`",
        ),
        (
            "tasks: [{array: 1-9999, run: x}, {array: 1-2, run: x}]",
            "1:8: 10001 tasks in one file; at most 10000",
        ),
        (
            "tasks: [{id: a, array: 1-2, run: x}, {id: a-2, run: x}]",
            "1:14: 'a-2' is both a task of its own and one of this series",
        ),
        (
            "tasks: [{id: a, array: 1-2, run: x, depends_on: a-1}]",
            "1:49: 'a' depends on itself",
        ),
        (
            "tasks: [{name: a, array: 0-1000, run: x}, {name: b, run: x, depends_on: a}]",
            "1:43: 'b' depends on 1001 tasks; at most 1000: put tasks in between that collect them",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
    let long = format!("tasks: [{{array: 1-9000, run: '{}'}}]", "x".repeat(1000));
    assert_eq!(
        faults(&long),
        ["1:9: with the 9000 tasks of this series there are more than 4194304 bytes: submit them in parts"]
    );
    let wide = format!(
        "tasks: [{{each_line: ['{}'], run: ['{}']}}]",
        "x".repeat(1000),
        "{}".repeat(1000)
    );
    assert_eq!(
        faults(&wide),
        ["1:9: the task of line 1 has more than 65536 bytes in all"]
    );
}
