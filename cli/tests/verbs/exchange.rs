//! Import and export, as a shell sees them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};
use swarm_proto::v1::{Agent, AgentState, Job, NewTask, TaskState, task_spec::Work};

use crate::fake::{Fake, World};

/// Black Swarm's own example.
const QUEUE: &str = include_str!("../../src/exchange/tests/queue.json");

fn one_agent(world: &mut World) {
    world.agents = vec![Agent {
        agent_id: "lab".into(),
        name: "lab".into(),
        state: AgentState::Online.into(),
        ..Default::default()
    }];
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn submitted(fake: &Fake) -> Vec<NewTask> {
    fake.world().submits.remove(0).tasks
}

#[test]
fn the_queue_of_another_system_is_submitted_once() {
    let (fake, place) = (Fake::start(one_agent), directory());
    let file = write(&place, "queue.json", QUEUE);
    let ended = fake.ctl(&["import", &file]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("task_001  ○ queued"), "{}", ended.stdout);
    for line in [
        "`min_budget` of 1 task has no meaning here yet; kept in metadata as seed.min_budget\n",
        "1 prompt: no agent of this version runs prompts, so they wait in their queue\n",
        "queue.json (format queue.json)\n",
        "next: swarmctl list --job ",
    ] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    let quiet = fake.ctl(&["import", &file, "-q"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("task_001\n", ""));
    let again = fake.ctl(&["import", &file]);
    assert_eq!(again.code, 0);
    assert!(
        again
            .stderr
            .contains("already there, and not submitted again: task_001 (queued)"),
        "{}",
        again.stderr
    );
    assert!(
        again.stderr.contains("submitted 0 of 1 task of "),
        "{}",
        again.stderr
    );
    let (first, second) = (submitted(&fake), submitted(&fake));
    assert_eq!(first, second);
    let Some(Work::Prompt(prompt)) = first[0].spec.clone().unwrap().work else {
        panic!("{first:?}")
    };
    assert_eq!(prompt.model, "llama-3.1-8b-instant");
}

#[test]
fn a_task_stays_the_same_whether_its_completed_dependency_is_imported_before_or_after() {
    let (fake, place) = (Fake::start(one_agent), directory());
    let text = "version: '2.0'\ntasks:\n\
                - {id: a, name: A, status: completed, description: one}\n\
                - {id: b, name: B, status: not_started, description: two, dependencies: [a]}\n";
    let file = write(&place, "tasks.yaml", text);
    for flags in [&[][..], &["--all"], &[]] {
        let ended = fake.ctl(&[&["import", &file][..], flags].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let first = submitted(&fake);
    assert_eq!((first.len(), first[0].task_id.as_str()), (1, "b"));
    let all = submitted(&fake);
    assert_eq!(all[0].task_id, "a");
    assert_eq!(all[1..], first, "b is another task in the second import");
    assert_eq!(submitted(&fake), first, "b is another task in the third import");
}

#[test]
fn a_dry_run_prints_the_request_and_submits_nothing() {
    let (fake, place) = (Fake::start(one_agent), directory());
    let file = write(&place, "queue.json", QUEUE);
    let ended = fake.ctl(&["import", &file, "--dry-run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("task_001  Summarize the repository changes"),
        "{}",
        ended.stdout
    );
    for line in [
        "nothing was submitted; without --dry-run: 1 task as job queue\n",
        "`intensity` of 1 task has no meaning here yet; kept in metadata as seed.intensity\n",
    ] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    let ended = fake.ctl(&["import", &file, "--dry-run", "-o", "json", "--prefix", "x:"]);
    let request: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(request["tasks"][0]["task_id"], json!("x:task_001"));
    assert_eq!(request["job"]["name"], json!("queue"));
    assert!(fake.world().submits.is_empty());
}

#[test]
fn nothing_is_submitted_when_the_file_has_a_fault_and_each_is_named() {
    let (fake, place) = (Fake::start(one_agent), directory());
    let file = write(
        &place,
        "tasks.yaml",
        "tasks:\n  - {id: a, name: A, phase: x, priority: soon}\n  - {id: b, name: B, dependencies: [nobody, c d]}\n",
    );
    let ended = fake.ctl(&["import", &file]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines[0],
        format!("error: {file} has 3 faults; nothing was submitted")
    );
    assert_eq!(
        lines[1],
        format!(
            "{file}:2:42: `priority`: 'soon' is not a priority: low, normal, high, critical, or -100 to 100"
        )
    );
    assert!(
        lines[2].starts_with(&format!("{file}:3:37: no task 'nobody', neither")),
        "{lines:?}"
    );
    assert!(
        lines[3].starts_with(&format!("{file}:3:45: no task of this file is named 'c d'")),
        "{lines:?}"
    );
    // A dry run looks up references too.
    let file = write(
        &place,
        "one.json",
        "{\"tasks\": [{\"id\": \"a\", \"prompt\": \"x\", \"status\": \"queued\", \"depends_on\": [\"nobody\"]}]}",
    );
    let ended = fake.ctl(&["import", &file, "--dry-run"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(":1:74: no task 'nobody', neither"),
        "{}",
        ended.stderr
    );
    assert!(fake.world().submits.is_empty());
}

#[test]
fn what_is_no_file_of_tasks_is_refused_with_what_to_do() {
    let (fake, place) = (Fake::start(one_agent), directory());
    let log = concat!(
        r#"{"task_id":"task_001","worker_id":"worker_ab12cd34","status":"completed","#,
        r#""timestamp":"2026-02-08T12:00:10+00:00"}"#
    );
    let log = write(&place, "execution_log.jsonl", log);
    let ended = fake.ctl(&["import", &log]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("help: give it with the tasks: swarmctl import queue.json --log "),
        "{}",
        ended.stderr
    );
    // With the log, the task is done.
    let ended = fake.ctl_with(&["import", "-", "--log", &log], QUEUE, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(
        ended
            .stderr
            .contains("completed elsewhere, and not submitted again: 1 task (task_001)"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .ends_with("nothing to submit of stdin (format queue.json)\n"),
        "{}",
        ended.stderr
    );
    let ended = fake.ctl_with(&["import", "-"], "a: 1\n", &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("this looks like no format that can be imported"),
        "{}",
        ended.stderr
    );
    let ended = fake.ctl(&["import", "nowhere.json"]);
    assert!(
        ended
            .stderr
            .starts_with("error: cannot read the file nowhere.json: No such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_dependency_on_a_completed_task_stays_where_the_coordinator_has_that_task() {
    let queue = r#"{"version": "1.0", "tasks": [
      {"id": "a", "prompt": "A", "status": "completed"}, {"id": "b", "prompt": "B", "depends_on": ["a"]}]}"#;
    let count = |fill: fn(&mut World)| {
        let fake = Fake::start(fill);
        let ended = fake.ctl_with(&["import", "-"], queue, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        submitted(&fake)[0].spec.clone().unwrap().depends_on.len()
    };
    assert_eq!(count(one_agent), 0);
    assert_eq!(
        count(|world| {
            one_agent(world);
            world.task("a", TaskState::Succeeded);
        }),
        1
    );
}

fn three_tasks(world: &mut World) {
    one_agent(world);
    world.task("t1", TaskState::Succeeded).job_id = "nightly".into();
    let task = world.task("t2", TaskState::Failed);
    task.spec.as_mut().unwrap().priority = 7;
    task.spec.as_mut().unwrap().exclusive_group = "deploy".into();
    world.task("t3", TaskState::Queued);
    world.jobs.push(Job {
        job_id: "nightly".into(),
        name: "every night".into(),
        ..Default::default()
    });
}

#[test]
fn what_one_coordinator_exports_another_imports_the_same() {
    let (fake, place) = (Fake::start(three_tasks), directory());
    let specs: Vec<_> = fake.world().tasks.iter().map(|task| task.spec.clone()).collect();
    for format in ["jobfile", "queue.json", "amplifier", "agentvine"] {
        let file = place.path().join(format).display().to_string();
        let ended = fake.ctl(&["export", &file, "--format", format]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
        assert!(
            ended.stderr.starts_with(&format!("wrote 3 tasks to {file}\n")),
            "{}",
            ended.stderr
        );
        let other = Fake::start(one_agent);
        let ended = other.ctl(&["import", &file, "--all"]);
        assert_eq!(ended.code, 0, "{format}: {}", ended.stderr);
        let imported: Vec<_> = submitted(&other).into_iter().map(|task| task.spec).collect();
        assert_eq!(imported, specs, "{format}");
    }
}

#[test]
fn export_asks_for_what_its_filters_say_and_writes_the_job() {
    let fake = Fake::start(three_tasks);
    let ended = fake.ctl(&[
        "export",
        "--job",
        "every night",
        "--state",
        "succeeded,failed",
        "--queue",
        "default",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "id: nightly\nname: every night\ntasks:\n  - id: t1\n    run: [echo, t1]\n"
    );
    let list = fake.world().lists.remove(0);
    assert_eq!(
        (list.job_id.as_str(), list.queue.as_str()),
        ("nightly", "default")
    );
    assert_eq!(
        list.states,
        [i32::from(TaskState::Succeeded), TaskState::Failed.into()]
    );
    let ended = fake.ctl(&["export", "--job", "none"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
}

#[test]
fn an_export_of_nothing_is_still_a_file() {
    let fake = Fake::start(one_agent);
    let stdout = |format| fake.ctl(&["export", "--format", format]).stdout;
    assert_eq!(stdout("jobfile"), "tasks: []\n");
    assert_eq!(stdout("agentvine"), "[]\n");
    let queue: Value = serde_json::from_str(&stdout("queue.json")).unwrap();
    assert_eq!(
        queue,
        json!({"version": "1.0", "api_endpoint": "http://127.0.0.1:8420", "tasks": [], "completed": [], "failed": []})
    );
    assert!(stdout("amplifier").ends_with("tasks: []\nsummary:\n  total: 0\n"));
}

#[test]
fn an_export_over_many_pages_has_every_task_in_order() {
    let fake = Fake::start(|world| {
        world.page_size = 7;
        for number in 0..500 {
            world.task(&format!("t{number}"), TaskState::Queued);
        }
    });
    let ended = fake.ctl(&["export", "--format", "agentvine"]);
    let tasks: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let ids = tasks.iter().map(|task| task["id"].as_str().unwrap().to_owned());
    assert!(ids.eq((0..500).map(|number| format!("t{number}"))));
}

/// The files in a directory.
fn names(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_only_when_the_export_is_whole() {
    let (fake, place) = (Fake::start(three_tasks), directory());
    let file = write(&place, "tasks.yaml", "before\n");
    // The second page is lost, and swarmctl does not ask again.
    fake.world().page_size = 2;
    fake.world().lists_until_lost = Some(1);
    let ended = fake.ctl(&["export", &file, "--retry-for", "0s"]);
    assert_ne!(ended.code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "before\n");
    assert_eq!(names(place.path()), ["tasks.yaml"]);

    fake.world().lists_until_lost = None;
    let link = place.path().join("link.yaml");
    std::os::unix::fs::symlink("tasks.yaml", &link).unwrap();
    let ended = fake.ctl(&["export", link.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .starts_with("tasks:\n  - id: t1\n")
    );
    assert_eq!(names(place.path()), ["link.yaml", "tasks.yaml"]);
    // The file has the usual permissions, although temporary files are for their owner alone.
    let made = write(&place, "made", "");
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&file), mode(&made));

    let ended = fake.ctl(&["export", "/nowhere/tasks.yaml"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .stderr
            .starts_with("error: cannot write /nowhere/tasks.yaml: "),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("Os {"), "{}", ended.stderr);
    let ended = fake.ctl(&["export", "/dev/null"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn the_events_are_written_as_an_execution_log() {
    let fake = Fake::start(|world| {
        world.task("t1", TaskState::Queued);
        world.becomes("t1", TaskState::Running);
        world.becomes("t1", TaskState::Succeeded);
    });
    let ended = fake.ctl(&["export", "--format", "execution_log.jsonl"]);
    assert_eq!(
        ended.stdout,
        concat!(
            r#"{"task_id":"t1","worker_id":"lab","status":"in_progress","timestamp":"2026-01-02T03:04:01+00:00","#,
            r#""result_summary":null,"errors":null,"model":null,"seq":1,"attempt":1}"#,
            "\n",
            r#"{"task_id":"t1","worker_id":"lab","status":"completed","timestamp":"2026-01-02T03:04:02+00:00","#,
            r#""result_summary":"t1: task_succeeded","errors":null,"model":null,"seq":2,"attempt":1}"#,
            "\n"
        )
    );
    assert_eq!(fake.world().streams[0].from_seq, Some(0));
    let ended = fake.ctl(&["export", "--format", "execution_log.jsonl", "--state", "failed"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}
