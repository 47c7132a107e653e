//! Colours on demand, and no control sequences from outside.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use nix::pty::{Winsize, openpty};
use swarm_proto::v1::{Agent, Output, TaskResult, TaskState};

use crate::fake::{Fake, World};

/// Sets a title, clears the screen, and does both again with C1 characters.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{9d}0;x\u{9c}\rx";

fn hostile_task(world: &mut World) {
    let task = world.task("a", TaskState::Failed);
    task.reason = HOSTILE.into();
    task.spec.as_mut().unwrap().name = HOSTILE.into();
    world.becomes("a", TaskState::Failed);
    world.events[0].summary = HOSTILE.into();
}

/// The output of a successful command on a terminal, which may have a width.
pub fn on_a_terminal(mut command: Command, columns: Option<u16>) -> String {
    let size = columns.map(|ws_col| Winsize {
        ws_row: 24,
        ws_col,
        ws_xpixel: 0,
        ws_ypixel: 0,
    });
    let pty = openpty(size.as_ref(), None).unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(pty.slave.try_clone().unwrap())
        .stderr(pty.slave)
        .spawn()
        .unwrap();
    // The command holds the terminal's other end; without it, reading ends with the program.
    drop(command);
    let mut shown = Vec::new();
    // A terminal whose last user is gone answers with an error instead of an end.
    let _ = File::from(pty.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}

/// The stdout of a command on a terminal with a width; the command may fail.
pub fn stdout_on_a_terminal(mut command: Command, columns: u16) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(pty.slave)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(command);
    let mut shown = Vec::new();
    let _ = File::from(pty.master).read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

/// The output of a command on a terminal where a person types, and its exit code.
pub fn typed_on_a_terminal(mut command: Command, typed: &str) -> (String, i32) {
    let pty = openpty(None, None).unwrap();
    let mut child = command
        .stdin(pty.slave.try_clone().unwrap())
        .stdout(pty.slave.try_clone().unwrap())
        .stderr(pty.slave)
        .spawn()
        .unwrap();
    drop(command);
    let mut terminal = File::from(pty.master);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut shown = Vec::new();
    let _ = terminal.read_to_end(&mut shown);
    (
        String::from_utf8(shown).unwrap(),
        child.wait().unwrap().code().unwrap(),
    )
}

#[test]
fn a_table_fits_its_terminal() {
    let fake = Fake::start(|world| {
        let task = world.task("k3v7q2mzdh", TaskState::Failed);
        task.reason = "failed 3 times, and a long sentence about why it did".into();
        task.spec.as_mut().unwrap().name = "a name that is far longer than anybody has room for".into();
    });
    for columns in [60, 80, 200] {
        let shown = on_a_terminal(fake.command(&["list", "--color", "never"]), Some(columns));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines[1].contains("k3v7q2mzdh  ✘ failed"), "{shown}");
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() <= usize::from(columns)),
            "{columns}:\n{shown}"
        );
        assert_eq!(shown.contains('…'), columns < 200, "{shown}");
    }
}

