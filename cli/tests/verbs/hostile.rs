//! A hostile coordinator: whatever it answers, no verb lets it steer the terminal or forge a line.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::CommandFactory as _;
use nix::pty::openpty;
use swarm_proto::reason::Reason;
use swarmctl::args::Program;
use tonic::Code;

use crate::{
    fake::hostility::Hostility,
    golden::{CASES, ENVIRONMENT, fake, verbs},
};

/// Verbs that ask a coordinator and have no golden file.
const MORE: &[&[&str]] = &[
    &["bench", "--only", "submit", "--tasks", "2"],
    &["complete-ids", "swarmctl", "wait", ""],
    &[
        "cancel",
        "--all",
        "--dry-run",
        "--fields",
        "id,spec.labels,reason",
    ],
    &["events", "--since", "1h"],
    &["export", "--format", "amplifier"],
    &["export", "--format", "execution_log.jsonl"],
    &["status", "--fields", "holds"],
    &["cancel", "nosuch"],
    &["submit", "--follow", "--id", "new", "--", "echo", "hi"],
    &["wait", "fetch", "build", "--progress", "--timeout", "1s"],
];

/// Verbs that ask no coordinator.
const EXCEPTIONS: &[&str] = &["completions", "config list", "dev", "man"];

/// Verbs whose stdout and stderr have what a task printed: a file or a pipe gets it unchanged, as `--help` says.
const OUTPUTS: &[&str] = &["logs", "run"];

/// Of the others, wide is laid out as table, jsonl is written as json, and ids are lines of a table.
const FORMATS: &[&str] = &["table", "json", "yaml"];

/// A verb that waits for something that a hostile answer hides is ended.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

fn cases() -> impl Iterator<Item = &'static [&'static str]> {
    let golden = CASES.iter().map(|(_, args)| *args);
    golden.chain(MORE.iter().copied())
}

/// Runs a command until it ends, or for long enough.
fn output(child: Child, mut stdout: impl std::io::Read + Send + 'static) -> String {
    let (mut child, (done, ended)) = (child, mpsc::channel());
    let mut stderr = child.stderr.take();
    let of_stdout = thread::spawn(move || {
        let mut bytes = Vec::new();
        // A terminal whose last user is gone answers with an error instead of an end.
        let _ = stdout.read_to_end(&mut bytes);
        let _ = done.send(());
        bytes
    });
    let of_stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stderr) = &mut stderr {
            let _ = stderr.read_to_end(&mut bytes);
        }
        bytes
    });
    if ended.recv_timeout(LONG_ENOUGH).is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    let bytes = [of_stdout.join().unwrap(), of_stderr.join().unwrap()].concat();
    String::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}"))
}

fn piped(mut command: Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    output(child, stdout)
}

fn on_a_terminal(mut command: Command) -> String {
    let pty = openpty(None, None).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(pty.slave.try_clone().unwrap())
        .stderr(pty.slave)
        .spawn()
        .unwrap();
    drop(command);
    output(child, File::from(pty.master))
}

/// What must not pass, in the output of a verb; nothing when all is well.
fn passed(args: &[&str], shown: &str, is_terminal: bool) -> Option<String> {
    // A bar of ours goes back over its line and clears it.
    let ours = |c: char| is_terminal && matches!(c, '\r' | '\u{1b}');
    let steering = shown
        .chars()
        .find(|c| swarm_proto::terminal::steers(*c) && !matches!(c, '\n' | '\t') && !ours(*c));
    if let Some(c) = steering {
        return Some(format!("U+{:04X} passes", u32::from(c)));
    }
    ["\u{1b}]", "\u{1b}[2J"]
        .iter()
        .find(|sequence| shown.contains(**sequence))
        .map(|sequence| format!("{sequence:?} passes"))
        .or_else(|| {
            // What a task printed keeps its lines.
            let has_outputs = args.iter().any(|word| OUTPUTS.contains(word));
            let is_forged = shown.lines().any(|line| line.starts_with("FORGED")) && !has_outputs;
            is_forged.then(|| "a line is forged".to_owned())
        })
}

/// Runs cases side by side, each against a coordinator of its own, and fails with all that let something pass.
fn run(cases: &[(Vec<&'static str>, Hostility, bool)]) {
    let halves = cases.chunks(cases.len().div_ceil(3).max(1));
    let found: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = halves
            .map(|half| {
                scope.spawn(move || {
                    let mut found = Vec::new();
                    for (args, hostility, is_terminal) in half {
                        let fake = fake(args);
                        fake.world().hostility = hostility.clone();
                        let mut command = fake.command(&[]);
                        command
                            .envs(ENVIRONMENT.iter().copied())
                            .env("NO_COLOR", "1")
                            .env("SWARM_RETRY_FOR", "0s")
                            .args(args);
                        let shown = if *is_terminal {
                            on_a_terminal(command)
                        } else {
                            piped(command)
                        };
                        if let Some(why) = passed(args, &shown, *is_terminal) {
                            found.push(format!("{args:?} {hostility:?}: {why}:\n{shown:?}"));
                        }
                    }
                    found
                })
            })
            .collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

fn with_format(format: &'static str, args: &[&'static str]) -> Vec<&'static str> {
    [&["-o", format][..], args].concat()
}

#[test]
fn no_word_of_a_hostile_coordinator_steers_a_terminal_in_any_format() {
    let all: Vec<_> = cases()
        .flat_map(|args| {
            let outputs = if OUTPUTS.contains(&args[0]) {
                Hostility::Words
            } else {
                Hostility::WordsAndOutputs
            };
            let formats = FORMATS.iter().map(|format| with_format(format, args));
            formats.map(move |args| (args, outputs.clone(), false))
        })
        .collect();
    run(&all);
}

#[test]
fn nor_does_any_text_at_all() {
    let all: Vec<_> = cases()
        .flat_map(|args| {
            let is_raw = OUTPUTS.contains(&args[0]);
            let piped = (!is_raw).then(|| (args.to_vec(), Hostility::Texts, false));
            let shown = [Hostility::WordsAndOutputs, Hostility::Texts].map(|how| (args.to_vec(), how, true));
            piped.into_iter().chain(shown)
        })
        .collect();
    run(&all);
}

#[test]
fn nor_does_any_refusal() {
    let refused = [Reason::FieldInvalid, Reason::EventsTrimmed].map(Hostility::Refuses);
    let failed = [Code::Internal, Code::Unavailable].map(Hostility::Fails);
    let hostile: Vec<Hostility> = refused.into_iter().chain(failed).collect();
    let of_each = cases().flat_map(|args| hostile.iter().map(|how| (args.to_vec(), how.clone(), false)));
    let reasons = Reason::ALL.iter().map(|reason| {
        let args = vec!["submit", "--id", "new", "--", "true"];
        (args, Hostility::Refuses(*reason), false)
    });
    let all: Vec<_> = of_each.chain(reasons).collect();
    run(&all);
}

#[test]
fn every_verb_is_tried() {
    let mut left = BTreeSet::new();
    verbs(&Program::command(), "", &mut left);
    for verb in EXCEPTIONS {
        left.remove(*verb);
    }
    for args in cases() {
        let typed = args.join(" ");
        left.retain(|verb| typed != *verb && !typed.starts_with(&format!("{verb} ")));
    }
    assert!(
        left.is_empty(),
        "verbs that no hostile coordinator is asked by: {left:?}"
    );
}
