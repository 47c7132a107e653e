//! list and job list: filters, order, how much is shown, and the formats.

use serde_json::{Value, json};
use swarm_proto::v1::{Agent, Attempt, Job, TaskState};

use crate::{
    fake::{Fake, World, at},
    terminal::on_a_terminal,
};

/// Six tasks in two queues with labels; one was tried by an agent.
fn six_tasks(world: &mut World) {
    world.agents.push(Agent {
        agent_id: "a1".into(),
        name: "lab".into(),
        ..Default::default()
    });
    for n in 0..6 {
        let state = if n == 2 {
            TaskState::Failed
        } else {
            TaskState::Queued
        };
        let task = world.task(&format!("t{n}"), state);
        let spec = task.spec.as_mut().unwrap();
        spec.queue = if n < 3 { "fast" } else { "slow" }.into();
        spec.priority = 10 * (n % 3);
        spec.labels = [("n".to_owned(), n.to_string())].into();
        if n == 4 {
            spec.labels.insert("gpu".into(), "a100".into());
            spec.name = "Train the model".into();
        }
        if n == 2 {
            task.attempts = vec![Attempt {
                agent_id: "a1".into(),
                ..Default::default()
            }];
        }
    }
}

#[test]
fn each_filter_is_asked_of_the_coordinator() {
    let fake = Fake::start(six_tasks);
    for (flags, expected) in [
        (&["--queue", "fast"][..], "t0 t1 t2"),
        (&["--label", "gpu"], "t4"),
        (&["--label", "!gpu,n!=0"], "t1 t2 t3 t5"),
        (&["--label", "n=3", "--label", "!gpu"], "t3"),
        (&["--agent", "lab"], "t2"),
        (&["--text", "model"], "t4"),
        (&["--state", "failed", "--queue", "slow"], ""),
        (&["--since", "2026-01-02 03:04:05"], "t4 t5"),
        (&["--until", "2026-01-02T03:04:03Z"], "t0 t1"),
        (
            &["--since", "2026-01-02", "--until", "2026-01-03"],
            "t0 t1 t2 t3 t4 t5",
        ),
        (&["--since", "1000w"], "t0 t1 t2 t3 t4 t5"),
        (&["--newest", "--limit", "2"], "t5 t4"),
        (&["--sort", "spec.priority"], "t0 t3 t1 t4 t2 t5"),
        (&["--sort", "-priority", "--limit", "3"], "t2 t5 t1"),
        (&["--sort", "-id"], "t5 t4 t3 t2 t1 t0"),
    ] {
        let ended = fake.ctl(&[&["list", "-q"], flags].concat());
        let ids: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(
            (ended.code, ids.join(" ").as_str()),
            (0, expected),
            "{flags:?}: {}",
            ended.stderr
        );
    }
    assert_eq!(fake.world().lists.last().unwrap().page_size, 1_000);
}

#[test]
fn a_filter_that_cannot_be_read_is_explained() {
    let fake = Fake::start(six_tasks);
    for (flags, sentence) in [
        (
            &["--since", "someday"][..],
            "'someday' is neither a duration that has passed, such as 2h, nor a time",
        ),
        (&["--state", "doen"], "[possible values: blocked,"),
        (
            &["--agent", "nobody"],
            "there is no agent with the id or name nobody",
        ),
        (
            &["--job", "nothing"],
            "there is no job with the id or name nothing",
        ),
        (&["--newest", "--sort", "id"], "cannot be used with"),
    ] {
        let ended = fake.ctl(&[&["list"], flags].concat());
        assert!(ended.code == 2 || ended.code == 4, "{flags:?}");
        assert!(ended.stderr.contains(sentence), "{flags:?}: {}", ended.stderr);
    }
}

