//! Job files: submitted, submitted again, and refused with every fault in its place.

use std::fs;

use swarm_proto::{
    reason::Reason,
    refusal::FieldFault,
    v1::{TaskState, task_spec::Work},
};

use crate::{fake::Fake, submit::one_agent};

#[test]
fn the_second_night_of_a_file_with_ids_has_an_exit_code_that_cron_sees() {
    let fake = Fake::start(one_agent);
    let file = "name: nightly\nid: n1\ntasks:\n  - {id: fetch, run: 'true'}\n  \
                - {name: build, run: make, depends_on: fetch}\n";
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("night ly.yaml");
    fs::write(&path, file).unwrap();
    let submit = ["submit", "-q", "-f", path.to_str().unwrap()];
    let first = fake.ctl(&submit);
    assert_eq!(first.code, 0, "{}", first.stderr);

    let second = fake.ctl(&submit);
    assert_eq!(
        (second.code, &second.stdout),
        (11, &first.stdout),
        "{}",
        second.stderr
    );
    assert!(
        second.stderr.contains(&format!(
            "error: nothing was submitted, for all of it was there before: fetch (queued), {} (queued)\n\
             help: to run it once more, under new ids: swarmctl submit --again -f '{}'\n",
            first.stdout.lines().nth(1).unwrap(),
            path.display()
        )),
        "{}",
        second.stderr
    );

    // Whoever waits for tasks at work waits on; whoever waits for last night's is told.
    fake.world().then(|world| {
        let ids: Vec<String> = world.tasks.iter().map(|task| task.task_id.clone()).collect();
        for id in ids {
            world.becomes(&id, TaskState::Succeeded);
        }
    });
    let waiting = [&submit[..], &["--wait"]].concat();
    let attached = fake.ctl(&waiting);
    assert_eq!(attached.code, 0, "{}", attached.stderr);
    assert_eq!(attached.stderr, "");
    assert_eq!(fake.ctl(&waiting).code, 11);

    let of_flags = ["submit", "--id", "fetch", "--", "true"];
    let ended = fake.ctl(&of_flags);
    assert_eq!(ended.code, 11);
    assert!(
        ended
            .stderr
            .contains("help: give another --id, or bring the ended task back: swarmctl retry fetch\n"),
        "{}",
        ended.stderr
    );
    // Nobody knows whose a task is after a lost answer.
    fake.world().lost_answers = 1;
    assert_eq!(fake.ctl(&of_flags).code, 0);
}

