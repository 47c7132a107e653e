//! `swarmctl dev` beside another one: a taken port, a used directory.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn dev(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
    command
        .arg("dev")
        .args(args)
        .current_dir(dir)
        .env("XDG_CONFIG_HOME", dir)
        .env("XDG_DATA_HOME", dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Starts a swarm that stays up. Returns its notes until it was up.
fn start(dir: &Path, args: &[&str]) -> (Child, BufReader<ChildStderr>, String) {
    let mut child = dev(dir, args).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("It stays up until Ctrl-C") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended:\n{said}");
    }
    (child, stderr, said)
}

fn interrupt(mut child: Child) -> Option<i32> {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_taken_port_is_avoided() {
    let dir = tempfile::tempdir().unwrap();
    // This listener takes the usual port, unless another process has it.
    let taken = TcpListener::bind("127.0.0.1:50051");
    let (child, _stderr, said) = start(dir.path(), &["--agents", "0"]);
    assert!(!said.contains(":50051"), "{said}");
    assert_eq!(interrupt(child), Some(0));
    drop(taken);
}

#[test]
fn a_child_that_ends_by_itself_is_told_with_the_end_of_its_log() {
    let dir = tempfile::tempdir().unwrap();
    // A coordinator that dev did not start has the data.
    let mut first = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
    let data = dir.path().join("swarm/dev/coordinator");
    first
        .arg0("coordinator")
        .args(["--listen", "127.0.0.1:0", "--data-dir"]);
    let mut first = first
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(first.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");

    let second = dev(dir.path(), &["--listen", "127.0.0.1:0"]).output().unwrap();

    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{told}");
    assert!(
        told.starts_with("error: coordinator ended with exit status: 3"),
        "{told}"
    );
    assert!(told.lines().count() > 1, "{told}");
    first.kill().unwrap();
    first.wait().unwrap();
}

fn wait_for_lines(log: &Path) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = fs::read(log).unwrap();
        if !lines.is_empty() {
            return lines;
        }
        assert!(Instant::now() < deadline, "{} stays empty", log.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_second_dev_on_a_directory_is_refused_and_leaves_the_logs_of_the_first_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _stderr, _) = start(dir.path(), &["--listen", "127.0.0.1:0", "--agents", "0"]);
    let log = dir.path().join("swarm/dev/logs/coordinator.log");
    // The coordinator listens before it writes its first line.
    let before = wait_for_lines(&log);

    let second = dev(dir.path(), &["--listen", "127.0.0.1:0"]).output().unwrap();

    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{told}");
    assert!(told.starts_with("error: another swarmctl dev uses "), "{told}");
    assert!(fs::read(&log).unwrap().starts_with(&before));
    assert_eq!(interrupt(first), Some(0));
}

#[test]
fn what_is_said_to_type_next_can_be_typed_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--agents",
        "1",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let (child, mut stderr, _) = start(dir.path(), &args);
    let mut typed = Vec::new();
    loop {
        let mut line = String::new();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "it ended after {typed:?}"
        );
        // The last one does not end by itself.
        if line.trim_end().ends_with(" events -f") {
            break;
        }
        typed.push(line.trim().to_owned());
    }
    assert_eq!(typed.len(), 4, "{typed:?}");
    for line in &typed {
        let mut shell = Command::new("sh");
        let ended = shell.args(["-c", line]).current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{line}: {said}");
    }
    assert_eq!(interrupt(child), Some(0));
}

/// What a demo shows on a terminal.
fn shown_demo(dir: &Path) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).unwrap();
    let mut command = dev(dir, &["--demo", "--exit-when-done"]);
    command.stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    // A terminal whose last user is gone answers with an error instead of an end.
    let _ = File::from(pty.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}

#[test]
fn the_demo_is_a_board_on_a_terminal_and_lines_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes"), "one two\n").unwrap();
    for part in ["one", "two", "three"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    let shown = shown_demo(dir.path());
    let (board, report) = shown.split_once("all succeeded; the report:").unwrap();
    // Ten tasks: three directories, three measures, and the report.
    let last = board.rsplit("\u{1b}[J").nth(1).unwrap();
    for expected in ["dev-", "■", "waiting", "10 of 10 tasks ended", "10 succeeded"] {
        assert!(last.contains(expected), "{expected} is not in {last:?}");
    }
    assert!(report.contains("words") && report.contains("total"), "{report}");

    let mut command = dev(dir.path(), &["--demo", "--exit-when-done"]);
    let lines = command.stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(lines.stderr).unwrap();
    assert!(
        !said.contains('\u{1b}') && said.contains("lease_granted       task one: lines ("),
        "{said}"
    );
    assert!(said.contains(") started attempt 1 on agent dev-"), "{said}");
}
