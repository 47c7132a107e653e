//! The standard input of a command that is submitted.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    process::{Command, Stdio},
};

use swarm_proto::v1::{Agent, TaskState, task_spec::Work};

use crate::fake::{Ended, Fake};

fn fake() -> Fake {
    Fake::start(|world| {
        world.agents.push(Agent {
            agent_id: "lab".into(),
            ..Default::default()
        });
        world.then(|world| world.becomes("r", TaskState::Succeeded));
    })
}

/// The input that reached the coordinator.
fn input(fake: &Fake) -> String {
    let spec = fake.world().submits.remove(0).tasks.remove(0).spec.unwrap();
    let Some(Work::Command(command)) = spec.work else {
        panic!("no command")
    };
    String::from_utf8(command.stdin).unwrap()
}

const RUN: &[&str] = &["run", "--id", "r"];

fn run(fake: &Fake, flags: &[&str], stdin: &str) -> Ended {
    fake.ctl_with(&[RUN, flags, &["--", "cat"]].concat(), stdin, &[])
}

#[test]
fn run_gives_the_command_what_is_piped_into_it() {
    let fake = fake();
    assert_eq!(run(&fake, &[], "hello\n").code, 0);
    assert_eq!(input(&fake), "hello\n");
}

#[test]
fn run_reads_a_file_but_neither_a_device_nor_what_a_shells_loop_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    fs::write(&path, "one\ntwo\n").unwrap();
    let with = |stdin: Stdio| {
        let fake = fake();
        let ended = fake
            .command(&[RUN, &["--", "cat"]].concat())
            .stdin(stdin)
            .output()
            .unwrap();
        assert!(ended.status.success());
        input(&fake)
    };
    assert_eq!(with(File::open(&path).unwrap().into()), "one\ntwo\n");
    assert_eq!(with(Stdio::null()), "");
    // `while read line; do swarmctl run …; done < list` has read the first line by now.
    let mut begun = File::open(&path).unwrap();
    begun.seek(SeekFrom::Start(4)).unwrap();
    assert_eq!(with(begun.try_clone().unwrap().into()), "");
    let mut rest = String::new();
    begun.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two\n", "the loop lost a line");
}

#[test]
fn run_can_be_told_to_leave_the_input_alone() {
    let fake = fake();
    assert_eq!(run(&fake, &["-n"], "hello\n").code, 0);
    assert_eq!(input(&fake), "");
}

#[test]
fn a_script_from_a_pipe_goes_on_behind_a_run_without_input() {
    for (flags, goes_on) in [("-n ", true), ("", false)] {
        let fake = fake();
        let swarmctl = env!("CARGO_BIN_EXE_swarmctl");
        let script = format!("'{swarmctl}' run {flags}--id r -- cat\necho behind\n");
        // A shell that reads no more than a line at a time from a pipe.
        let mut shell = Command::new("bash");
        shell.arg("-s").env("SWARM_COORDINATOR", fake.address.to_string());
        let ended = crate::fake::run(&mut shell, &script);
        assert_eq!(ended.stdout.contains("behind"), goes_on, "{}", ended.stderr);
        assert_eq!(input(&fake).contains("behind"), !goes_on);
    }
}

#[test]
fn a_submit_reads_its_input_when_the_flag_says_so() {
    let fake = fake();
    let ended = fake.ctl_with(&["submit", "--stdin-file", "-", "--", "cat"], "hello\n", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(input(&fake), "hello\n");
    fake.world().submits.clear();
    assert_eq!(fake.ctl_with(&["submit", "--", "cat"], "hello\n", &[]).code, 0);
    assert_eq!(input(&fake), "");
    let both = ["submit", "--stdin-file", "-", "--each-line", "-", "--", "cat"];
    assert_eq!(fake.ctl_with(&both, "a\n", &[]).code, 2);
}

#[test]
fn who_waits_for_an_input_is_told_of_flags_that_the_verb_has() {
    for (words, told) in [
        (
            &["submit", "--stdin-file", "-", "--", "cat"][..],
            "for --stdin-file - gives it to the command\n",
        ),
        (
            &["run", "--", "cat"],
            "for the command gets it; without input: --no-stdin\n",
        ),
    ] {
        let fake = fake();
        let mut child = fake
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, format!("reading standard input to its end, {told}"));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn an_input_over_the_limit_is_refused_with_its_size_before_anything_is_sent() {
    let fake = fake();
    let long = "x".repeat(100 * 1024);
    let ended = run(&fake, &[], &long);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.starts_with(
            "error: standard input has 100 KiB; a task has at most 64 KiB with its input\nhelp: "
        ),
        "{}",
        ended.stderr
    );
    // The command itself takes the last bytes.
    let ended = run(&fake, &[], &long[..64 * 1024]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("  --stdin-file: the task has 64.0 KiB with its input; a task has at most 64 KiB"),
        "{}",
        ended.stderr
    );
    assert!(fake.world().submits.is_empty());
}
