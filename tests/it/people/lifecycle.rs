//! A task's life from its submit to its output, as somebody at a shell sees it.

use std::fs;

use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    agent::RealAgent,
    client::{quoted, shell_task, with},
    coordinator::Coordinator,
};

#[test]
fn a_submitted_command_is_run_and_its_output_can_be_read() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);

    let submitted = coordinator
        .swarmctl(&["submit", "-q", "--id", "hello", "--", "echo", "hello, world"])
        .expect(0);
    assert_eq!(submitted.stdout, "hello\n");
    coordinator.swarmctl(&["wait", "hello"]).expect(0);

    assert_eq!(
        coordinator.swarmctl(&["logs", "hello"]).expect(0).stdout,
        "hello, world\n"
    );
    let task = coordinator
        .swarmctl(&["inspect", "hello", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(task["state"], "succeeded");
    assert_eq!(task["result"]["output"]["stdout"], "hello, world\n");
    assert_eq!(task["attempts"][0]["outcome"], "succeeded");
    let listed = coordinator
        .swarmctl(&["list", "--state", "succeeded", "-q"])
        .expect(0);
    assert_eq!(listed.stdout, "hello\n");
}

#[test]
fn a_job_file_fans_out_and_in_and_the_last_task_reads_what_the_others_printed() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "4"]);
    let file = coordinator.dir().join("job.yaml");
    fs::write(
        &file,
        "name: fan\n\
         tasks:\n\
         \x20 - {id: split, run: echo begin}\n\
         \x20 - {id: one, run: echo 1, depends_on: [split]}\n\
         \x20 - {id: two, run: [echo, '2'], depends_on: [split]}\n\
         \x20 - {id: three, run: 'echo $((1 + 2))', depends_on: split}\n\
         \x20 - id: report\n\
         \x20   run: 'ls $SWARM_INPUTS | sort | tr \"\\n\" \" \"; cat $SWARM_INPUTS/* | sort -n | tr \"\\n\" \" \"'\n\
         \x20   depends_on: [one, two, three]\n",
    )
    .unwrap();

    coordinator
        .swarmctl(&["submit", "-f", file.to_str().unwrap(), "--wait"])
        .expect(0);

    assert_eq!(
        coordinator.swarmctl(&["logs", "report"]).expect(0).stdout,
        "one three two 1 2 3 "
    );
    let jobs = coordinator
        .swarmctl(&["job", "list", "-o", "json"])
        .expect(0)
        .stdout;
    assert!(jobs.contains("\"fan\""), "{jobs}");
}

