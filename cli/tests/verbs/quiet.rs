//! What is said besides what was asked for: nothing with `-q`, no hints where a program reads, and no lines of ours
//! between a command's own.

use std::process::Stdio;

use serde_json::Value;
use swarm_proto::v1::{Agent, Attempt, AttemptOutcome, Job, Output, TaskResult, TaskState};

use crate::{
    fake::{Fake, World},
    terminal::on_a_terminal,
};

/// An agent, and a task `r` that ends in this state as soon as somebody waits for it.
fn a_run(state: TaskState, stdout: &'static [u8], exit_code: Option<i32>) -> Fake {
    Fake::start(move |world: &mut World| {
        world.agents.push(Agent {
            agent_id: "lab".into(),
            ..Default::default()
        });
        world.then(move |world| {
            let task = &mut world.tasks[0];
            task.result = Some(TaskResult {
                attempt: 1,
                output: Some(Output {
                    stdout: stdout.to_vec(),
                    stdout_bytes: stdout.len() as u64,
                    ..Default::default()
                }),
            });
            task.attempts = vec![Attempt {
                attempt: 1,
                agent_id: "lab".into(),
                outcome: AttemptOutcome::Failed.into(),
                failure_reason: "spawn".into(),
                message: "cannot start it".into(),
                exit_code,
                ..Default::default()
            }];
            world.becomes("r", state);
        });
    })
}

#[test]
fn a_quiet_submit_prints_ids_and_nothing_else() {
    // Nobody is there to run it, which is told to people.
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["submit", "-q", "--id", "t1", "--", "./thumb.sh"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "t1\n", "")
    );
    let file = "name: n\ntasks: [{id: a, run: x, budget: 3}]\n";
    let ended = fake.ctl_with(&["submit", "-q", "-"], file, &[]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("a\n", ""));
    let refused = fake.ctl(&["submit", "-q", "--id", "bad id", "--", "true"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.starts_with("error: --id: "), "{}", refused.stderr);
}

#[test]
fn where_a_program_reads_there_are_no_hints() {
    let fake = a_run(TaskState::Succeeded, b"", None);
    for format in ["json", "jsonl", "yaml", "name"] {
        let ended = fake.ctl(&["submit", "-o", format, "--", "true"]);
        assert!(!ended.stderr.contains("next:"), "{format}: {}", ended.stderr);
    }
}

#[test]
fn a_program_reads_errors_as_json_too() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["-o", "json", "inspect", "nosuch"]);
    let error: Value = serde_json::from_str(&ended.stderr).unwrap_or_else(|_| panic!("{}", ended.stderr));
    assert_eq!((&error["exit_code"], ended.code), (&4.into(), 4));
    assert!(error["error"].as_str().unwrap().contains("nosuch"), "{error}");
    assert!(
        error["help"][0].as_str().unwrap().contains("swarmctl list"),
        "{error}"
    );
    let ended = fake.ctl_with(
        &["-o", "json", "submit", "-"],
        "tasks: [{run: x, colour: 1}]",
        &[],
    );
    let error: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert!(
        error["faults"][0]
            .as_str()
            .unwrap()
            .starts_with("stdin:1:18: unknown field"),
        "{error}"
    );
}

#[test]
fn every_verb_tells_nothing_besides_ids_and_no_hints_where_a_program_reads() {
    let fake = Fake::start(|world| {
        world.agents.push(Agent {
            agent_id: "lab".into(),
            ..Default::default()
        });
        world.task("done", TaskState::Succeeded);
        world.task("bad", TaskState::Failed);
        world.task("waits", TaskState::Queued);
        world.jobs.push(Job {
            job_id: "j".into(),
            task_count: 30,
            ..Default::default()
        });
    });
    for verb in [
        &["wait", "done"][..],
        &["wait", "bad"],
        &["logs", "waits"],
        &["list", "-n", "1"],
        &["list", "--queue", "none"],
        &["job", "show", "j"],
        &["events", "-n", "1"],
        &["cancel", "--state", "running", "--yes"],
        &["retry", "j"],
        &["pause"],
        &["resume"],
        &["drain", "lab"],
        &["undrain", "lab"],
        &["queue", "pause", "slow"],
        &["queue", "limit", "slow", "3"],
        &["agent", "pause", "lab"],
        &["stop", "--yes"],
    ] {
        let quiet = fake.ctl(&[verb, &["-q"]].concat());
        assert_eq!(quiet.stderr, "", "{verb:?}");
        for format in ["json", "jsonl", "yaml"] {
            let ended = fake.ctl(&[verb, &["-o", format]].concat());
            for hint in [
                "help:",
                "to give work again",
                "to let it work",
                "shows them",
                "swarmctl ",
            ] {
                assert!(
                    !ended.stderr.contains(hint),
                    "{verb:?} -o {format}: {}",
                    ended.stderr
                );
            }
        }
    }
}

