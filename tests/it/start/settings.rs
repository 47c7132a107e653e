//! The sources of settings: flags, environment, files and defaults, the same for all three programs.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::harness::{
    coordinator::Coordinator,
    deaf::Deaf,
    program::{Ended, command, run},
    wait_until,
};

/// The verb with which each program shows its settings.
const PROGRAMS: [(&str, &[&str]); 3] = [
    ("coordinator", &["config"]),
    ("agent", &["config"]),
    ("swarmctl", &["config", "list", "--origin"]),
];

/// A program that is asked for its settings, with these words behind.
fn asked(program: &str, home: &Path, words: &[&str]) -> Command {
    let verb = PROGRAMS.iter().find(|(name, _)| *name == program).unwrap().1;
    let mut command = command(program, home);
    command.args(verb).args(words).current_dir(home);
    command
}

/// The value and origin of a setting.
fn setting(ended: &Ended, key: &str) -> (Value, Value) {
    let json = ended.json();
    let found = json["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == key)
        .unwrap_or_else(|| panic!("no {key} in {json}"));
    (found["value"].clone(), found["origin"].clone())
}

fn write_user_file(home: &Path, program: &str, text: &str) {
    let dir = home.join(".config/swarm");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(format!("{program}.toml")), text).unwrap();
}

#[test]
fn flag_environment_named_file_users_file_and_default_count_in_this_order() {
    for (program, key, [user, named, variable, flag, default]) in [
        ("coordinator", "lease_ttl", ["1m", "2m", "3m", "4m", "90s"]),
        ("agent", "backoff_max", ["1m", "2m", "3m", "4m", "30s"]),
        ("swarmctl", "retry_for", ["1m", "2m", "3m", "4m", "30s"]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let look = |words: &[&str], set: bool| {
            let mut command = asked(program, home.path(), &[&["-o", "json"], words].concat());
            if set {
                command.env(format!("SWARM_{}", key.to_ascii_uppercase()), variable);
            }
            setting(&run(command).expect(0), key)
        };
        assert_eq!(look(&[], false).0, default, "{program}");
        write_user_file(home.path(), program, &format!("# mine\n{key} = \"{user}\"\n"));
        let (value, origin) = look(&[], false);
        assert_eq!((&value, &origin["line"]), (&user.into(), &2.into()), "{program}");
        fs::write(home.path().join("named.toml"), format!("{key} = \"{named}\"\n")).unwrap();
        let (value, origin) = look(&["--config", "named.toml"], false);
        assert_eq!(
            (value, origin["file"].as_str()),
            (named.into(), Some("named.toml"))
        );
        let (value, origin) = look(&["--config", "named.toml"], true);
        assert_eq!(
            (value, origin["kind"].as_str()),
            (variable.into(), Some("environment"))
        );
        let dashed = format!("--{}", key.replace('_', "-"));
        let (value, origin) = look(&["--config", "named.toml", &dashed, flag], true);
        assert_eq!((value, origin["kind"].as_str()), (flag.into(), Some("flag")));
    }
}

#[test]
fn a_wrong_file_is_refused_with_every_fault_at_its_place() {
    for (program, key, near) in [
        ("coordinator", "lease_ttl", "lease_tll"),
        ("agent", "drain_timeout", "drain_timout"),
        ("swarmctl", "retry_for", "retry_fro"),
    ] {
        let home = tempfile::tempdir().unwrap();
        fs::write(
            home.path().join("x.toml"),
            format!("{near} = \"1s\"\n\n  {key} = \"soon\"\n"),
        )
        .unwrap();
        for words in [&["--config", "x.toml"][..], &["--config", "missing.toml"]] {
            run(asked(program, home.path(), words)).expect_error(78, &["configuration"], &["help: "]);
        }
        let said = run(asked(program, home.path(), &["--config", "x.toml"])).stderr;
        for part in [
            format!("x.toml:1:1: unknown key '{near}'; did you mean '{key}'?"),
            format!("x.toml:3:{}: {key}: ", key.len() + 6),
        ] {
            assert!(said.contains(&part), "{part} is not in\n{said}");
        }
        // A wrong flag is told first, and help is given whatever a file says.
        let mut help = command(program, home.path());
        help.args(["--config", "x.toml", "--help"])
            .current_dir(home.path());
        assert!(run(help).expect(0).stdout.contains("--config <FILE>"));
    }
}

#[test]
fn a_file_is_what_a_coordinator_serves_with_and_swarmctl_asks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("coordinator.toml");
    fs::write(
        &file,
        "lease_ttl = 7 # seconds\ndefault_retries = 5\ninsecure = false\n",
    )
    .unwrap();
    let mut server = Coordinator::serving(dir.path(), &["--config", file.to_str().unwrap()]);
    write_user_file(
        dir.path(),
        "swarmctl",
        &format!("coordinator = \"{}\"\noutput = \"json\"\n", server.address()),
    );
    let mut status = command("swarmctl", dir.path());
    status.args(["status", "-o", "wide"]);
    let page = run(status).expect(0).stdout;
    assert!(page.contains("7s"), "{page}");
    // The advice needs no flag: the file names the coordinator.
    let mut inspect = command("swarmctl", dir.path());
    inspect.args(["inspect", "nobody", "-o", "table"]);
    run(inspect).expect_error(4, &["nobody"], &["help: swarmctl list"]);

    assert_eq!(server.stop(crate::harness::PATIENCE), 0);
    fs::write(&file, format!("data_dir = '{}'\n", server.data_dir().display())).unwrap();
    let mut verify = command("coordinator", dir.path());
    verify.arg("verify").arg("--config").arg(&file);
    run(verify).expect(0);
}