#[test]
fn the_same_file_runs_again_under_new_ids() {
    let fake = Fake::start(one_agent);
    let file = "id: n1\ntasks:\n  - {id: fetch, run: 'true'}\n  - {name: build, run: make, depends_on: fetch}\n  \
                - {id: tell, name: the end, run: mail, depends_on: [{task: build, condition: finished}, elsewhere]}\n";
    assert_eq!(fake.ctl_with(&["submit", "-"], file, &[]).code, 0);
    for flags in [&["--again"][..], &["--prefix", "tue:"]] {
        let ended = fake.ctl_with(&[&["submit", "-q", "-"], flags].concat(), file, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let world = fake.world();
    let again = &world.submits[1];
    let job = again.job.clone().unwrap();
    let prefix = job.job_id.strip_suffix("n1").unwrap();
    assert!(prefix.len() == 7 && prefix.ends_with('.'), "{prefix}");
    assert_eq!(job.name, "n1");
    assert_eq!(world.submits[2].job.clone().unwrap().job_id, "tue:n1");
    let ids: Vec<&str> = again.tasks.iter().map(|task| task.task_id.as_str()).collect();
    assert_eq!(
        (ids[0], ids[2]),
        (&*format!("{prefix}fetch"), &*format!("{prefix}tell"))
    );
    assert_ne!(ids[1], world.submits[0].tasks[1].task_id);
    let spec = |index: usize| again.tasks[index].spec.clone().unwrap();
    let names = [spec(0).name, spec(1).name, spec(2).name];
    assert_eq!(names, ["fetch", "build", "the end"]);
    let on = |index: usize| -> Vec<String> {
        spec(index)
            .depends_on
            .iter()
            .map(|on| on.task_id.clone())
            .collect()
    };
    assert_eq!(on(1), [ids[0]]);
    assert_eq!(on(2), [ids[1], "elsewhere"]);
}

#[test]
fn ids_may_have_the_date_in_them() {
    let fake = Fake::start(one_agent);
    let file = "id: n-{date}\nname: night of {date}\ntasks:\n  - {id: 'a-{date}', run: 'echo {date}'}\n  \
                - {id: 'b-{time}', run: x, depends_on: 'a-{date}'}\n";
    let today = "2026-01-02";
    let ended = fake.ctl_with(&["submit", "-q", "-"], file, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let submit = fake.world().submits.remove(0);
    let job = submit.job.unwrap();
    assert_eq!(
        (job.job_id, job.name),
        (format!("n-{today}"), format!("night of {today}"))
    );
    assert_eq!(submit.tasks[0].task_id, format!("a-{today}"));
    let Some(Work::Command(command)) = submit.tasks[0].spec.clone().unwrap().work else {
        panic!("no command")
    };
    assert_eq!(command.argv[2], "echo {date}");
    assert_eq!(submit.tasks[1].task_id, "b-030500");
    assert_eq!(
        submit.tasks[1].spec.clone().unwrap().depends_on[0].task_id,
        format!("a-{today}")
    );

    let ended = fake.ctl(&["submit", "-q", "--id", "c-{time}", "--", "true"]);
    assert!(
        ended.stdout.starts_with("c-") && ended.stdout.len() == 9,
        "{}",
        ended.stdout
    );
}

#[test]
fn a_masked_value_is_no_value() {
    let fake = Fake::start(one_agent);
    let file = "tasks:\n  - id: a\n    run: x\n    env:\n      TOKEN: '***'\n      ENTRY: a.jpg\n";
    let ended = fake.ctl_with(&["submit", "-f", "-"], file, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "error: stdin has 1 fault; nothing was submitted\n\
         stdin:5:14: the value of 'TOKEN' is ***: a coordinator tells it to nobody, so it was not exported\n  \
         help: write the value in its place\n"
    );
    assert!(fake.world().submits.is_empty());
}

#[test]
fn a_job_file_is_submitted_as_a_job() {
    let fake = Fake::start(one_agent);
    let file = "name: nightly\nid: n1\ntasks:\n  - {id: fetch, run: 'true'}\n  \
                - {id: build, run: make, depends_on: fetch}\n";
    let ended = fake.ctl_with(&["submit", "-q", "-"], file, &[]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "fetch\nbuild\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);

    fake.world().tasks[0].set_state(TaskState::Succeeded);
    let again = fake.ctl_with(&["submit", "-f", "-"], file, &[]);
    assert!(
        again.stdout.contains("fetch  ✔ succeeded  before\n"),
        "{}",
        again.stdout
    );
    assert!(
        again.stderr.contains(
            "nothing was submitted, for all of it was there before: fetch (succeeded), build (queued)\n"
        ),
        "{}",
        again.stderr
    );
}

#[test]
fn faults_of_a_file_are_told_together_with_unknown_tasks() {
    let fake = Fake::start(one_agent);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.yaml");
    let text = "tasks:\n  - id: a\n    run: x\n    priorty: 3\n    depends_on: [gone]\n  \
                - id: b\n    run: y\n    timeout: soon\n";
    fs::write(&path, text).unwrap();
    let ended = fake.ctl(&["submit", "-f", path.to_str().unwrap()]);
    assert_eq!(ended.code, 2);
    let shown = ended.stderr.replace(path.to_str().unwrap(), "FILE");
    assert!(
        shown.starts_with("error: FILE has 3 faults; nothing was submitted\n"),
        "{shown}"
    );
    for place in ["FILE:4:5: ", "FILE:5:18: no task 'gone'", "FILE:8:14: "] {
        assert!(shown.contains(place), "{place} is not in {shown}");
    }
    assert!(fake.world().submits.is_empty());
}

#[test]
fn faults_that_the_coordinator_finds_are_placed_in_the_file() {
    let fake = Fake::start(|world| {
        let fault = |field: &str| FieldFault {
            field: field.into(),
            description: "is not allowed".into(),
        };
        world.refusal = Some((
            Reason::FieldInvalid,
            "2 fields are wrong",
            vec![fault("tasks[1].spec.queue"), fault("job")],
        ));
    });
    let file = "tasks:\n  - {id: a, run: x}\n  - id: b\n    run: y\n    queue: q\n";
    let ended = fake.ctl_with(&["submit", "-"], file, &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .starts_with("error: cannot submit stdin: 2 fields are wrong\nstdin:5:"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_job_file_that_is_not_text_is_wrong_usage() {
    let fake = Fake::start(one_agent);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.yaml");
    fs::write(&path, b"tasks:\n  - run: \xff\n").unwrap();
    let ended = fake.ctl(&["submit", "-f", path.to_str().unwrap()]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("it is not UTF-8: see line 2"),
        "{}",
        ended.stderr
    );
    let input = fs::File::open(&path).unwrap();
    let output = fake.command(&["submit", "-"]).stdin(input).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