#[test]
fn too_much_is_not_sorted() {
    let fake = Fake::start(|world| {
        for n in 0..10_001 {
            world.task(&format!("t{n}"), TaskState::Queued);
        }
    });
    let ended = fake.ctl(&["list", "--sort", "state"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "error: more than 10000 tasks cannot be sorted by state\nhelp: list fewer of them, or leave --sort out: \
         they come in the order of submission, the newest first with --newest\n"
    );
    assert_eq!(
        fake.ctl(&["list", "-q", "--sort", "-number", "--text", "t99", "--limit", "1"])
            .stdout,
        "t9999\n"
    );
}

#[test]
fn chosen_fields_are_columns_or_parts_of_the_json() {
    let fake = Fake::start(six_tasks);
    let ended = fake.ctl(&[
        "list",
        "--text",
        "t4",
        "--fields",
        "state,id,spec.labels,spec.queue",
    ]);
    assert_eq!(
        ended.stdout,
        "STATE     ID  SPEC.LABELS   SPEC.QUEUE\n○ queued  t4  gpu=a100 n=4  slow\n"
    );
    let json = |args: &[&str]| -> Value { serde_json::from_str(&fake.ctl(args).stdout).unwrap() };
    let fields = ["--fields", "state,task_id,spec.queue,end_time"];
    let listed = json(&[&["list", "--text", "t4", "-o", "json"][..], &fields].concat());
    let expected = json!({"state": "queued", "task_id": "t4", "spec": {"queue": "slow"}, "end_time": null});
    assert_eq!(listed, json!({ "tasks": [expected] }));
    assert_eq!(
        json(&[&["list", "--text", "t4", "-o", "jsonl"][..], &fields].concat()),
        expected
    );
    assert_eq!(
        json(&[&["inspect", "t4", "-o", "json"][..], &fields].concat()),
        expected
    );
    assert_eq!(
        fake.ctl(&["inspect", "t4", "--fields", "task_id,spec.priority"])
            .stdout,
        "task_id:        t4\nspec.priority:  10\n"
    );

    for (args, help) in [
        (&["list", "--fields", "sate"][..], "help: did you mean 'state'?\n"),
        (
            &["inspect", "t4", "-o", "json", "--fields", "queue"],
            "did you mean 'spec.queue'?",
        ),
        (
            &["list", "-o", "json", "--text", "nothing", "--fields", "x.y.z"],
            "there are: what, id, ",
        ),
        (
            &["inspect", "t4", "--fields", "task"],
            "help: did you mean 'task_id'?\n",
        ),
        (&["list", "--sort", "sate"], "help: did you mean 'state'?\n"),
        (
            &["events", "--fields", "sumary"],
            "help: did you mean 'summary'?\n",
        ),
        (
            &["list", "-q", "--fields", "state"],
            "help: leave one of them out\n",
        ),
    ] {
        let ended = fake.ctl(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ended.stderr.contains(help), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn columns_and_paths_name_fields_in_every_format() {
    let fake = Fake::start(six_tasks);
    let fields = [
        "list",
        "--text",
        "t4",
        "--fields",
        "id,state,queue,took,what,spec.labels.n,end_time,ended",
    ];
    let expected = json!({
        "id": "t4", "state": "queued", "queue": "slow", "took": null, "what": "Train the model",
        "spec": {"labels": {"n": "4"}}, "end_time": null, "ended": null,
    });
    for (format, expected) in [
        ("json", json!({"tasks": [&expected]})),
        ("jsonl", expected.clone()),
    ] {
        let ended = fake.ctl(&[&fields[..], &["-o", format]].concat());
        let printed: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(printed, expected, "{format}: {}", ended.stderr);
    }
    assert_eq!(fake.ctl(&fields).code, 0);
    let yaml = fake.ctl(&["list", "--text", "t4", "-o", "yaml", "--fields", "id,queue"]);
    assert_eq!(yaml.stdout, "tasks:\n  - id: t4\n    queue: slow\n");
}

#[test]
fn a_list_refuses_fields_that_only_a_single_task_has() {
    let fake = Fake::start(six_tasks);
    let fields = ["--fields", "task_id,result.attempt"];
    let told = "a list has no field 'result.attempt'";
    for words in [
        &[&["list"][..], &fields].concat()[..],
        &[&["list", "-o", "json"][..], &fields].concat(),
        &["list", "--sort", "result.attempt"],
    ] {
        let ended = fake.ctl(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{words:?}");
        for part in [told, "inspect ID -o json has its whole result"] {
            assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
        }
    }
    let meant = fake.ctl(&["list", "-o", "json", "--fields", "stdout"]).stderr;
    assert!(!meant.contains("result"), "{meant}");
    let shown = fake.ctl(&["inspect", "t4", "-o", "json", "--fields", "result"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
}

#[test]
fn a_time_that_ends_before_it_begins_is_refused() {
    let fake = Fake::start(six_tasks);
    for verb in [&["list"][..], &["cancel", "--yes"]] {
        let times = ["--since", "5m", "--until", "10m"];
        let ended = fake.ctl(&[verb, &times].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{verb:?}");
        assert!(
            ended
                .stderr
                .starts_with("error: --until is not later than --since"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(fake.ctl(&["list", "--since", "10m", "--until", "5m"]).code, 0);
}

#[test]
fn yaml_is_the_json_in_other_letters() {
    let fake = Fake::start(six_tasks);
    let ended = fake.ctl(&[
        "list",
        "-o",
        "yaml",
        "--fields",
        "task_id,spec.priority",
        "--limit",
        "2",
    ]);
    assert_eq!(
        ended.stdout,
        "tasks:\n  - task_id: t0\n    spec:\n      priority: 0\n  - task_id: t1\n    spec:\n      priority: 10\n"
    );
    assert_eq!(
        fake.ctl(&["list", "-o", "yaml", "--text", "nothing"]).stdout,
        "tasks: []\n"
    );
    let one = fake.ctl(&["inspect", "t2", "-o", "yaml"]).stdout;
    assert!(
        one.starts_with("task_id: t2\nspec:\n  command:\n    argv:\n      - echo\n"),
        "{one}"
    );
    let status = fake
        .ctl(&["status", "-o", "yaml", "--fields", "tasks.queued,uptime"])
        .stdout;
    assert_eq!(status, "tasks:\n  queued: 5\nuptime: 90\n");
}

#[test]
fn a_wide_table_has_all_columns_whatever_the_terminal() {
    let fake = Fake::start(six_tasks);
    let narrow = on_a_terminal(fake.command(&["list", "--color", "never"]), Some(60));
    assert!(
        !narrow.contains("LABELS") && !narrow.contains("PRIORITY"),
        "{narrow}"
    );
    let wide = on_a_terminal(
        fake.command(&["list", "--color", "never", "-o", "wide"]),
        Some(60),
    );
    for heading in ["PRIORITY", "STARTED", "ENDED", "JOB", "AGENT", "LABELS", "REASON"] {
        assert!(
            wide.lines().next().unwrap().contains(heading),
            "{heading}: {wide}"
        );
    }
    assert!(wide.contains("gpu=a100 n=4"), "{wide}");
}

#[test]
fn a_long_table_is_printed_in_parts_that_stand_in_the_same_columns() {
    let fake = Fake::start(|world| {
        for n in 0..2_500 {
            let task = world.task(&format!("t{n:04}"), TaskState::Queued);
            task.spec.as_mut().unwrap().queue = "slow".into();
        }
    });
    let ended = fake.ctl(&["list", "--all"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((lines.len(), ended.stderr.as_str()), (2_501, ""));
    let column = lines[0].find("QUEUE").unwrap();
    let of_glyphs = "○".len() - 1;
    assert!(
        lines[1..]
            .iter()
            .all(|line| line[column + of_glyphs..].starts_with("slow"))
    );
}

#[test]
fn jobs_are_listed_from_either_end_and_sorted() {
    let fake = Fake::start(|world| {
        for (id, name, count) in [("j1", "beta", 3), ("j2", "alpha", 1), ("j3", "gamma", 2)] {
            world.jobs.push(Job {
                job_id: id.into(),
                name: name.into(),
                task_count: count,
                create_time: at(1),
                ..Default::default()
            });
        }
    });
    for (flags, expected) in [
        (&[][..], "j1 j2 j3"),
        (&["--newest"], "j3 j2 j1"),
        (&["--sort", "name"], "j2 j1 j3"),
        (&["--sort", "-task_count", "--limit", "2"], "j1 j3"),
    ] {
        let ended = fake.ctl(&[&["job", "list", "-q"], flags].concat());
        let ids: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(ids.join(" "), expected, "{flags:?}: {}", ended.stderr);
    }
}

#[test]
fn a_list_in_an_order_of_its_own_is_never_cut_without_a_sign() {
    let fake = Fake::start(|world| {
        for n in 0..10_500 {
            world.jobs.push(Job {
                job_id: format!("j{n}"),
                // Jobs that have not ended, at either end.
                task_count: u32::from(n == 10_400 || n == 3),
                ..Default::default()
            });
        }
    });
    let all = fake.ctl(&["job", "list", "--all"]);
    assert_eq!((all.code, all.stdout.lines().count()), (0, 10_501));
    assert!(all.stdout.lines().nth(1).unwrap().contains("j10400"));
    assert_eq!(all.stderr, "only the first 10000 jobs were put into this order\n");
    let usual = fake.ctl(&["job", "list"]);
    assert_eq!(usual.stdout.lines().count(), 101);
    assert_eq!(
        usual.stderr,
        "more than 10000 more; --all shows them\nonly the first 10000 jobs were put into this order\n"
    );
}
