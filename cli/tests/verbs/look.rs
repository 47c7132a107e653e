//! The verbs that change nothing: list, inspect, status, job, agent, logs.

use serde_json::{Value, json};
use swarm_proto::v1::{
    Agent, AgentState, Attempt, AttemptOutcome, Command, Explanation, Job, Output, OwnerRules, TaskResult,
    TaskState, Tries, task_spec::Work,
};

use crate::fake::{Fake, World, at};

pub(crate) fn three_tasks(world: &mut World) {
    world.task("fetch", TaskState::Succeeded).attempt_count = 1;
    let build = world.task("build", TaskState::Blocked);
    build.unmet_dependencies = vec!["fetch".into()];
    build.unmet_dependency_count = 1;
    world.task("test", TaskState::Queued);
}

#[test]
fn an_agent_shows_what_its_owner_allows() {
    let fake = Fake::start(|world| {
        for (id, rules) in [
            (
                "picky",
                Some(OwnerRules {
                    programs: vec!["git".into(), "make*".into()],
                    ..Default::default()
                }),
            ),
            (
                "idle",
                Some(OwnerRules {
                    no_commands: true,
                    ..Default::default()
                }),
            ),
            ("free", None),
        ] {
            world.agents.push(Agent {
                agent_id: id.into(),
                name: id.into(),
                queues: vec!["slow".into()],
                rules,
                ..Default::default()
            });
        }
    });
    for (name, commands) in [
        ("picky", "only git, make*, as its owner says (--allow-command)"),
        ("idle", "none, as its owner says (--no-command)"),
    ] {
        let shown = fake.ctl(&["agent", "show", name]).stdout;
        assert!(
            shown.contains("\ncommands:") && shown.contains(&format!(" {commands}\n")),
            "{shown}"
        );
        assert!(shown.contains(" slow\n"), "{shown}");
    }
    assert!(!fake.ctl(&["agent", "show", "free"]).stdout.contains("commands:"));
}

#[test]
fn list_shows_tasks_in_columns_without_borders() {
    let fake = Fake::start(three_tasks);
    let ended = fake.ctl(&["list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(
        ended.stdout,
        "\
WHAT        ID     STATE        SUBMITTED  REASON
echo build  build  ◌ blocked    58s ago    waits for fetch
echo test   test   ○ queued     57s ago    -
echo fetch  fetch  ✔ succeeded  59s ago    -
"
    );
}

#[test]
fn list_is_the_same_list_in_every_format() {
    let fake = Fake::start(three_tasks);
    let whole: Value = serde_json::from_str(&fake.ctl(&["list", "-o", "json"]).stdout).unwrap();
    let lines = fake.ctl(&["-o", "jsonl", "list"]).stdout;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(whole["tasks"], json!(lines));
    assert_eq!(lines[1]["state"], "blocked");
    assert_eq!(lines[0]["create_time"], "2026-01-02T03:04:01Z");
    assert_eq!(fake.ctl(&["list", "-q"]).stdout, "fetch\nbuild\ntest\n");
    assert_eq!(
        fake.ctl(&["-q", "list", "-o", "json"]).stdout,
        "fetch\nbuild\ntest\n"
    );
}

#[test]
fn clocks_that_differ_are_told_to_who_reads_ages() {
    let fake = Fake::start(|world| {
        world.task("t", TaskState::Queued);
        world.held.seconds_ahead = 120;
    });
    let told = "this machine's clock is 2m behind the coordinator's, and ages are counted from it\n";
    for verb in [&["list"][..], &["job", "list"], &["status"], &["inspect", "t"]] {
        let ended = fake.ctl(verb);
        assert!(ended.stderr.ends_with(told), "{verb:?}: {}", ended.stderr);
        let json = fake.ctl(&[verb, &["-o", "json"]].concat());
        assert!(!json.stderr.contains("clock"), "{verb:?}: {}", json.stderr);
    }
    fake.world().held.seconds_ahead = 0;
    assert_eq!(fake.ctl(&["list"]).stderr, "");
}

#[test]
fn list_reads_as_many_pages_as_it_needs() {
    let fake = Fake::start(|world| {
        world.page_size = 2;
        for n in 0..7 {
            world.task(
                &format!("t{n}"),
                if n % 2 == 0 {
                    TaskState::Queued
                } else {
                    TaskState::Failed
                },
            );
        }
    });
    let ended = fake.ctl(&["list", "-q", "--limit", "5"]);
    assert_eq!(ended.stdout, "t0\nt1\nt2\nt3\nt4\n");
    let ended = fake.ctl(&["list", "--limit", "5"]);
    assert_eq!(ended.stderr, "2 more; --all shows them\n");
    assert_eq!(
        fake.ctl(&["list", "-q", "--limit", "0"]).stdout.lines().count(),
        7
    );
    assert_eq!(
        fake.ctl(&["list", "-q", "--state", "failed,skipped"]).stdout,
        "t1\nt3\nt5\n"
    );
    assert_eq!(fake.ctl(&["list", "--state", "waiting"]).stderr, "no tasks\n");
}

#[test]
fn people_get_the_first_hundred_and_scripts_get_all() {
    let fake = Fake::start(|world| {
        world.page_size = 70;
        for n in 0..250 {
            world.task(&format!("t{n}"), TaskState::Queued);
            world.jobs.push(Job {
                job_id: format!("j{n}"),
                ..Default::default()
            });
        }
    });
    for (verb, key, last) in [
        (&["list"][..], "tasks", "t249"),
        (&["job", "list"], "jobs", "j249"),
    ] {
        let with = |flags: &[&str]| fake.ctl(&[verb, flags].concat());
        let table = with(&[]);
        assert_eq!(table.stdout.lines().count(), 101, "{verb:?}");
        assert_eq!(table.stderr, "150 more; --all shows them\n");
        assert_eq!(with(&["--limit", "0"]).stdout.lines().count(), 251);

        let names = with(&["-q"]);
        assert_eq!(
            (
                names.stdout.lines().count(),
                names.stdout.lines().last(),
                names.stderr.as_str()
            ),
            (250, Some(last), "")
        );
        assert_eq!(with(&["-o", "jsonl"]).stdout.lines().count(), 250);
        let whole: Value = serde_json::from_str(&with(&["-o", "json"]).stdout).unwrap();
        assert_eq!(whole[key].as_array().unwrap().len(), 250);
        assert_eq!(with(&["-q", "--limit", "3"]).stdout.lines().count(), 3);
    }
}

#[test]
fn an_empty_list_is_a_list() {
    let fake = Fake::start(|_| {});
    let ended = fake.ctl(&["list", "-o", "json"]);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("{\n  \"tasks\": []\n}\n", "no tasks\n")
    );
}

