use std::fs;

use clap::{builder::RangedU64ValueParser, error::ErrorKind};

use super::*;

fn program() -> (Program, Command) {
    let command = Command::new("agent")
        .arg(
            Arg::new("slots")
                .long("slots")
                .env("SWARM_TEST_SLOTS")
                .default_value("1")
                .value_parser(RangedU64ValueParser::<u64>::new().range(1..=9)),
        )
        .arg(
            Arg::new("queues")
                .long("queues")
                .action(ArgAction::Append)
                .value_delimiter(','),
        )
        .arg(Arg::new("once").long("once").action(ArgAction::SetTrue))
        .arg(Arg::new("log_level").long("log-level").default_value("info"))
        .arg(
            Arg::new("log_format")
                .long("log-format")
                .value_parser(["text", "json"]),
        )
        .arg(Arg::new("backoff_max").long("backoff-max"))
        .subcommand(Command::new("doctor"));
    (Program { name: "agent" }, command)
}

/// Reads with a user's file, a file that `--config` names unless it is empty, and these variables.
fn read(user: &str, named: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Read, ReadError> {
    let dir = tempfile::tempdir().unwrap();
    let (user_file, named_file) = (dir.path().join("user.toml"), dir.path().join("named.toml"));
    fs::write(&user_file, user).unwrap();
    fs::write(&named_file, named).unwrap();
    let mut args: Vec<OsString> = vec!["agent".into()];
    if !named.is_empty() {
        args.extend(["--config".into(), named_file.into()]);
    }
    args.extend(flags.iter().map(OsString::from));
    let (program, command) = program();
    let surroundings = Surroundings {
        user_file: Some(user_file),
        variable: &|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        },
        variables: variables.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    program.read_in(&surroundings, command, &args)
}

fn faults(result: Result<Read, ReadError>) -> Vec<String> {
    match result {
        Err(ReadError::Settings(failure)) => failure
            .faults
            .iter()
            .map(|fault| fault.trim().rsplit('/').next().unwrap().to_owned())
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Value and origin of a setting; of a file only its name.
fn setting(read: &Read, key: &str) -> (String, String) {
    let setting = read.settings.iter().find(|setting| setting.key == key).unwrap();
    let origin = setting.origin.to_string();
    (
        setting.shown(),
        origin.rsplit('/').next().unwrap_or_default().to_owned(),
    )
}

#[test]
fn each_layer_counts_before_the_one_below_it() {
    let user = "slots = 2\nqueues = [\"a\", \"b\"]\nlog_level = \"warn\"\nonce = true\n";
    let named = "# named\nslots = 3\nlog_level = \"debug\"\n";
    let read = read(user, named, &[], &["--log-level", "error"]).unwrap();
    for (key, value, origin) in [
        ("slots", "3", "named.toml:2"),
        ("queues", "a,b", "user.toml:2"),
        ("once", "true", "user.toml:4"),
        ("log_level", "error", "--log-level"),
        ("log_format", "-", "default"),
    ] {
        assert_eq!(
            setting(&read, key),
            (value.to_owned(), origin.to_owned()),
            "{key}"
        );
    }
    assert_eq!(read.matches.get_one::<u64>("slots"), Some(&3));
    assert!(read.matches.get_flag("once"));
    assert_eq!(read.settings.usual("log_level"), Some("debug"));
}

#[test]
fn every_fault_of_every_file_is_named_with_its_place() {
    let user = "slotz = 1\nqueues = []\n";
    let named = "slots = 10\nonce = \"yes\"\nlog_level = 3\nlog_format = \"jsn\"\n\
                 log-level = \"info\"\nbackoff_max = [\"1s\"]\n[zzzzzz]\n";
    assert_eq!(
        faults(read(user, named, &[], &[])),
        [
            "user.toml:1:1: unknown key 'slotz'; did you mean 'slots'?",
            "user.toml:2:10: queues: an empty list says nothing: leave the key out",
            "named.toml:1:9: slots: '10' cannot be used: 10 is not in 1..=9",
            "named.toml:2:8: once: expected true or false, not a string",
            "named.toml:3:13: log_level: expected a string, not a number",
            "named.toml:4:14: log_format: 'jsn' is not one of text, json",
            "named.toml:5:1: unknown key 'log-level'; did you mean 'log_level'?",
            "named.toml:6:15: backoff_max: expected one value, not a list",
            "named.toml:7:2: unknown key 'zzzzzz'",
        ]
    );
}

#[test]
fn a_named_file_has_to_be_there_and_the_users_own_has_not() {
    let (program, command) = program();
    let surroundings = Surroundings {
        user_file: Some(PathBuf::from("/nonexistent/agent.toml")),
        variable: &|_| None,
        variables: Vec::new(),
    };
    let args = |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
    let plain = program.read_in(&surroundings, command.clone(), &args(&["agent"]));
    assert_eq!(setting(&plain.unwrap(), "slots"), ("1".into(), "default".into()));
    let named = program.read_in(
        &surroundings,
        command,
        &args(&["agent", "doctor", "--config", "/nonexistent/x"]),
    );
    assert_eq!(faults(named), ["x: cannot be read: no such file or directory"]);
}

#[test]
fn variables_of_other_programs_are_converted_and_told() {
    let seeds = [
        ("RESIDENT_BACKOFF_MAX", "5"),
        ("RESIDENT_SCAN_LIMIT", "7"),
        ("ORCHESTRATOR_MAX_WORKERS", "8"),
    ];
    let given = read("backoff_max = \"1m\"\n", "", &seeds, &[]).unwrap();
    assert_eq!(
        setting(&given, "backoff_max"),
        ("12s".into(), "RESIDENT_BACKOFF_MAX".into())
    );
    assert_eq!(
        given.settings.notes(),
        [
            "RESIDENT_SCAN_LIMIT is ignored: agent has no --scan-limit",
            "RESIDENT_BACKOFF_MAX=5 is taken for --backoff-max 12s",
            "ORCHESTRATOR_MAX_WORKERS=8 is taken for --slots 8",
        ]
    );
    // Our own name counts before theirs, and so does a flag.
    let own = [("RESIDENT_BACKOFF_MAX", "5"), ("SWARM_BACKOFF_MAX", "3s")];
    let read_own = read("", "", &own, &["--slots", "2"]).unwrap();
    assert!(
        read_own.settings.notes().is_empty(),
        "{:?}",
        read_own.settings.notes()
    );
    let wrong = [
        ("RESIDENT_BACKOFF_MAX", "10s"),
        ("ORCHESTRATOR_MAX_WORKERS", "80"),
    ];
    assert_eq!(
        faults(read("", "", &wrong, &[])),
        [
            "RESIDENT_BACKOFF_MAX=10s: a number of steps of 2 s is expected",
            "ORCHESTRATOR_MAX_WORKERS=80: '80' cannot be used: 80 is not in 1..=9",
        ]
    );
}

#[test]
fn help_and_wrong_usage_come_before_faults_of_files() {
    for (flags, kind) in [
        (&["--help"][..], ErrorKind::DisplayHelp),
        (&["--nonsense"], ErrorKind::UnknownArgument),
    ] {
        match read("nonsense = 1", "", &[], flags) {
            Err(ReadError::Usage(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_told_and_those_of_others_are_not() {
    let variables = [
        ("SWARM_QUEUE", "a"),
        ("SWARM_LOG_FROMAT", "json"),
        ("SWARM_LEASE_TTL", "1m"),
        ("SWARM_TASK_ID", "x"),
        ("RESIDENT_SHARD_IDD", "1"),
        ("RESIDENT_FOO", "1"),
        ("ORCHESTRATOR_TIMEOUT", "1"),
        ("SWARM_BACKOFF_MAX", "3s"),
    ];
    assert_eq!(
        read("", "", &variables, &[]).unwrap().settings.notes(),
        [
            "SWARM_QUEUE is ignored; did you mean SWARM_QUEUES?",
            "SWARM_LOG_FROMAT is ignored; did you mean SWARM_LOG_FORMAT?",
            "RESIDENT_SHARD_IDD is ignored; did you mean RESIDENT_SHARD_ID?",
            "RESIDENT_FOO is ignored: it means nothing here",
        ]
    );
}