#[test]
fn other_programs_names_are_converted_and_told_in_one_line_each() {
    let home = tempfile::tempdir().unwrap();
    let mut agent = asked("agent", home.path(), &["-o", "json"]);
    agent.envs([
        ("RESIDENT_BACKOFF_MAX", "5"),
        ("RESIDENT_JITTER_MAX", "0.5"),
        ("RESIDENT_SHARD_COUNT", "4"),
        ("ORCHESTRATOR_MAX_WORKERS", "8"),
        ("SWARM_SLOTS", "2"),
    ]);
    let ended = run(agent).expect(0);
    for (key, value) in [
        ("backoff_max", "12s"),
        ("jitter_max", "0.5s"),
        ("shard_count", "4"),
        ("slots", "2"),
    ] {
        assert_eq!(setting(&ended, key).0, value, "{key}");
    }
    for (name, lines) in [
        ("RESIDENT_BACKOFF_MAX=5 is taken for --backoff-max 12s", 1),
        ("RESIDENT_JITTER_MAX=0.5 is taken for --jitter-max 0.5s", 1),
        ("RESIDENT_SHARD_COUNT=4 is taken for --shard-count 4", 1),
        ("ORCHESTRATOR_MAX_WORKERS", 0),
    ] {
        assert_eq!(
            ended.stderr.matches(name).count(),
            lines,
            "{name}: {}",
            ended.stderr
        );
    }
    let mut coordinator = asked("coordinator", home.path(), &["-o", "json"]);
    coordinator.envs([
        ("ORCHESTRATOR_TIMEOUT", "300"),
        ("ORCHESTRATOR_LOG_LEVEL", "DEBUG"),
    ]);
    let ended = run(coordinator).expect(0);
    assert_eq!(setting(&ended, "default_timeout").0, "300s");
    assert_eq!(setting(&ended, "log_level").0, "debug");
    let mut wrong = asked("coordinator", home.path(), &[]);
    wrong.env("ORCHESTRATOR_TIMEOUT", "soon");
    run(wrong).expect_error(78, &["ORCHESTRATOR_TIMEOUT=soon"], &[]);
}

