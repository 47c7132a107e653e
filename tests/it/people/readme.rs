//! The README's first five minutes, typed as they stand there.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::harness::{
    PATIENCE,
    program::{Ended, Program, clean, programs, run},
    wait_at_most, wait_until,
};

/// What the tests of this repository do by themselves, or its own run of checks.
const NOT_TYPED: [&str; 5] = [
    "cargo run -p swarmctl -- dev --demo",
    "cargo build",
    "export PATH=$PWD/target/debug:$PATH",
    "cargo build --release",
    "export PATH=$PWD/target/release:$PATH",
];

/// The sentence behind which other machines type.
const ELSEWHERE: &str = "On another machine";

/// A line of the README that is typed.
struct Line {
    command: String,
    /// What its comment says in quotes: this is printed.
    told: Vec<String>,
    is_elsewhere: bool,
}

/// A part of the README.
fn part_of_readme(title: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let heading = format!("\n## {title}\n");
    let (_, part) = readme.split_once(&heading).expect("the README has that part");
    part.split_once("\n## ").map_or(part, |(part, _)| part).to_owned()
}

/// The lines that are typed in a part.
fn lines_of(part: &str) -> Vec<Line> {
    let mut is_elsewhere = false;
    let mut lines = Vec::new();
    let outside_of_files = part.split("```").step_by(2);
    for text in outside_of_files.flat_map(str::lines) {
        if let Some(typed) = text.strip_prefix("    ") {
            let (command, comment) = typed.split_once(" # ").unwrap_or((typed, ""));
            lines.push(Line {
                command: command.trim().to_owned(),
                told: comment.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
                is_elsewhere,
            });
        } else if !text.is_empty() {
            is_elsewhere = text.contains(ELSEWHERE);
        }
    }
    lines
}

/// Two machines in a network of their own, which a test can have whatever listens on this one.
struct Network {
    /// Lives as long as its input is open.
    keeper: Child,
    dir: TempDir,
}

impl Network {
    /// `None`, with a line that says so, where that is not permitted.
    fn make() -> Option<Network> {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["bin", "here", "elsewhere", "files"] {
            fs::create_dir(at(name)).unwrap();
        }
        for program in ["coordinator", "agent", "swarmctl"] {
            symlink(programs(), at("bin").join(program)).unwrap();
        }
        fs::write(at("hosts"), "127.0.0.1 localhost lab-1\n").unwrap();
        for (name, words) in [
            ("a.txt", "one\n"),
            ("b.txt", "one two\n"),
            ("c c.txt", "one two three\n"),
        ] {
            fs::write(at("files").join(name), words).unwrap();
        }
        let prepare = "ip link set lo up && mount --bind hosts /etc/hosts && echo ready && exec cat";
        let mut keeper = Command::new("unshare")
            .args(["-Urnm", "bash", "-c", prepare])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let network = Network { keeper, dir };
        if said == "ready\n" {
            return Some(network);
        }
        println!(
            "SKIPPED: cannot make a network of its own: unshare, ip and mount are needed, and the right to use them"
        );
        None
    }

    /// A command line as it is typed on one of the machines.
    fn typed(&self, line: &str, is_elsewhere: bool) -> Command {
        let at = |name: &str| self.dir.path().join(name);
        let home = at(if is_elsewhere { "elsewhere" } else { "here" });
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "-U", "-n", "-m", "-t"]);
        command.arg(self.keeper.id().to_string());
        command.args(["bash", "-c", "cd \"$1\" && eval \"$2\"", "bash"]);
        command.arg(at("files")).arg(line);
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let mut command = clean(command, &home);
        command.env("PATH", path);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Whether a line may be typed again until it says what the README says.
fn is_a_look(command: &str) -> bool {
    !["submit", "run", "cancel", "retry"]
        .iter()
        .any(|verb| command.contains(&format!("swarmctl {verb}")))
}

/// What is printed lacks of this.
fn missing(ended: &Ended, told: &[String]) -> Vec<String> {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    told.iter()
        .filter(|told| !said.contains(*told))
        .cloned()
        .collect()
}

/// The job files that a part shows, each by the name of its job.
fn job_files(part: &str) -> Vec<(String, String)> {
    let shown = part
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"));
    shown
        .map(|(text, _)| {
            let name = text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
            (format!("{name}.yaml"), text.to_owned())
        })
        .collect()
}

#[test]
fn the_first_five_minutes_go_as_the_readme_says() {
    let lines = lines_of(&part_of_readme("Five minutes"));
    assert!(
        lines.iter().any(|line| line.is_elsewhere),
        "nothing behind '{ELSEWHERE}'"
    );
    type_all(lines, &[]);
}

#[test]
fn a_first_task_goes_as_the_readme_says() {
    let part = part_of_readme("A first task");
    type_all(lines_of(&part), &job_files(&part));
}

/// Types lines in a directory with these files.
fn type_all(lines: Vec<Line>, files: &[(String, String)]) {
    let Some(network) = Network::make() else {
        return;
    };
    for (name, text) in files {
        fs::write(network.dir.path().join("files").join(name), text).unwrap();
    }
    let mut programs = Vec::new();
    for Line {
        command,
        told,
        is_elsewhere,
    } in lines
    {
        if NOT_TYPED.contains(&command.as_str()) {
            continue;
        }
        println!("$ {command}");
        let serves = command.strip_suffix('&').or(is_elsewhere.then_some(&command));
        if let Some(program) = serves {
            let log = network.dir.path().join(format!("log-{}", programs.len()));
            let mut typed = network.typed(&format!("exec {program}"), is_elsewhere);
            typed.stdout(Stdio::null());
            let started = Program::start(program, typed, &log, Signal::SIGTERM);
            wait_until("it is at work", || {
                [" serving ", " works for "]
                    .iter()
                    .any(|said| started.log().contains(said))
            });
            programs.push(started);
            continue;
        }
        let mut ended = run(network.typed(&command, is_elsewhere));
        if is_a_look(&command) {
            wait_at_most(PATIENCE, || {
                let lacks = !missing(&ended, &told).is_empty();
                if lacks {
                    ended = run(network.typed(&command, is_elsewhere));
                }
                (!lacks).then_some(())
            });
        }
        println!("{}{}", ended.stdout, ended.stderr);
        let missing = missing(&ended, &told);
        assert!(
            missing.is_empty(),
            "{command} does not say {missing:?}: {ended:?}"
        );
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!said.contains("error: unexpected"), "{command}: {said}");
        }
    }
}