#[test]
fn followed_events_and_the_bar_do_not_mix() {
    let fake = Fake::start(|world| {
        world.agents.push(Agent::default());
        world.then(|world| {
            for id in ["a", "b"] {
                world.becomes(id, TaskState::Running);
            }
            for id in ["a", "b"] {
                world.becomes(id, TaskState::Succeeded);
            }
        });
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.yaml");
    std::fs::write(&path, "tasks: [{id: a, run: x}, {id: b, run: x}]\n").unwrap();
    let submit = fake.command(&["submit", "-q", "--follow", "-f", path.to_str().unwrap()]);
    let shown = on_a_terminal(submit, Some(100));
    assert!(shown.contains("/2 ended"), "no bar: {shown:?}");
    for event in ["a: lease_granted", "b: lease_granted", "a: task_succeeded"] {
        let (before, after) = shown.split_once(event).unwrap();
        assert!(after.starts_with("\r\n"), "{after:?}");
        let line = before.rsplit(['\n', '\r']).next().unwrap();
        assert!(!line.contains("ended"), "the bar is on the line: {line:?}");
    }
}

#[test]
fn a_pipe_gets_no_escape_bytes() {
    let fake = Fake::start(hostile_task);
    for args in [
        &["list"][..],
        &["list", "-o", "json"],
        &["inspect", "a"],
        &["inspect", "a", "-o", "jsonl"],
        &["events"],
        &["events", "-o", "jsonl"],
        &["wait", "a"],
        &["status"],
    ] {
        for env in [
            &[][..],
            &[("NO_COLOR", "1")],
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
        ] {
            let ended = fake.ctl_with(args, "", env);
            for text in [&ended.stdout, &ended.stderr] {
                let bad = text.chars().find(|c| c.is_control() && *c != '\n');
                assert_eq!(bad, None, "{args:?} {env:?}: {text:?}");
            }
        }
    }
}

#[test]
fn what_a_task_printed_is_cleaned_for_a_terminal_and_only_for_one() {
    let fake = Fake::start(|world| {
        let output = Output {
            stdout: HOSTILE.into(),
            stderr: HOSTILE.into(),
            ..Default::default()
        };
        world.task("a", TaskState::Succeeded).result = Some(TaskResult {
            attempt: 1,
            output: Some(output),
        });
    });
    let shown = on_a_terminal(fake.command(&["logs", "a"]), None);
    assert_eq!(shown, "]0;owned2J0;xx]0;owned2J0;xx");

    let piped = fake.ctl(&["logs", "a"]);
    assert_eq!((piped.stdout.as_str(), piped.stderr.as_str()), (HOSTILE, HOSTILE));
}

#[test]
fn colours_can_be_forced_and_are_for_states_and_headings() {
    let fake = Fake::start(hostile_task);
    for (args, env) in [
        (&["list", "--color", "always"][..], &[][..]),
        (&["list"], &[("CLICOLOR_FORCE", "1")]),
    ] {
        let ended = fake.ctl_with(args, "", env);
        assert!(
            ended.stdout.contains("\u{1b}[31m✘ failed\u{1b}[0m"),
            "{:?}",
            ended.stdout
        );
        // The headings are faint.
        assert!(ended.stdout.starts_with("\u{1b}[2mWHAT"), "{:?}", ended.stdout);
        assert_eq!(ended.stdout.matches('\u{1b}').count(), 4, "{:?}", ended.stdout);
    }
    let plain = fake.ctl_with(&["list", "--color", "never"], "", &[("CLICOLOR_FORCE", "1")]);
    assert!(!plain.stdout.contains('\u{1b}'));
}

/// The words of every verb that is shown, with those of the verbs above it.
fn verbs_below(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let words = [words, &[verb.get_name().to_owned()]].concat();
        verbs_below(verb, &words, found);
        found.push(words);
    }
}

#[test]
fn the_help_of_every_verb_begins_with_examples() {
    let fake = Fake::start(|_| {});
    let mut verbs = vec![Vec::new()];
    verbs_below(&swarmctl::command_line(), &[], &mut verbs);
    assert!(verbs.len() > 40, "{verbs:?}");
    for verb in verbs {
        let words: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
        let help = fake.ctl(&words).stdout;
        assert!(help.starts_with("Examples:\n  "), "{verb:?}: {help}");
    }
}

#[test]
fn help_starts_with_three_examples() {
    let fake = Fake::start(|_| {});
    let verbs = [
        "dev", "submit", "run", "wait", "list", "inspect", "status", "events", "logs", "cancel", "retry",
        "job", "agent", "explain", "queue", "pause", "resume", "drain", "undrain", "stop",
    ];
    for verb in verbs
        .iter()
        .map(|verb| vec![*verb, "--help"])
        .chain([vec!["--help"]])
    {
        let ended = fake.ctl(&verb);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!((ended.code, lines[0]), (0, "Examples:"), "{verb:?}");
        assert!(
            lines[1..4].iter().all(|line| line.starts_with("  swarmctl ")),
            "{verb:?}: {}",
            ended.stdout
        );
    }
}