#[test]
fn variables_of_what_is_not_there_yet_are_ignored_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let names = [
        "RESIDENT_SUBTASK_PARALLELISM",
        "RESIDENT_MIN_SCORE",
        "ORCHESTRATOR_MODE",
    ];
    let mut agent = asked("agent", home.path(), &[]);
    agent.envs(names.map(|name| (name, "3")));
    let ended = run(agent).expect(0);
    for name in names {
        let told = ended.stderr.lines().filter(|line| line.contains(name));
        let told: Vec<&str> = told.collect();
        assert!(told.len() == 1 && told[0].contains("ignored"), "{}", ended.stderr);
    }
}

#[test]
fn every_flag_of_a_program_has_the_variable_of_its_name() {
    for (program, _) in PROGRAMS {
        let home = tempfile::tempdir().unwrap();
        let mut help = command(program, home.path());
        help.arg("--help");
        let help = run(help).expect(0).stdout;
        let json = run(asked(program, home.path(), &["-o", "json"])).expect(0).json();
        let settings = json["settings"].as_array().unwrap();
        assert!(settings.len() >= 5, "{json}");
        for setting in settings {
            let key = setting["key"].as_str().unwrap();
            let flag = format!("--{}", key.replace('_', "-"));
            let variable = format!("SWARM_{}", key.to_ascii_uppercase());
            assert!(
                help.contains(&flag) && help.contains(&variable),
                "{flag} and {variable} are not in\n{help}"
            );
        }
    }
}

#[test]
fn a_misspelt_variable_is_told_and_one_of_another_program_or_a_task_is_not() {
    let home = tempfile::tempdir().unwrap();
    let keys = |program: &str| -> Vec<String> {
        let json = run(asked(program, home.path(), &["-o", "json"])).expect(0).json();
        let settings = json["settings"].as_array().unwrap();
        settings
            .iter()
            .map(|setting| setting["key"].as_str().unwrap().to_ascii_uppercase())
            .collect()
    };
    let mut everything: Vec<String> = PROGRAMS.iter().flat_map(|(program, _)| keys(program)).collect();
    let of_tasks = [
        "TASK_ID", "ATTEMPT", "JOB_ID", "INPUTS", "WORKDIR", "MARK", "ACTOR",
    ];
    everything.extend(of_tasks.map(str::to_owned));
    for (program, misspelt, told) in [
        (
            "coordinator",
            "SWARM_LISTN",
            "SWARM_LISTN is ignored; did you mean SWARM_LISTEN?",
        ),
        (
            "agent",
            "RESIDENT_FOO",
            "RESIDENT_FOO is ignored: it means nothing here",
        ),
        (
            "swarmctl",
            "SWARM_OUTPTU",
            "SWARM_OUTPTU is ignored; did you mean SWARM_OUTPUT?",
        ),
    ] {
        let mut command = asked(program, home.path(), &[]);
        let own = keys(program);
        let others = everything.iter().filter(|key| !own.contains(key));
        command.envs(others.map(|key| (format!("SWARM_{key}"), "7")));
        command.env(misspelt, "1");
        let ended = run(command).expect(0);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches(" is ignored").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn an_agent_works_with_what_its_file_says() {
    let server = Coordinator::start();
    let home = tempfile::tempdir().unwrap();
    let deaf = Deaf::take();
    let text = format!(
        "coordinator = [\"{}\", \"{}\"]\nlabel = [\"gpu=a100\", \"site=x\"]\nslots = 3\n\
         name = \"filed\"\nexit_when_idle = false\nstate_dir = \"{}\"\n",
        deaf.address(),
        server.address(),
        home.path().join("state").display()
    );
    write_user_file(home.path(), "agent", &text);
    let mut agent = crate::harness::program::Program::start(
        "agent",
        command("agent", home.path()),
        &home.path().join("log"),
        nix::sys::signal::Signal::SIGUSR1,
    );
    wait_until("the agent is there", || {
        let listed = server.swarmctl(&["agent", "list", "-o", "json"]).expect(0).json();
        let agent = &listed["agents"][0];
        agent["name"] == "filed" && agent["slots"] == 3 && agent["labels"]["gpu"] == "a100"
    });
    assert_eq!(agent.ended(), None);
}