#[test]
fn failures_of_every_kind_are_json_where_a_program_reads() {
    let fake = Fake::start(|world| {
        world.agents.push(Agent {
            agent_id: "lab".into(),
            ..Default::default()
        });
        world.task("waits", TaskState::Queued);
    });
    for (args, code, sentence, help) in [
        (
            &["-o", "json", "submit", "--id", "waits", "--", "true"][..],
            11,
            "nothing was submitted",
            "swarmctl wait waits",
        ),
        (
            &["wait", "waits", "--timeout", "1ms", "-o", "jsonl"],
            5,
            "not all had ended after ",
            "to wait again: swarmctl wait waits",
        ),
        (
            &["list", "--output=json", "--stat", "failed"],
            2,
            "unexpected argument '--stat' found",
            "Usage: swarmctl list",
        ),
        (&["-ojson", "lits"], 2, "unrecognized subcommand 'lits'", "list"),
        (
            &["submit", "--cron", "daily", "-o", "json", "--", "true"],
            2,
            "unexpected argument '--cron' found",
            "there are no schedules: let cron run swarmctl submit, or use --not-before and --delay",
        ),
        (
            &["inspect", "", "-o", "json"],
            2,
            "invalid value '' for '<ID>'",
            "try '--help'",
        ),
    ] {
        let ended = fake.ctl(args);
        let error: Value = serde_json::from_str(ended.stderr.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("{args:?}: {}", ended.stderr));
        assert_eq!(
            (ended.code, &error["exit_code"]),
            (code, &code.into()),
            "{args:?}: {error}"
        );
        assert!(
            error["error"].as_str().unwrap().contains(sentence),
            "{args:?}: {error}"
        );
        assert!(error["help"].to_string().contains(help), "{args:?}: {error}");
    }
    // A command's own words ask for nothing.
    let ended = fake.ctl(&["submit", "--nosuch", "--", "curl", "-o", "json"]);
    assert!(
        ended.stderr.starts_with("error: unexpected argument"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_run_that_went_well_is_silent_where_nobody_watches() {
    for flags in [&["run"][..], &["run", "-q"]] {
        let fake = a_run(TaskState::Succeeded, b"abc", None);
        let ended = fake.ctl(&[flags, &["--id", "r", "--", "printf", "abc"]].concat());
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, "abc", ""),
            "{flags:?}"
        );
    }
}

#[test]
fn a_quiet_run_that_failed_says_nothing_but_when_the_code_is_not_the_tasks() {
    let fake = a_run(TaskState::Failed, b"out\n", Some(3));
    let ended = fake.ctl(&["run", "-q", "--id", "r", "--", "false"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (3, "out\n", "")
    );
    let fake = a_run(TaskState::Failed, b"", None);
    let ended = fake.ctl(&["run", "-q", "--id", "r", "--", "false"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("exit code 1 is swarmctl's"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_second_night_of_a_run_with_an_id_has_an_exit_code_that_cron_sees() {
    let fake = a_run(TaskState::Succeeded, b"first night\n", None);
    let run = ["run", "-q", "--id", "r", "--", "./backup"];
    assert_eq!(fake.ctl(&run).code, 0);
    let second = fake.ctl(&run);
    assert_eq!((second.code, second.stdout.as_str()), (11, ""));
    assert_eq!(
        second.stderr,
        "error: nothing was submitted, for all of it was there before: r (succeeded)\n\
         help: give another --id, or bring the ended task back: swarmctl retry r\n\
         help: what it printed then: swarmctl logs r\n"
    );
    // While the first is at work, the second waits for it.
    let fake = a_run(TaskState::Succeeded, b"out\n", None);
    fake.world().task("r", TaskState::Running);
    let attached = fake.ctl(&run);
    assert_eq!(
        (attached.code, attached.stdout.as_str()),
        (0, "out\n"),
        "{}",
        attached.stderr
    );
}

#[test]
fn on_a_terminal_the_last_line_of_run_is_a_line_of_its_own() {
    let fake = a_run(TaskState::Succeeded, b"abc", None);
    let shown = on_a_terminal(fake.command(&["run", "--id", "r", "--", "printf", "abc"]), None);
    let lines: Vec<&str> = shown.lines().collect();
    let at = lines
        .iter()
        .position(|line| *line == "abc")
        .unwrap_or_else(|| panic!("{shown:?}"));
    assert!(lines[at + 1].starts_with("task r succeeded"), "{shown:?}");
}

#[test]
fn bytes_that_are_no_text_stand_in_json_as_they_are() {
    let fake = a_run(TaskState::Succeeded, b"\x90\xffa", None);
    let ended = fake
        .command(&["-o", "json", "run", "--id", "r", "--", "x"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let task: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let output = &task["result"]["output"];
    assert_eq!(output["stdout_base64"], "kP9h");
    assert!(output.get("stderr_base64").is_none(), "{output}");
    let ended = fake.ctl(&[
        "inspect",
        "r",
        "--fields",
        "result.output.stdout_base64",
        "-o",
        "json",
    ]);
    assert!(ended.stdout.contains("kP9h"), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_submit_of_many_tasks_shows_a_hundred_to_people_and_all_to_programs() {
    let fake = a_run(TaskState::Succeeded, b"", None);
    let ended = fake.ctl(&["submit", "--id", "s", "--array", "1-250", "--", "true"]);
    assert_eq!(ended.stdout.lines().count(), 101);
    assert!(ended.stderr.contains("and 150 more tasks\n"), "{}", ended.stderr);
    let ended = fake.ctl(&["submit", "-q", "--id", "t", "--array", "1-250", "--", "true"]);
    assert_eq!(ended.stdout.lines().count(), 250);
}
