//! What is refused before it is sent, in a dry run as in a submit, and what is doubted.

use std::fs;

use swarm_proto::v1::{Agent, task_spec::Work};

use crate::fake::{Ended, Fake, World};

fn one_agent(world: &mut World) {
    world.agents.push(Agent {
        agent_id: "lab".into(),
        executors: vec!["command".into()],
        ..Default::default()
    });
}

fn argv(fake: &Fake, task: usize) -> Vec<String> {
    let spec = fake.world().submits.last().unwrap().tasks[task]
        .spec
        .clone()
        .unwrap();
    match spec.work {
        Some(Work::Command(command)) => command.argv,
        other => panic!("no command: {other:?}"),
    }
}

#[test]
fn a_dry_run_and_a_submit_refuse_the_same() {
    let fake = Fake::start(one_agent);
    let long = "x".repeat(201);
    for (flags, expected) in [
        (
            &["--timeout", "45d"][..],
            "  --timeout: is 45 d, at most 30 d are allowed",
        ),
        (&["--timeout", "0"], "  --timeout: must be at least 1 ms"),
        (
            &["--retries", "101"],
            "  --retries: is 101, at most 100 are allowed",
        ),
        (&["--delay", "11000d"], "  --delay: "),
        (&["--name", &long], "  --name: "),
        (&["--queue", "a b"], "  --queue: "),
        (&["--cwd", "."], "this directory is --cwd \"$PWD\""),
        (&["--deadline", "2020-01-01"], "'2020-01-01' has passed"),
    ] {
        let ended = |dry: &[&str]| fake.ctl(&[&["submit"], flags, dry, &["--", "true"]].concat());
        let (submitted, tried) = (ended(&[]), ended(&["--dry-run"]));
        assert_eq!(
            (submitted.code, tried.code),
            (2, 2),
            "{flags:?}: {}",
            tried.stderr
        );
        assert_eq!(submitted.stderr, tried.stderr, "{flags:?}");
        assert!(tried.stderr.contains(expected), "{flags:?}: {}", tried.stderr);
    }
    let file = "tasks: [{run: x, timeout: 45d}, {run: y, deadline: 2020-01-01}]";
    let ended = |dry: &[&str]| fake.ctl_with(&[&["submit"], dry, &["-"]].concat(), file, &[]);
    let (submitted, tried) = (ended(&[]), ended(&["--dry-run"]));
    assert_eq!(submitted.stderr, tried.stderr);
    assert!(
        tried.stderr.contains("stdin:1:27: ") && tried.stderr.contains("has passed"),
        "{}",
        tried.stderr
    );
    assert!(fake.world().submits.is_empty());
}

fn each_line(fake: &Fake, flags: &[&str], command: &[&str], lines: &str) -> Ended {
    let args = [
        &["submit", "--id", "s", "--each-line", "-"],
        flags,
        &["--"],
        command,
    ]
    .concat();
    fake.ctl_with(&args, lines, &[])
}

#[test]
fn lines_of_other_systems_lose_what_is_no_data() {
    let fake = Fake::start(one_agent);
    let lines = "\u{feff}a b\r\n#c\r\n";
    assert_eq!(each_line(&fake, &[], &["wc", "{}"], lines).code, 0);
    assert_eq!(
        (argv(&fake, 0), argv(&fake, 1)),
        (vec!["wc".into(), "a b".into()], vec!["wc".into(), "#c".into()])
    );
    let fake = Fake::start(one_agent);
    assert_eq!(each_line(&fake, &["--comments"], &["wc", "{}"], lines).code, 0);
    assert_eq!(fake.world().submits.last().unwrap().tasks.len(), 1);
    assert_eq!(fake.ctl(&["submit", "--comments", "--", "true"]).code, 2);
}

#[test]
fn braces_stand_for_the_line_or_the_number() {
    let fake = Fake::start(one_agent);
    assert_eq!(each_line(&fake, &[], &["wc {} | sort"], "a\n").code, 0);
    assert_eq!(argv(&fake, 0), ["sh", "-c", "wc \"$ENTRY\" | sort"]);
    let ended = fake.ctl(&["submit", "--array", "1-2", "--", "seq", "{}"]);
    assert_eq!((ended.code, argv(&fake, 1)), (0, vec!["seq".into(), "2".into()]));
}

