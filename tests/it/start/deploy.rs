//! What is shipped beside the programs fits them: units name flags that exist, and stop as the programs do.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use crate::harness::{
    program::{Ended, command, run},
    workspace_root,
};

/// A unit file as its lines `section`, `key`, `value`.
struct Unit {
    path: PathBuf,
    lines: Vec<(String, String, String)>,
}

impl Unit {
    fn read(name: &str) -> Unit {
        let path = workspace_root().join("deploy").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let (mut section, mut lines) = (String::new(), Vec::new());
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => section = name.to_owned(),
                None => {
                    let (key, value) = line
                        .split_once('=')
                        .unwrap_or_else(|| panic!("{line:?} in {name}"));
                    lines.push((section.clone(), key.to_owned(), value.to_owned()));
                }
            }
        }
        Unit { path, lines }
    }

    #[track_caller]
    fn value(&self, section: &str, key: &str) -> &str {
        let found = self.lines.iter().rfind(|line| line.0 == section && line.1 == key);
        found
            .map(|line| line.2.as_str())
            .unwrap_or_else(|| panic!("no {key} in {}", self.path.display()))
    }

    /// The program's name and its arguments.
    fn command_line(&self) -> (String, Vec<String>) {
        let mut words = self
            .value("Service", "ExecStart")
            .split_whitespace()
            .map(str::to_owned);
        let program = words.next().unwrap();
        let name = program
            .strip_prefix("/usr/local/bin/")
            .expect("the documented place of the programs");
        (name.to_owned(), words.collect())
    }
}

/// Has the program read these arguments without doing anything.
fn read_by(program: &str, args: &[String]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(program, home.path());
    command.args(args).arg("--help");
    run(command)
}

#[test]
fn the_units_start_the_programs_with_flags_that_they_know() {
    for (unit, program) in [
        ("swarm-coordinator.service", "coordinator"),
        ("swarm-agent.service", "agent"),
    ] {
        let (name, args) = Unit::read(unit).command_line();
        assert_eq!(name, program);
        assert_eq!(
            args[..2],
            ["--config".to_owned(), format!("/etc/swarm/{program}.toml")]
        );
        read_by(program, &args).expect(0);
        // The same check does find a flag or a value that is wrong.
        read_by(program, &["--no-such-flag".to_owned()]).expect(2);
        read_by(program, &["--log-format".to_owned(), "nonsense".to_owned()]).expect(2);
    }
}

#[test]
fn the_units_run_hardened_and_keep_their_data_where_the_programs_are_told() {
    for unit in ["swarm-coordinator.service", "swarm-agent.service"] {
        let unit = Unit::read(unit);
        for (key, value) in [
            ("DynamicUser", "yes"),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("Restart", "on-failure"),
            ("KillSignal", "SIGTERM"),
            ("StateDirectoryMode", "0700"),
        ] {
            assert_eq!(
                unit.value("Service", key),
                value,
                "{key} in {}",
                unit.path.display()
            );
        }
        let state = format!("/var/lib/{}", unit.value("Service", "StateDirectory"));
        assert!(
            unit.command_line().1.contains(&state),
            "{state} is not what the program is told"
        );
        assert_eq!(unit.value("Install", "WantedBy"), "multi-user.target");
    }
}

#[test]
fn the_agents_unit_waits_for_the_drain() {
    let unit = Unit::read("swarm-agent.service");
    let (_, args) = unit.command_line();
    let flag = |name: &str| {
        let at = args.iter().position(|word| word == name).unwrap();
        seconds(&args[at + 1])
    };
    let needed = flag("--drain-timeout") + flag("--kill-grace");
    let granted = seconds(unit.value("Service", "TimeoutStopSec"));
    assert!(granted > needed, "{granted:?} is not more than {needed:?}");
    // With any other mode the tasks would get the signal that only the agent understands.
    assert_eq!(unit.value("Service", "KillMode"), "mixed");
}

