//! Completion scripts and manual pages come from the programs themselves.

use std::{fs, process::Command};

use crate::harness::{
    coordinator::Coordinator,
    deaf::Deaf,
    fake_agent::FakeAgent,
    program::{command, run},
};

/// Has bash complete this line with the script of `swarmctl`.
fn completed(coordinator: &Coordinator, line: &str) -> Vec<String> {
    let dir = coordinator.dir();
    let script = coordinator.swarmctl(&["completions", "bash"]).expect(0).stdout;
    fs::write(dir.join("swarmctl.bash"), script).unwrap();
    // The program goes by the name that it is called by.
    let program = dir.join("swarmctl");
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_swarm-programs"), &program).unwrap();
    }
    let mut bash = Command::new("bash");
    bash.args([
        "--norc",
        "-c",
        r#"
        source ./swarmctl.bash
        COMP_LINE=$1 COMP_POINT=${#1}
        # As bash breaks it: at blanks and colons.
        read -ra COMP_WORDS <<< "${1//:/ : }"
        [[ $1 == *" " || $1 == *: ]] && COMP_WORDS+=("")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        _swarmctl_live swarmctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#,
        "bash",
        line,
    ])
    .env("SWARM_COORDINATOR", coordinator.address())
    .env("HOME", dir)
    .env(
        "PATH",
        format!("{}:{}", dir.display(), std::env::var("PATH").unwrap()),
    )
    .current_dir(dir);
    let ended = run(bash).expect(0);
    assert_eq!(ended.stderr, "", "{line}");
    let mut words: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn bash_completes_verbs_flags_and_live_ids_of_tasks_jobs_agents_and_queues() {
    let coordinator = Coordinator::start();
    for id in ["fetch-1", "fetch-2", "build", "a:b"] {
        coordinator
            .swarmctl(&["submit", "--id", id, "--", "true"])
            .expect(0);
    }
    let file = coordinator.dir().join("job.yaml");
    fs::write(&file, "tasks:\n  - id: n-1\n    run: 'true'\n    queue: nights\n").unwrap();
    let words = ["submit", "-f", file.to_str().unwrap(), "-o", "json"];
    let job = coordinator.swarmctl(&words).expect(0).json()["job_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let agent = "lab-1".to_owned();
    let _agent = FakeAgent::register(&coordinator, &agent);
    let line = |line: &str| completed(&coordinator, line);
    for (typed, id) in [
        ("swarmctl job show ", &job),
        ("swarmctl list --job ", &job),
        ("swarmctl drain ", &agent),
        ("swarmctl pause --agent ", &agent),
        ("swarmctl agent show ", &agent),
    ] {
        let begun = &id[..id.len() - 1];
        assert_eq!(line(&format!("{typed}{begun}")), [id.as_str()], "{typed}");
    }
    for typed in [
        "swarmctl queue show ",
        "swarmctl pause --queue ",
        "swarmctl list --queue ",
    ] {
        assert_eq!(line(&format!("{typed}ni")), ["nights"], "{typed}");
    }
    assert_eq!(line("swarmctl inspect fe"), ["fetch-1", "fetch-2"]);
    assert_eq!(line("swarmctl wait build fetch-2"), ["fetch-2"]);
    assert_eq!(line("swarmctl logs a:"), ["b"]);
    let named = format!("swarmctl --coordinator {} cancel bu", coordinator.address());
    assert_eq!(line(&named), ["build"]);
    assert_eq!(line("swarmctl insp"), ["inspect"]);
    assert!(line("swarmctl list --sta").contains(&"--state".to_owned()));
}

#[test]
fn ids_are_asked_for_without_a_word_about_what_goes_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = Deaf::take();
    for address in [
        silent.local_addr().unwrap().to_string(),
        deaf.address().to_owned(),
    ] {
        let mut ask = command("swarmctl", dir.path());
        ask.args(["complete-ids", "--", "--coordinator", &address, "inspect", ""]);
        let ended = run(ask).expect(0);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    }
    // A broken file of settings is no reason to write into somebody's command line either.
    fs::write(dir.path().join("x.toml"), "nonsense").unwrap();
    let mut ask = command("swarmctl", dir.path());
    ask.args(["complete-ids", "--config", "x.toml", "--", "inspect", "x"])
        .current_dir(dir.path());
    assert_eq!(run(ask).expect(0).stderr, "");
}

#[test]
fn every_program_has_scripts_for_five_shells_and_manual_pages() {
    let dir = tempfile::tempdir().unwrap();
    for program in ["coordinator", "agent", "swarmctl"] {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let mut completions = command(program, dir.path());
            completions.args(["completions", shell]);
            let script = run(completions).expect(0).stdout;
            assert!(script.contains("config"), "{program} {shell}: {script}");
        }
        let mut man = command(program, dir.path());
        let pages = dir.path().join("man").join(program);
        man.arg("man").arg(&pages);
        let written = run(man).expect(0).stdout;
        assert!(written.lines().count() >= 5, "{written}");
        for page in written.lines() {
            assert!(fs::read_to_string(page).unwrap().contains(".SH NAME"), "{page}");
        }
        let own = fs::read_to_string(pages.join(format!("{program}.1"))).unwrap();
        assert!(own.contains(".SH EXAMPLES"), "{own}");
        let mut man = command(program, dir.path());
        man.arg("man");
        assert_eq!(run(man).expect(0).stdout, own);
    }
    assert!(dir.path().join("man/swarmctl/swarmctl-agent-list.1").exists());
}
