//! The README's first five minutes, typed as they stand there.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    os::unix::fs::{PermissionsExt as _, symlink},
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    harness::{
        PATIENCE,
        program::{Ended, Program, clean, programs, run},
        wait_at_most, wait_until, workspace_root,
    },
    markdown::{self, Kind},
};

/// How lines begin that make the programs: the tests have made them, and a run of all checks types the first one.
const NOT_TYPED: [&str; 2] = ["cargo ", "export PATH="];

/// Lines that end with another code than 0, because of what they ask for.
const OTHER_CODES: [(&str, i32); 1] = [("swarmctl wait sample", 1)];

/// The sentence behind which other machines type.
const ELSEWHERE: &str = "On another machine";

/// Files of the reader's that lines name, and what is in them.
const FILES: [(&str, &str); 5] = [
    ("a.txt", "one\n"),
    ("b.txt", "one two\n"),
    ("c c.txt", "one two three\n"),
    ("cat.jpg", "no picture"),
    ("thumb.sh", "#!/bin/sh\ntest -e \"$1\"\n"),
];

/// A line of the README that is typed.
struct Line {
    command: String,
    /// What its comment says in quotes: this is printed.
    told: Vec<String>,
    is_elsewhere: bool,
}

impl Line {
    /// What is not as the README says.
    fn fault(&self, ended: &Ended) -> Option<String> {
        let other = OTHER_CODES.iter().find(|(command, _)| *command == self.command);
        let code = other.map_or(0, |(_, code)| *code);
        if ended.code != code {
            return Some(format!("ends with {} and not with {code}", ended.code));
        }
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let mut missing = self.told.iter().filter(|told| !said.contains(*told));
        missing.next().map(|told| format!("does not say {told:?}"))
    }

    /// Whether it may be typed again until it says what the README says.
    fn is_a_look(&self) -> bool {
        !["submit", "run", "cancel", "retry"]
            .iter()
            .any(|verb| self.command.contains(&format!("swarmctl {verb}")))
    }
}

/// A part of the README.
fn part_of_readme(title: &str) -> String {
    let readme = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let heading = format!("\n## {title}\n");
    let (_, part) = readme.split_once(&heading).expect("the README has that part");
    part.split_once("\n## ").map_or(part, |(part, _)| part).to_owned()
}

/// The lines that are typed in a part.
fn lines_of(part: &str) -> Vec<Line> {
    let mut is_elsewhere = false;
    let mut lines = Vec::new();
    for block in markdown::blocks(part) {
        if block.kind == Kind::Prose {
            is_elsewhere = block.text().contains(ELSEWHERE);
        }
        lines.extend(block.typed_lines().map(|(command, comment)| Line {
            command: command.to_owned(),
            told: comment.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
            is_elsewhere,
        }));
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
        for (name, words) in FILES {
            let file = at("files").join(name);
            fs::write(&file, words).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
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

/// The job files that a part shows, each by the name of its job.
fn job_files(part: &str) -> Vec<(String, String)> {
    let blocks = markdown::blocks(part);
    let shown = blocks.iter().filter(|block| block.kind == Kind::Fenced("yaml"));
    shown
        .map(|block| {
            let mut lines = block.lines.iter();
            let name = lines.find_map(|line| line.strip_prefix("name: ")).unwrap();
            (format!("{name}.yaml"), block.lines.join("\n"))
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
    let mut files = job_files(&part);
    files.push(("names.txt".to_owned(), "b\na\nb\n".to_owned()));
    type_all(lines_of(&part), &files);
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
    for begin in NOT_TYPED {
        let is_there = lines.iter().any(|line| line.command.starts_with(begin));
        assert!(is_there, "no line begins with '{begin}': none has to be left out");
    }
    for line in lines {
        let Line {
            command,
            is_elsewhere,
            ..
        } = &line;
        if NOT_TYPED.iter().any(|begin| command.starts_with(begin)) {
            continue;
        }
        println!("$ {command}");
        let serves = command.strip_suffix('&').or(is_elsewhere.then_some(command));
        if let Some(program) = serves {
            let log = network.dir.path().join(format!("log-{}", programs.len()));
            let mut typed = network.typed(&format!("exec {program}"), *is_elsewhere);
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
        let mut ended = run(network.typed(command, *is_elsewhere));
        if line.is_a_look() {
            wait_at_most(PATIENCE, || {
                let has_fault = line.fault(&ended).is_some();
                if has_fault {
                    ended = run(network.typed(command, *is_elsewhere));
                }
                (!has_fault).then_some(())
            });
        }
        println!("{}{}", ended.stdout, ended.stderr);
        if let Some(fault) = line.fault(&ended) {
            panic!("{command} {fault}: {ended:?}");
        }
    }
}

#[test]
fn each_line_that_ends_with_another_code_is_in_the_readme() {
    let parts = ["Five minutes", "A first task"].map(part_of_readme);
    let lines: Vec<Line> = parts.iter().flat_map(|part| lines_of(part)).collect();
    for (command, _) in OTHER_CODES {
        let is_there = lines.iter().any(|line| line.command == command);
        assert!(is_there, "nobody is told to type '{command}'");
    }
}
