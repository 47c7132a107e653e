//! submit of tasks with requirements, of series and of prompts, and dry runs.

use std::fs;

use serde_json::Value;
use swarm_proto::v1::{Agent, AgentState, TaskState, Unmatched, task_spec::Work};

use crate::fake::{Ended, Fake, World, at};

fn one_agent(world: &mut World) {
    world.agents.push(Agent {
        agent_id: "lab".into(),
        state: AgentState::Online.into(),
        labels: [("os".to_owned(), "linux".to_owned())].into(),
        executors: vec!["command".into()],
        ..Agent::default()
    });
}

fn unmatched(ids: &[&str], tasks: u64) -> Unmatched {
    Unmatched {
        task_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        tasks,
        message: "none of 3 agents can run it: 2 lack label docker, 1 is draining".into(),
    }
}

#[test]
fn what_a_task_asks_of_its_agent_reaches_the_request() {
    let fake = Fake::start(one_agent);
    let args = [
        "--require",
        "gpu=a100,!spot",
        "--require",
        "os!=mac",
        "--exclusive",
        "db",
        "--shard-key",
        "s",
    ];
    let ended = fake.ctl(&[&["submit"][..], &args, &["--", "true"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let spec = fake.world().submits.remove(0).tasks.remove(0).spec.unwrap();
    assert_eq!(
        spec.requirements.unwrap().labels,
        ["gpu=a100", "!spot", "os!=mac"]
    );
    assert_eq!(
        (spec.exclusive_group.as_str(), spec.shard_key.as_str()),
        ("db", "s")
    );

    let ended = fake.ctl(&["submit", "--require", "a b", "--", "true"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("'a b' is none of k=v, k!=v, k and !k"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_submit_that_nobody_can_run_says_so_at_once() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.held.unmatched = vec![unmatched(&["t1"], 1)];
    });
    let ended = fake.ctl(&["submit", "--id", "t1", "--", "true"]);
    assert_eq!(ended.code, 0);
    assert!(
        ended.stderr.starts_with(
            "queued, but none of 3 agents can run it: 2 lack label docker, 1 is draining\n\
             help: swarmctl explain t1\nnext: "
        ),
        "{}",
        ended.stderr
    );
    let ended = fake.ctl(&[
        "submit",
        "--id",
        "t1",
        "--require-match",
        "--wait",
        "-o",
        "json",
        "--",
        "true",
    ]);
    assert_eq!(ended.code, 9);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["unmatched"][0]["task_ids"][0], "t1");
    let error: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        error["error"],
        "queued, but none of 3 agents can run it: 2 lack label docker, 1 is draining"
    );
    assert_eq!(error["help"][0], "swarmctl explain t1");
}

#[test]
fn tasks_of_a_file_that_nobody_can_run_are_named() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.held.unmatched = vec![unmatched(&["a", "b", "c", "d"], 7); 6];
    });
    let ended = fake.ctl_with(&["submit", "-"], "tasks: [{id: a, run: x}, {id: z, run: x}]", &[]);
    let named =
        "a, b, c, 4 more: queued, but none of 3 agents can run it: 2 lack label docker, 1 is draining\n";
    assert!(ended.stderr.contains(&named.repeat(5)), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("and 7 tasks more, for other reasons\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn run_warns_while_it_waits() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.held.unmatched = vec![unmatched(&["r"], 1)];
        world.then(|world| world.becomes("r", TaskState::Succeeded));
    });
    let ended = fake.ctl(&["run", "--id", "r", "--require", "docker", "--", "true"]);
    assert_eq!(ended.code, 0);
    assert!(
        ended
            .stderr
            .starts_with("queued, but none of 3 agents can run it:")
            && ended.stderr.ends_with("help: swarmctl explain r\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_prompt_is_submitted_in_place_of_a_command() {
    let fake = Fake::start(one_agent);
    let ended = fake.ctl(&["submit", "--prompt", "Why?", "--model", "small", "--name", "n"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let spec = fake.world().submits.remove(0).tasks.remove(0).spec.unwrap();
    let Some(Work::Prompt(prompt)) = spec.work else {
        panic!("no prompt")
    };
    assert_eq!(
        (prompt.text.as_str(), prompt.model.as_str(), spec.name.as_str()),
        ("Why?", "small", "n")
    );
    for args in [
        &["submit", "--prompt", "x", "--", "true"][..],
        &["submit", "--prompt", "x", "--cwd", "/"],
        &["submit", "--prompt", "x", "--array", "1-2"],
        &["submit", "--model", "x", "--", "true"],
        &["submit", "--prompt", "x", "-f", "x.yaml"],
    ] {
        assert_eq!(fake.ctl(args).code, 2, "{args:?}");
    }
}

fn series(fake: &Fake) -> Vec<(String, String, String, Option<String>)> {
    let request = fake.world().submits.pop().unwrap();
    let tasks = request.tasks.into_iter().map(|task| {
        let spec = task.spec.unwrap();
        let Some(Work::Command(command)) = spec.work else {
            panic!("no command")
        };
        let env = |name: &str| command.env.get(name).cloned();
        (task.task_id, spec.name, env("ARRAY_INDEX").unwrap(), env("ENTRY"))
    });
    tasks.collect()
}

#[test]
fn an_array_is_a_job_with_a_task_for_each_number() {
    let fake = Fake::start(one_agent);
    let ended = fake.ctl(&["submit", "--id", "t", "--array", "1-5:2,9", "-q", "--", "true"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "t-1\nt-3\nt-5\nt-9\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let numbers: Vec<String> = series(&fake)
        .into_iter()
        .map(|(_, _, number, _)| number)
        .collect();
    assert_eq!(numbers, ["1", "3", "5", "9"]);
    for array in ["1-", "5-1", "0-10000"] {
        assert_eq!(
            fake.ctl(&["submit", "--array", array, "--", "true"]).code,
            2,
            "{array}"
        );
    }
    let long = "x".repeat(128);
    assert_eq!(
        fake.ctl(&["submit", "--id", &long, "--array", "1", "--", "true"])
            .code,
        2
    );
    assert_eq!(fake.ctl(&["submit", "--array", "1-2", "-f", "x.yaml"]).code, 2);
}

#[test]
fn each_line_of_a_file_is_a_task() {
    let fake = Fake::start(one_agent);
    let submit = [
        "submit",
        "--id",
        "t",
        "--name",
        "get",
        "--each-line",
        "-",
        "--",
        "true",
    ];
    let ended = fake.ctl_with(&submit, "one\n\ntwo words\n", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let task = |id: &str, name: &str, number: &str, line: &str| {
        (
            id.to_owned(),
            name.to_owned(),
            number.to_owned(),
            Some(line.to_owned()),
        )
    };
    assert_eq!(
        series(&fake),
        [
            task("t-1", "get one", "1", "one"),
            task("t-3", "get two words", "3", "two words")
        ]
    );
    let ended = fake.ctl_with(&submit, "\n", &[]);
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.stderr,
        "error: --each-line: stdin has no line that is not empty\n"
    );
    let ended = fake.ctl(&["submit", "--each-line", "/no/such/file", "--", "true"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .starts_with("error: --each-line: cannot read /no/such/file: "),
        "{}",
        ended.stderr
    );
}

fn dry_run(fake: &Fake, file: &str, flags: &[&str]) -> Ended {
    let ended = fake.ctl_with(&[&["submit", "--dry-run"][..], flags, &["-"]].concat(), file, &[]);
    assert!(fake.world().submits.is_empty(), "it was submitted");
    ended
}

#[test]
fn times_are_read_in_the_zone_of_this_machine_and_told_with_it() {
    let fake = Fake::start(one_agent);
    // It is 11:05 on a Friday there.
    let words = ["submit", "--dry-run", "--id", "t", "--not-before", "tomorrow 2am"];
    let zone = [("TZ", "XYZ-8")];
    let ended = fake.ctl_with(&[&words[..], &["--", "true"]].concat(), "", &zone);
    assert!(
        ended.stdout.contains("  2026-01-03 02:00:00 XYZ"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let json = fake.ctl_with(&[&words[..], &["-o", "json", "--", "true"]].concat(), "", &zone);
    let request: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(request["tasks"][0]["spec"]["not_before"], "2026-01-02T18:00:00Z");
    let listed = fake.ctl_with(&["list", "--since", "11:04"], "", &zone);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let since = fake.world().lists.last().unwrap().create_time_from;
    assert_eq!(since, at(0));
}

#[test]
fn a_dry_run_prints_what_would_be_submitted_and_submits_nothing() {
    let fake = Fake::start(one_agent);
    let file = "name: nightly\nid: n\ntasks:\n  - {id: a, run: make, requires: os=linux}\n  \
                - {id: b, run: test, depends_on: a, queue: slow, name: the tests}\n";
    let ended = dry_run(&fake, file, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "\
NAME       ID  COMMAND  QUEUE    PRIORITY  TIMEOUT  RETRIES  DEPENDS ON  REQUIRES
-          a   make     default         0       1h        2  -           os=linux
the tests  b   test     slow            0       1h        2  a           -
"
    );
    assert_eq!(
        ended.stderr,
        "nothing was submitted; without --dry-run: 2 tasks as job nightly\n"
    );
    let request: Value = serde_json::from_str(&dry_run(&fake, file, &["-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&request["job"]["job_id"], &request["tasks"][1]["task_id"]),
        (&"n".into(), &"b".into())
    );
    assert_eq!(
        request["tasks"][0]["spec"]["requirements"]["labels"][0],
        "os=linux"
    );
    assert_eq!(dry_run(&fake, file, &["-q"]).stdout, "a\nb\n");
}

#[test]
fn a_dry_run_finds_what_the_coordinator_would_refuse() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.task("taken", TaskState::Running);
        world.task("failed", TaskState::Failed);
    });
    let file = "tasks:\n  - {id: taken, run: other}\n  - {id: b, run: x, depends_on: [gone, failed]}\n";
    let ended = dry_run(&fake, file, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "error: stdin has 2 faults; nothing was submitted\n\
         stdin:2:10: a task taken with another spec exists; it is running\n\
         stdin:3:34: no task 'gone', neither in this file nor on the coordinator\n"
    );
    let ended = fake.ctl(&[
        "submit",
        "--dry-run",
        "--id",
        "taken",
        "--depends-on",
        "gone",
        "--",
        "true",
    ]);
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.stderr,
        "error: the command line has 2 faults; nothing was submitted\n  \
         --id: a task taken with another spec exists; it is running\n  \
         --depends-on: there is no task 'gone'\n"
    );
    assert!(fake.world().submits.is_empty());
}

#[test]
fn a_dry_run_says_what_is_there_already_and_what_would_never_run() {
    let fake = Fake::start(|world| {
        one_agent(world);
        world.task("there", TaskState::Running);
        world.task("failed", TaskState::Failed);
        if let Some(Work::Command(command)) = &mut world.tasks[0].spec.as_mut().unwrap().work {
            command.env.insert("SECRET".into(), "***".into());
        }
    });
    let file = "tasks:\n  - {id: there, run: [echo, there], env: {SECRET: s}}\n  \
                - {id: b, run: x, depends_on: [failed], requires: 'os=linux,gpu'}\n  - {id: c, prompt: Why?}\n";
    let ended = dry_run(&fake, file, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for line in [
        "already there, and not submitted again: there (running)\n",
        "b would be skipped at once: failed is failed\n",
        "b: blocked, but no agent that is online runs commands of queue default with os=linux, gpu\n",
        "c: queued, but no agent that is online runs prompts of queue default\n",
    ] {
        assert!(ended.stderr.contains(line), "{line:?} is not in {}", ended.stderr);
    }
    let ended = dry_run(&fake, file, &["--require-match"]);
    assert_eq!(ended.code, 9);
    assert!(
        ended.stderr.contains("\nerror: c: queued, but") || ended.stderr.contains("\nerror: b: blocked, but")
    );
}

#[test]
fn a_dry_run_without_a_coordinator_checks_the_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.yaml");
    fs::write(&path, "tasks: [{id: a, run: x, depends_on: elsewhere}]").unwrap();
    let fake = Fake::start(|_| {});
    let file = path.to_str().unwrap();
    // A port that is taken, and where nothing listens.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    let ended = fake.ctl_with(
        &["submit", "-q", "--dry-run", "-f", file],
        "",
        &[("SWARM_COORDINATOR", &address)],
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "a\n"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.starts_with(&format!(
            "not checked with the coordinator at {address}: connection refused: nothing listens there\n"
        )),
        "{}",
        ended.stderr
    );
}