#[test]
fn names_are_what_people_see_and_ids_what_they_never_need() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab-2", &["--slots", "1"]);
    let file = coordinator.dir().join("nightly.yaml");
    fs::write(
        &file,
        "name: nightly\n\
         tasks:\n\
         \x20 - {name: fetch, run: echo data}\n\
         \x20 - name: count\n\
         \x20   run: 'cat \"$SWARM_INPUTS/fetch\"; ls $SWARM_INPUTS; exit 3'\n\
         \x20   depends_on: fetch\n\
         \x20   retries: 0\n",
    )
    .unwrap();
    let submit = ["submit", "-q", "-f", file.to_str().unwrap(), "--wait"];
    let first = coordinator.swarmctl(&submit).expect(1).stdout;
    let second = coordinator.swarmctl(&submit).expect(1).stdout;
    assert_ne!(first, second, "a file with names alone runs anew");

    // The name means the second run, for every verb.
    let ids: Vec<&str> = second.lines().collect();
    assert_eq!(
        coordinator.swarmctl(&["list", "nightly", "-q"]).expect(0).stdout,
        second
    );
    coordinator.swarmctl(&["wait", "nightly"]).expect(1);
    assert_eq!(
        coordinator.swarmctl(&["logs", ids[1]]).expect(0).stdout,
        "data\nfetch\n"
    );
    let events = coordinator.swarmctl(&["events", "nightly"]).expect(0).stdout;
    for line in [
        format!("task fetch ({}) started attempt 1 on agent lab-2 (", ids[0]),
        format!("task count ({}) waits no longer for fetch ({});", ids[1], ids[0]),
        format!("task count ({}) failed attempt 1 on agent lab-2 (", ids[1]),
    ] {
        assert!(events.contains(&line), "{line} is not in {events}");
    }
    assert!(!events.contains(first.lines().next().unwrap()), "{events}");
    let plain = coordinator
        .swarmctl(&["events", "nightly", "-o", "jsonl"])
        .expect(0)
        .stdout;
    assert!(!plain.contains("task fetch ("), "{plain}");
    assert_eq!(
        coordinator.swarmctl(&["retry", "nightly", "-q"]).expect(0).stdout,
        format!("{}\n", ids[1])
    );
    let agent = coordinator
        .swarmctl(&["inspect", "lab-2", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(agent["name"], "lab-2");
}

#[test]
fn a_removed_task_is_gone_from_memory_and_store_and_its_id_is_free() {
    let mut coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "lab", &["--slots", "1"]);
    let file = coordinator.dir().join("job.yaml");
    // Ids that no random one begins with.
    let text = "id: night\ntasks:\n- {id: fetch, run: exit 3, retries: 0}\n- {id: count, run: x, depends_on: fetch}\n";
    fs::write(&file, text).unwrap();
    let submit = ["submit", "-q", "-f", file.to_str().unwrap(), "--wait"];
    coordinator.swarmctl(&submit).expect(1);
    coordinator.swarmctl(&["remove", "fetch"]).expect_error(
        3,
        &["task fetch is needed: a task that depends on it"],
        &[],
    );
    assert_eq!(
        coordinator.swarmctl(&["remove", "night", "-q"]).expect(0).stdout,
        "fetch\ncount\n"
    );
    coordinator.swarmctl(&["inspect", "fetch"]).expect(4);
    coordinator.swarmctl(&["job", "show", "night"]).expect(4);
    let events = coordinator
        .swarmctl(&["events", "--task", "fetch"])
        .expect(0)
        .stdout;
    assert!(
        events.contains("task fetch was removed: it is failed since "),
        "{events}"
    );
    coordinator.kill();
    coordinator.start_again();
    coordinator.swarmctl(&["inspect", "fetch"]).expect(4);
    coordinator.swarmctl(&submit).expect(1);
}

#[test]
fn a_failing_task_is_tried_again_until_it_succeeds() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let tries = coordinator.dir().join("tries");
    let file = coordinator.dir().join("job.yaml");
    let line = format!("echo x >> {0}; test $(wc -l < {0}) -ge 3", tries.display());
    fs::write(
        &file,
        format!(
            "tasks:\n  - id: stubborn\n    run: '{line}'\n    \
             retry: {{max_retries: 5, initial_backoff: 10ms, max_backoff: 10ms}}\n"
        ),
    )
    .unwrap();

    coordinator
        .swarmctl(&["submit", "-f", file.to_str().unwrap(), "--wait"])
        .expect(0);

    let task = coordinator.client().task("stubborn");
    let codes: Vec<_> = task.attempts.iter().map(|attempt| attempt.exit_code).collect();
    assert_eq!(codes[..2], [Some(1), Some(1)]);
    assert_eq!((task.attempt_count, task.tries.unwrap().failures), (3, 2));
}

