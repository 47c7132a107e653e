//! `swarmctl dev`: a whole swarm from one command, and nothing left of it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::harness::{
    PATIENCE,
    program::{Program, args, command, run},
    wait_until, workspace_root,
};

/// `swarmctl dev` with its files in `dir`, which its environment and that of all it starts names.
fn dev(dir: &Path, words: &[&str]) -> Command {
    let mut command = command("swarmctl", dir);
    command
        .env("TMPDIR", dir)
        .current_dir(workspace_root())
        .arg("dev")
        .args(args(words));
    command
}

/// Processes whose environment names this directory.
fn processes_of(dir: &Path) -> Vec<String> {
    let mark = dir.to_str().unwrap().as_bytes();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| {
            fs::read(entry.path().join("environ"))
                .is_ok_and(|env| env.windows(mark.len()).any(|part| part == mark))
        })
        .map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        })
        .collect()
}

#[test]
fn the_demo_prints_its_report_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();

    let ended = run(dev(dir.path(), &["--demo", "--exit-when-done"])).expect(0);

    for member in ["proto", "agent", "cli", "coordinator", "tests"] {
        assert!(
            ended.stdout.contains(member),
            "no {member} in the report:\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
    }
    assert_eq!(processes_of(dir.path()), [] as [&str; 0]);
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Starts `dev` and waits until it serves; gives the address.
fn start(dir: &Path) -> (Program, String) {
    let data = dir.join("data");
    let mut command = dev(dir, &["--listen", "127.0.0.1:0", "--agents", "1", "--data-dir"]);
    command.arg(&data).stdout(Stdio::null());
    let program = Program::start("swarmctl dev", command, &dir.join("dev.log"), Signal::SIGINT);
    let mut address = None;
    wait_until("dev says what to type next", || {
        let log = program.log();
        address = log.lines().find_map(|line| {
            let rest = line.split_once("--coordinator ")?.1;
            rest.split_whitespace().next().map(str::to_owned)
        });
        address.is_some()
    });
    (program, address.unwrap())
}

#[test]
fn an_interrupted_dev_ends_with_success_keeps_its_data_and_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let (mut program, address) = start(dir.path());
    let ran =
        crate::harness::swarmctl::swarmctl(&address, dir.path(), &["run", "--", "echo", "works"]).expect(0);
    assert_eq!(ran.stdout, "works\n");

    program.signal(Signal::SIGINT);

    assert_eq!(program.wait(PATIENCE), 0);
    assert_eq!(processes_of(dir.path()), [] as [&str; 0]);
    assert!(dir.path().join("data").is_dir());
}

/// The process id of the agent that runs in this directory's `dev`.
fn agent_of(dir: &Path) -> Option<Pid> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mark = dir.to_str().unwrap();
    let mut pids = entries.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_agent = line.starts_with("agent --coordinator") && line.contains(mark);
        is_agent
            .then(|| entry.file_name().to_str()?.parse().ok())
            .flatten()
            .map(Pid::from_raw)
    });
    pids.next()
}

#[test]
fn an_agent_of_dev_that_is_killed_is_started_again_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let (mut program, address) = start(dir.path());
    wait_until("the agent is there", || agent_of(dir.path()).is_some());
    let killed = agent_of(dir.path()).unwrap();
    let run = |word: &str| {
        crate::harness::swarmctl::swarmctl(&address, dir.path(), &["run", "--", "echo", word]).expect(0)
    };
    run("before");

    kill(killed, Signal::SIGKILL).unwrap();

    wait_until("another agent is there", || {
        agent_of(dir.path()).is_some_and(|pid| pid != killed)
    });
    assert_eq!(run("after").stdout, "after\n");
    let log = program.log();
    assert!(
        log.contains("agent-1 was killed by SIGKILL; starting it again"),
        "{log}"
    );
    program.signal(Signal::SIGINT);
    assert_eq!(program.wait(PATIENCE), 0);
    assert_eq!(processes_of(dir.path()), [] as [&str; 0]);
}

#[test]
fn what_a_killed_dev_had_started_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (mut program, _) = start(dir.path());
    assert!(processes_of(dir.path()).len() >= 3);

    program.kill();

    wait_until("its children have ended", || processes_of(dir.path()).is_empty());
}