#[test]
fn an_agent_whose_state_directory_is_still_in_use_is_started_again_for_as_long_as_that_lasts() {
    let unit = Unit::read("swarm-agent.service");
    let state = tempfile::tempdir().unwrap();
    // As a process has it that hung at its start when its agent was killed.
    let lock = File::create(state.path().join("lock")).unwrap();
    let _held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let mut agent = command("agent", state.path());
    agent.arg("--state-dir").arg(state.path());
    let begun = Instant::now();
    run(agent).expect(75);
    let round = begun.elapsed() + seconds(unit.value("Service", "RestartSec"));

    let mut last_codes = unit
        .value("Service", "RestartPreventExitStatus")
        .split_whitespace();
    assert!(
        last_codes.all(|code| code != "75"),
        "systemd would not start it again"
    );
    let starts: u32 = unit.value("Unit", "StartLimitBurst").parse().unwrap();
    let interval = seconds(unit.value("Unit", "StartLimitIntervalSec"));
    assert!(
        round * starts > interval,
        "systemd gives up after {starts} starts, one in {round:?}"
    );
}

/// The settings of a program with this file, by key.
fn settings_with(program: &str, file: &str) -> BTreeMap<String, Value> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("settings.toml");
    fs::write(&path, file).unwrap();
    let verb = match program {
        "swarmctl" => &["config", "list"][..],
        _ => &["config"],
    };
    let mut command = command(program, home.path());
    command.args(verb).args(["-o", "json", "--config"]).arg(&path);
    let shown = run(command).expect(0).json();
    let settings = shown["settings"].as_array().unwrap().iter();
    settings
        .map(|setting| (setting["key"].as_str().unwrap().to_owned(), setting.clone()))
        .collect()
}

#[test]
fn the_example_files_name_every_setting_and_say_what_holds_without_it() {
    for program in ["coordinator", "agent", "swarmctl"] {
        let path = workspace_root().join(format!("deploy/{program}.toml"));
        let text = fs::read_to_string(path).unwrap();
        let as_shipped = settings_with(program, &text);
        assert!(
            as_shipped
                .values()
                .all(|setting| setting["origin"]["kind"] != "file"),
            "{program}"
        );
        // A sign before a key goes; one before a sentence stays.
        let is_key = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        let written: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(line) if is_key(line) => format!("{line}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let all = settings_with(program, &written);
        for (key, setting) in &as_shipped {
            let origin = &all[key]["origin"]["kind"];
            let is_said = text.contains(&format!("\n# {key} = "));
            assert!(is_said, "{key} is not in deploy/{program}.toml");
            // `output` is given as a flag here.
            if key != "output" {
                assert_eq!(origin, "file", "{key} of {program}");
            }
            let is_example = setting["value"].is_null() || setting["value"] == Value::Array(Vec::new());
            if !is_example && key != "data_dir" && key != "output" {
                assert_eq!(
                    all[key]["value"], setting["value"],
                    "deploy/{program}.toml: {key}"
                );
            }
        }
    }
}

/// A time of one number and one unit.
fn seconds(text: &str) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().unwrap();
    Duration::from_secs(match &text[digits..] {
        "s" => number,
        "m" | "min" => 60 * number,
        unit => panic!("the unit {unit:?} of {text}"),
    })
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("not checked by systemd itself: systemd-analyze is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for name in ["swarm-coordinator.service", "swarm-agent.service"] {
        // The programs are not installed where the tests run; everything else is taken as it is.
        let unit = fs::read_to_string(Unit::read(name).path).unwrap();
        let copy = dir.path().join(name);
        fs::write(
            &copy,
            unit.replace("/usr/local/bin/coordinator", "/bin/true")
                .replace("/usr/local/bin/agent", "/bin/true"),
        )
        .unwrap();
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&copy)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It also names faults of other units of the machine.
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(about_ours.is_empty(), "{about_ours:?}");
    }
}