#[test]
fn a_task_without_tries_left_fails_skips_what_waits_for_it_and_comes_back_by_a_retry() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let mended = coordinator.dir().join("mended");
    let line = format!("test -e {}", mended.display());
    coordinator
        .swarmctl(&[
            "submit",
            "--id",
            "first",
            "--retries",
            "0",
            "--",
            "sh",
            "-c",
            &line,
        ])
        .expect(0);
    coordinator
        .swarmctl(&["submit", "--id", "then", "--depends-on", "first", "--", "true"])
        .expect(0);

    let waited = coordinator.swarmctl(&["wait", "first", "then"]).expect(1);
    assert!(
        waited.stdout.contains("first") || waited.stderr.contains("first"),
        "{waited:?}"
    );
    let client = coordinator.client();
    assert_eq!(client.task("first").state(), TaskState::Failed);
    assert_eq!(client.task("then").state(), TaskState::Skipped);

    fs::write(mended, "").unwrap();
    coordinator.swarmctl(&["retry", "first"]).expect(0);
    coordinator.swarmctl(&["wait", "first", "then"]).expect(0);
    assert_eq!(client.task("first").attempts.last().unwrap().attempt, 2);
}

#[test]
fn run_prints_what_the_task_printed_and_ends_with_its_code() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);

    let ended = coordinator
        .swarmctl(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"])
        .expect(7);
    assert_eq!(ended.stdout, "out\n");
    assert!(ended.stderr.contains("err\n"), "{}", ended.stderr);
    let last = ended.stderr.trim_end().lines().last().unwrap();
    assert!(
        last.contains('7'),
        "the last line does not say whose code it is: {last}"
    );

    coordinator.swarmctl(&["run", "--", "true"]).expect(0);
    coordinator
        .swarmctl(&["run", "--", "sh", "-c", "kill -9 $$"])
        .expect(128 + 9);
    coordinator
        .swarmctl(&["run", "--timeout", "300ms", "--", "sleep", "600"])
        .expect(124);
}

#[test]
fn wait_tells_success_failure_and_impatience_apart() {
    let coordinator = Coordinator::start();
    coordinator
        .swarmctl(&["submit", "--id", "good", "--", "true"])
        .expect(0);
    coordinator
        .swarmctl(&["wait", "good", "--timeout", "200ms"])
        .expect(5);
    coordinator
        .swarmctl(&["submit", "--id", "bad", "--retries", "0", "--", "false"])
        .expect(0);
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "2"]);

    coordinator.swarmctl(&["wait", "good"]).expect(0);
    let waited = coordinator.swarmctl(&["wait", "good", "bad"]).expect(1);
    let said = format!("{}{}", waited.stdout, waited.stderr);
    assert!(said.contains("bad"), "{said}");
    coordinator.swarmctl(&["wait", "nobody"]).expect(4);
}

#[test]
fn a_delayed_task_starts_not_before_its_time() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    coordinator
        .swarmctl(&["submit", "--id", "later", "--delay", "1200ms", "--", "true"])
        .expect(0);
    let client = coordinator.client();
    assert_eq!(client.task("later").state(), TaskState::Delayed);

    let task = client.wait_for_state("later", TaskState::Succeeded);

    let millis = |time: Option<prost_types::Timestamp>| {
        let time = time.unwrap();
        time.seconds * 1000 + i64::from(time.nanos) / 1_000_000
    };
    let waited = millis(task.start_time) - millis(task.create_time);
    assert!((1200..6000).contains(&waited), "it started after {waited} ms");
}

#[test]
fn higher_priorities_go_first_and_equal_ones_by_age() {
    let coordinator = Coordinator::start();
    for (id, priority) in [
        ("a", "low"),
        ("b", "normal"),
        ("c", "critical"),
        ("d", "normal"),
        ("e", "-100"),
        ("f", "51"),
    ] {
        coordinator
            .swarmctl(&["submit", "--id", id, "--priority", priority, "--", "true"])
            .expect(0);
    }

    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1", "--exit-when-idle"]);
    assert_eq!(agent.program().wait(PATIENCE), 0);

    let events = coordinator.client().all_events();
    let granted = events.iter().filter(|event| event.kind == "lease_granted");
    let order: Vec<&str> = granted.map(|event| event.task_id.as_str()).collect();
    assert_eq!(order, ["c", "f", "b", "d", "a", "e"]);
}