#[test]
fn what_an_attempt_said_is_not_cut_when_there_is_room() {
    let message = "a message of more than sixty characters, which is what a table used to cut it to";
    let fake = Fake::start(|world| {
        failed_task(world);
        world.tasks[0].attempts[0].message = message.into();
    });
    assert!(fake.ctl(&["inspect", "build"]).stdout.contains(message));
}

pub(crate) fn failed_task(world: &mut World) {
    let task = world.task("build", TaskState::Failed);
    task.reason = "no tries left".into();
    task.attempt_count = 1;
    task.end_time = at(9);
    task.attempts = vec![Attempt {
        attempt: 1,
        agent_id: "lab".into(),
        outcome: AttemptOutcome::Failed.into(),
        start_time: at(5),
        end_time: at(8),
        message: "make: *** [all] Error 2".into(),
        failure_reason: "exit".into(),
        exit_code: Some(2),
        ..Default::default()
    }];
    let output = Output {
        stdout: b"one\ntwo\n".to_vec(),
        stderr: b"bad\n".to_vec(),
        stdout_bytes: 100_000,
        stderr_bytes: 4,
        ..Default::default()
    };
    task.result = Some(TaskResult {
        attempt: 1,
        output: Some(output),
    });
    world.becomes("build", TaskState::Failed);
}