#[test]
fn no_shell_of_a_command_reads_a_line_as_commands() {
    let fake = Fake::start(one_agent);
    let hostile = "x; touch owned\n";
    for (command, expected) in [
        (&["bash", "-e", "-c", "wc -l {}"][..], "wc -l \"$ENTRY\""),
        (&["timeout", "5", "sh", "-c", "wc -l {}"], "wc -l \"${ENTRY?}\""),
        (&["ssh", "lab", "wc", "{}"], "x; touch owned"),
    ] {
        let ended = fake.ctl_with(
            &[&["submit", "--each-line", "-", "--"], command].concat(),
            hostile,
            &[],
        );
        assert_eq!(
            (ended.code, ended.stderr.contains("warning")),
            (0, false),
            "{}",
            ended.stderr
        );
        assert_eq!(argv(&fake, 0).last().unwrap(), expected, "{command:?}");
    }
    for (command, told) in [
        (
            &["pwsh", "-NoProfile", "-c", "wc {}"][..],
            "write $env:ENTRY in its place in a line of pwsh",
        ),
        (
            &["fish", "--command", "wc {}"],
            "write \"$ENTRY\" in its place in a line of fish",
        ),
        (
            &["n=$(bash -c \"wc -l {}\")"],
            "in a line that starts another shell",
        ),
        (&["echo $(( {} + 1 ))"], "where a shell may compute with it"),
        (
            &["find \"$ENTRY\" -exec wc {} +"],
            "or \\{} where another program such as find reads it",
        ),
    ] {
        let ended = fake.ctl_with(
            &[&["submit", "--each-line", "-", "--"], command].concat(),
            hostile,
            &[],
        );
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("warning: {} stays as it is "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert_eq!(
            argv(&fake, 0).last(),
            command.last().map(|line| (*line).to_owned()).as_ref()
        );
    }
    let ended = each_line(&fake, &[], &["cat <<E\n{}\nE"], "a\n");
    assert!(
        ended
            .stderr
            .contains("warning: {} stays as it is in a line with a here-document"),
        "{}",
        ended.stderr
    );
}

#[test]
fn commands_that_are_probably_wrong_are_doubted_once() {
    let fake = Fake::start(one_agent);
    let ended = each_line(&fake, &[], &["./thumb.sh", "$ENTRY", "out"], "a\nb\n");
    assert_eq!(ended.code, 0);
    for doubt in [
        "./thumb.sh is looked for in the fresh, empty directory",
        "$ENTRY is given to ./thumb.sh as it stands",
    ] {
        let told = format!("warning: {doubt}");
        assert_eq!(
            ended.stderr.matches(&told).count(),
            1,
            "{doubt}: {}",
            ended.stderr
        );
    }
    let ended = fake.ctl(&["submit", "--cwd", "/srv", "--", "./thumb.sh", "a"]);
    assert!(!ended.stderr.contains("warning:"), "{}", ended.stderr);
}

#[test]
fn a_series_without_its_line_is_doubted_and_lines_that_look_like_variables_are_not() {
    let fake = Fake::start(one_agent);
    let told = "warning: no line is put into the command: {} stands for it";
    let ended = each_line(&fake, &[], &["wc", "-l"], "a\nb\n");
    assert_eq!(
        (ended.code, ended.stderr.matches(told).count()),
        (0, 1),
        "{}",
        ended.stderr
    );
    let file = "tasks: [{id: s, each_line: [a, b], run: wc -l}, {run: wc -l}]";
    let ended = fake.ctl_with(&["submit", "--dry-run", "-"], file, &[]);
    assert_eq!(ended.stderr.matches(told).count(), 1, "{}", ended.stderr);

    for command in [&["wc", "{}"][..], &["wc \"$ENTRY\""]] {
        let ended = each_line(&fake, &[], command, "$ENTRY.txt\n${ARRAY_INDEX}\n");
        assert!(!ended.stderr.contains("warning"), "{command:?}: {}", ended.stderr);
    }
    each_line(&fake, &[], &["find", "{}", "-exec", "wc", r"\{}", ";"], "d\n");
    assert_eq!(argv(&fake, 0), ["find", "d", "-exec", "wc", "{}", ";"]);
}

#[test]
fn a_file_whose_name_a_shell_would_split_is_doubted() {
    let fake = Fake::start(one_agent);
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("my prog");
    fs::write(&program, "").unwrap();
    let program = program.to_str().unwrap();
    let ended = fake.ctl(&["submit", "--", program]);
    let told = format!("warning: {program} is a file here");
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("too: \"'{program}'\"\n")),
        "{}",
        ended.stderr
    );
    for words in [&[program, "x"][..], &[&format!("'{program}'")], &["my prog"]] {
        let ended = fake.ctl(&[&["submit", "--"], words].concat());
        assert!(!ended.stderr.contains("warning"), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn a_dry_run_shows_the_command_and_what_holds_for_it() {
    let fake = Fake::start(one_agent);
    let ended = fake.ctl(&[
        "submit",
        "--id",
        "a",
        "--dry-run",
        "--retries",
        "1",
        "--",
        "sleep",
        "15000",
    ]);
    assert_eq!(
        ended.stdout,
        "ID  COMMAND      QUEUE    PRIORITY  TIMEOUT  RETRIES\na   sleep 15000  default         0       1h        1\n",
        "{}",
        ended.stderr
    );
    let many = "x\n".repeat(130);
    let ended = each_line(&fake, &["--dry-run"], &["wc"], &many);
    assert_eq!(ended.stdout.lines().count(), 101);
    assert!(ended.stderr.contains("and 30 more tasks\n"), "{}", ended.stderr);
}

#[test]
fn the_lines_of_a_job_file_are_beside_it() {
    let fake = Fake::start(one_agent);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lines.txt"), "a\nb\n").unwrap();
    let file = directory.path().join("job.yaml");
    fs::write(&file, "tasks: [{id: s, each_line: lines.txt, run: [wc, '{}']}]").unwrap();
    let ended = fake.ctl(&["submit", "-q", "-f", file.to_str().unwrap()]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "s-1\ns-2\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(argv(&fake, 1), ["wc", "b"]);
}

#[test]
fn fields_that_nobody_acts_on_are_said() {
    let fake = Fake::start(one_agent);
    let file = "tasks: [{run: x, budget: {max: 1}, phase: 2, description: d}, {run: y, phase: 3}]";
    let ended = fake.ctl_with(&["submit", "-"], file, &[]);
    for line in [
        "`budget` of 1 task has no meaning here yet; kept in metadata\n",
        "`phase` of 2 tasks has no meaning here yet; kept in metadata\n",
    ] {
        assert!(ended.stderr.contains(line), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("description"), "{}", ended.stderr);
}