#[test]
fn an_agent_that_was_given_a_number_of_tasks_leaves_after_them() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit((0..5).map(|n| shell_task(&format!("t{n}"), "true")).collect());

    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "2", "--max-tasks", "3"]);
    assert_eq!(agent.program().wait(PATIENCE), 0);

    let tasks = client.status().tasks.unwrap();
    assert_eq!((tasks.succeeded, tasks.queued, tasks.running), (3, 2, 0));
}

#[test]
fn a_task_sees_its_own_names_and_nothing_of_the_agents_secrets() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let line = "env | cut -d= -f1 | sort; echo id $SWARM_TASK_ID attempt $SWARM_ATTEMPT own $OWN; \
                pwd; echo dir $SWARM_WORKDIR";
    let task = with(shell_task("env", line), |spec| {
        let Some(swarm_proto::v1::task_spec::Work::Command(command)) = &mut spec.work else {
            unreachable!()
        };
        command
            .env
            .insert("OWN".to_owned(), "value of its own".to_owned());
    });
    let client = coordinator.client();
    client.submit(vec![task]);
    client.wait_for_state("env", TaskState::Succeeded);

    let printed = coordinator.swarmctl(&["logs", "env"]).expect(0).stdout;
    assert!(
        printed.contains("id env attempt 1 own value of its own\n"),
        "{printed}"
    );
    let line_after = |word: &str| {
        printed
            .lines()
            .find_map(|line| line.strip_prefix(word))
            .unwrap()
            .to_owned()
    };
    assert!(
        printed.contains(&format!("\n{}\n", line_after("dir "))),
        "it does not begin in its directory: {printed}"
    );
    assert!(!printed.contains("CARGO"), "{printed}");
    let shown = coordinator
        .swarmctl(&["inspect", "env", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(shown["spec"]["command"]["env"]["OWN"], "***");
}

#[test]
fn a_repeated_submit_finds_its_task_and_another_spec_under_its_id_is_refused() {
    let coordinator = Coordinator::start();
    coordinator
        .swarmctl(&["submit", "--id", "once", "--", "true"])
        .expect(0);
    let again = coordinator
        .swarmctl(&["submit", "--id", "once", "--", "true"])
        .expect(11);
    let said = format!("{}{}", again.stdout, again.stderr);
    assert!(
        said.contains("queued"),
        "the state of what was there is not said: {said}"
    );
    coordinator
        .swarmctl(&["submit", "--id", "once", "--", "false"])
        .expect_error(3, &["once"], &[]);
    assert_eq!(coordinator.client().status().tasks.unwrap().queued, 1);
}

#[test]
fn files_in_a_task_directory_are_its_own() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "2"]);
    let client = coordinator.client();
    let seen = coordinator.dir().join("seen");
    let line = format!("ls -A | wc -l >> {}; touch mine", quoted(&seen));
    client.submit((0..4).map(|n| shell_task(&format!("t{n}"), &line)).collect());
    for n in 0..4 {
        client.wait_for_state(&format!("t{n}"), TaskState::Succeeded);
    }
    assert_eq!(
        fs::read_to_string(seen)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["0"; 4]
    );
}

#[test]
fn whoever_waits_is_told_of_files_that_go_with_the_directory() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let line = "mkdir sub; echo result > out.txt; echo more > sub/other";
    let words = ["run", "--id", "left", "--", line];
    let ended = coordinator.swarmctl(&words).expect(0);
    let told = "left 2 files (12 B), removed; --cwd DIR keeps what it writes there";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let shown = coordinator.swarmctl(&["inspect", "left"]).expect(0).stdout;
    assert!(shown.contains(told), "{shown}");
    let waited = coordinator.swarmctl(&["wait", "left"]).expect(0);
    assert!(waited.stderr.contains(told), "{}", waited.stderr);

    let ended = coordinator
        .swarmctl(&["run", "--id", "clean", "--", "true"])
        .expect(0);
    assert!(!ended.stderr.contains("left "), "{}", ended.stderr);
}