#[test]
fn inspect_shows_a_task_with_attempts_events_and_output() {
    let fake = Fake::start(failed_task);
    let ended = fake.ctl(&["inspect", "build"]);
    assert_eq!(
        ended.stdout,
        "\
task:       build
state:      ✘ failed
reason:     exit 2
command:    echo build
queue:      default
priority:   0
timeout:    1h (the coordinator's default)
retries:    2 (the coordinator's default)
submitted:  59s ago, 2026-01-02 03:04:01 UTC
ended:      51s ago, 2026-01-02 03:04:09 UTC
took:       3.0s

stdout, 97.6 KiB
  one
  two

stderr, 4 B
  bad

attempts
#  OUTCOME   AGENT  STARTED  TOOK  WHY
1  ✘ failed  lab    55s ago  3.0s  exit 2: make: *** [all] Error 2

events
     1  03:04:01  task_failed         build: task_failed
"
    );
    let task: Value = serde_json::from_str(&fake.ctl(&["inspect", "build", "-o", "json"]).stdout).unwrap();
    assert_eq!(task["attempts"][0]["outcome"], "failed");
    assert_eq!(task["result"]["output"]["stdout"], "one\ntwo\n");
}

#[test]
fn a_failed_task_says_why_wherever_it_is_shown() {
    let fake = Fake::start(|world| {
        failed_task(world);
        world.tasks[0].tries = Some(Tries {
            failures: 3,
            ..Default::default()
        });
        let task = world.task("thumb", TaskState::Failed);
        task.spec.as_mut().unwrap().work = Some(Work::Command(Command {
            argv: vec!["./thumb.sh".into()],
            ..Default::default()
        }));
        task.attempts = vec![Attempt {
            attempt: 1,
            outcome: AttemptOutcome::Failed.into(),
            message: "cannot start './thumb.sh': there is no such file".into(),
            failure_reason: "spawn".into(),
            ..Default::default()
        }];
        task.result = Some(TaskResult {
            attempt: 1,
            output: Some(Output::default()),
        });
        world.held.explanations = ["build", "thumb"]
            .map(|id| Explanation {
                task_id: id.into(),
                state: TaskState::Failed.into(),
                summary: "it failed".into(),
                ..Default::default()
            })
            .into();
    });
    let list = fake.ctl(&["list"]).stdout;
    assert!(list.contains("exit 2 (3 tries)"), "{list}");
    assert!(list.contains("cannot start './thumb.sh'"), "{list}");
    let page = fake.ctl(&["explain", "build"]).stdout;
    assert!(page.contains("its stderr\n  bad\n"), "{page}");
    let page = fake.ctl(&["explain", "thumb"]).stdout;
    assert!(page.contains("--cwd \"$PWD\""), "{page}");
    let waited = fake.ctl(&["wait", "build"]);
    assert_eq!(waited.code, 1);
    assert!(waited.stderr.contains("its stderr\n  bad\n"), "{}", waited.stderr);
    let logs = fake.ctl(&["logs", "thumb"]);
    assert!(
        logs.stderr
            .contains("thumb was never started: cannot start './thumb.sh'"),
        "{}",
        logs.stderr
    );
}

#[test]
fn inspect_knows_jobs_and_job_inspect_knows_tasks() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "nightly".into(),
            name: "Nightly".into(),
            task_count: 1,
            ..Default::default()
        });
        world.task("fetch", TaskState::Running).job_id = "nightly".into();
    });
    let ended = fake.ctl(&["inspect", "nightly"]);
    assert_eq!(
        ended.stdout,
        "job:   nightly\nname:  Nightly\n\n░░░░░░░░░░░░░░░░░░░░ 0 of 1 task ended; 1 running\n\n\
         WHAT        ID     STATE      SUBMITTED\necho fetch  fetch  ▶ running  59s ago\n"
    );
    assert_eq!(ended.stderr, "");
    assert_eq!(fake.ctl(&["job", "list", "-q"]).stdout, "nightly\n");

    let ended = fake.ctl(&["job", "inspect", "fetch"]);
    assert_eq!(ended.code, 4);
    assert_eq!(
        ended.stderr,
        "error: fetch is a task, not a job\nhelp: swarmctl inspect fetch\n"
    );
}

#[test]
fn agents_are_listed_and_shown() {
    let fake = Fake::start(|world| {
        world.agents.push(Agent {
            agent_id: "a1".into(),
            name: "lab".into(),
            labels: [("os".to_owned(), "linux".to_owned())].into(),
            slots: 4,
            version: "0.1.0".into(),
            state: AgentState::Online.into(),
            seen_time: at(3),
            ..Default::default()
        });
    });
    assert_eq!(
        fake.ctl(&["agent", "list"]).stdout,
        "\
NAME  STATE     SLOTS  BUSY  SEEN     LABELS    ID
lab   ● online      4     0  57s ago  os=linux  a1
"
    );
    let agent: Value =
        serde_json::from_str(&fake.ctl(&["agent", "inspect", "a1", "-o", "json"]).stdout).unwrap();
    assert_eq!(agent["labels"]["os"], "linux");
    let ended = fake.ctl(&["agent", "inspect", "b"]);
    assert_eq!(ended.code, 4);
    assert!(
        ended.stderr.contains("help: swarmctl agent list"),
        "{}",
        ended.stderr
    );
}
