//! What the program says of itself: help, manual pages, the reference of the job file, and tips.

use std::{fs, process::Command};

use serde_json::Value;

use crate::fake::{Ended, Fake, run};

fn swarmctl(args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
    command
        .args(args)
        .env_remove("SWARM_COORDINATOR")
        .env("XDG_CONFIG_HOME", "/nonexistent");
    run(&mut command, "")
}

#[test]
fn swarmctl_alone_prints_its_verbs_in_groups() {
    let alone = swarmctl(&[]);
    assert_eq!(alone.code, 2);
    let help = swarmctl(&["help"]);
    assert_eq!(help.code, 0);
    for shown in [&alone.stderr, &help.stdout] {
        for part in [
            "\nBegin:\n  dev ",
            "\nGive work:\n  submit ",
            "\nJobs, queues and agents:\n  job ",
            "help jobfile",
        ] {
            assert!(shown.contains(part), "{part:?} is not in {shown}");
        }
        for hidden in ["complete-ids", "emergency-stop"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
    assert_eq!(
        swarmctl(&["help", "agent", "list"]).stdout,
        swarmctl(&["agent", "list", "--help"]).stdout
    );
    let wrong = swarmctl(&["help", "submti"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("did you mean 'submit'?"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn examples_that_work_on_files_say_in_which_directory() {
    for words in [&["help"][..], &["help", "submit"], &["help", "run"]] {
        let help = swarmctl(words).stdout;
        let mut examples = 0;
        for line in help.lines().filter(|line| line.starts_with("  swarmctl ")) {
            let Some((flags, command)) = line.split_once(" -- ") else {
                continue;
            };
            examples += 1;
            let works_on_files = ["make", "curl -f", "sort data", "./"]
                .iter()
                .any(|word| command.contains(word));
            assert_eq!(works_on_files, flags.contains("--cwd \"$PWD\""), "{line}");
        }
        assert!(examples > 1, "{help}");
    }
    let help = swarmctl(&["help", "submit"]).stdout;
    let words: Vec<&str> = help.split_whitespace().collect();
    for told in [
        "a fresh directory, removed when the task succeeds, when not given",
        "A tag to find tasks by",
        "--stdin-file - takes it",
    ] {
        assert!(words.join(" ").contains(told), "{told:?} is not in {help}");
    }
}

#[test]
fn a_noun_alone_lists() {
    let fake = Fake::start(|_| {});
    for noun in ["job", "agent", "queue"] {
        let (alone, list) = (fake.ctl(&[noun]), fake.ctl(&[noun, "list"]));
        assert_eq!(
            (alone.code, &alone.stdout, &alone.stderr),
            (0, &list.stdout, &list.stderr),
            "{noun}"
        );
    }
    assert!(swarmctl(&["config"]).stdout.contains("coordinator"));
}

#[test]
fn the_reference_of_the_job_file_is_help_page_schema_and_example() {
    let help = swarmctl(&["help", "jobfile"]).stdout;
    for part in [
        "each_line: path from the file's directory",
        "[default: the coordinator's --default-timeout, which is 1h]",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    let directory = tempfile::tempdir().unwrap();
    let written = swarmctl(&["man", directory.path().to_str().unwrap()]);
    assert!(written.stdout.contains("swarm-job.5\n"), "{}", written.stderr);
    let page = fs::read_to_string(directory.path().join("swarm-job.5")).unwrap();
    assert!(
        page.contains(".TH swarm\\-job 5") || page.contains(".TH swarm-job 5"),
        "{page}"
    );
    assert_eq!(swarmctl(&["man", "jobfile"]).stdout, page);

    let schema: Value = serde_json::from_str(&swarmctl(&["submit", "--schema"]).stdout).unwrap();
    assert!(schema["$defs"]["task"]["properties"]["each_line"].is_object());
    assert_eq!(swarmctl(&["submit", "--schema", "--", "true"]).code, 2);

    let fake = Fake::start(|_| {});
    let example = fake.ctl(&["submit", "--example"]).stdout;
    let ended = fake.ctl_with(&["submit", "-"], &example, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("warning:"), "{}", ended.stderr);
    assert_eq!(fake.world().submits[0].tasks.len(), 6);
}

#[test]
fn an_unknown_field_names_those_that_are_near_and_where_all_are() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl_with(&["submit", "-"], "tasks: [{run: x, retrys: 1}]", &[]);
    assert!(
        ended
            .stderr
            .contains("help: did you mean `retry` or `retries`? All of them: swarmctl help jobfile"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_command_that_yaml_reads_as_a_map_comes_with_how_to_write_it() {
    let fake = Fake::start(|_| {});
    for command in ["sed 's/^/sum: /'", "*.jpg", "`date`"] {
        let ended = fake.ctl_with(&["submit", "-"], &format!("tasks:\n  - run: {command}\n"), &[]);
        assert_eq!(ended.code, 2);
        assert!(
            ended.stderr.contains("below `run: |`"),
            "{command}: {}",
            ended.stderr
        );
    }
}

#[test]
fn man_of_a_verb_is_its_page_and_a_slip_makes_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let man = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarmctl"));
        run(command.arg("man").args(args).current_dir(directory.path()), "")
    };
    assert!(man(&["submit"]).stdout.contains("swarmctl\\-submit"));
    let slip = man(&["submti"]);
    assert_eq!(slip.code, 2);
    assert!(slip.stderr.contains("did you mean 'submit'?"), "{}", slip.stderr);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(man(&["pages"]).stdout.contains("pages/swarmctl-submit.1\n"));
}

#[test]
fn tips_help() {
    for (args, tip, no_tip) in [
        (
            &["run", "ls", "-la"][..],
            "tip: the command goes after --: swarmctl run -- ls -la\n",
            "'ls' as a value",
        ),
        (
            &["submit", "--cron", "* * * * *", "--", "true"],
            "there are no schedules",
            "as a value",
        ),
        (&["top"], "did you mean: swarmctl status -w", "'stop'"),
        (&["cancel", "--failed"], "swarmctl retry --failed", "--fields"),
        (&["logs", "-n", "5", "x"], "--tail N", "-- -n"),
        (&["stpo"], "", "'stop'"),
        (
            &["purge"],
            "did you mean: swarmctl remove --ended-before 7d --dry-run",
            "'pause'",
        ),
        (&["delete", "x"], "did you mean: swarmctl remove ID", "'pause'"),
        (&["cancle", "x"], "'cancel'", "'lease'"),
        (&["reset"], "", "'retry'"),
    ] {
        let ended = swarmctl(args);
        assert_eq!(ended.code, 2, "{args:?}");
        assert!(ended.stderr.contains(tip), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains(no_tip), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn the_usage_below_an_error_has_no_flags_that_nobody_typed() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["inspect", "--frobnicate"]);
    assert!(
        ended.stderr.contains("Usage: swarmctl inspect"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("--coordinator"), "{}", ended.stderr);
}

#[test]
fn a_name_that_nobody_knows_is_not_told_to_serve_the_world() {
    let ended = swarmctl(&[
        "--coordinator",
        "no-such-host.invalid:50051",
        "--retry-for",
        "0s",
        "status",
    ]);
    assert_eq!(ended.code, 69);
    assert!(!ended.stderr.contains("--insecure"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("getent hosts no-such-host.invalid"),
        "{}",
        ended.stderr
    );
}

#[test]
fn states_may_be_named_as_in_other_systems() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["list", "--status", "pending,in_progress,COMPLETED"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let world = fake.world();
    let mut states: Vec<i32> = world.lists.iter().flat_map(|list| list.states.clone()).collect();
    states.sort_unstable();
    states.dedup();
    assert_eq!(states, [3, 4, 6]);
}

#[test]
fn the_help_says_that_nobody_runs_prompts() {
    let help = swarmctl(&["submit", "--help"]).stdout;
    let (_, prompt) = help.split_once("--prompt <TEXT>").unwrap();
    let (prompt, _) = prompt.split_once("--model").unwrap();
    assert!(
        prompt.contains("no agent of this version runs prompts"),
        "{prompt}"
    );
}
