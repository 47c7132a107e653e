//! How far a job is, and how long the rest will take.

use swarm_proto::v1::{Job, TaskState};

use crate::{
    fake::{Fake, World, at},
    terminal::{on_a_terminal, stdout_on_a_terminal},
};

/// A job of ten tasks: four have ended, two run, and the first one started 40 s before the coordinator's now.
fn under_way(world: &mut World) {
    world.jobs.push(Job {
        job_id: "j".into(),
        task_count: 10,
        ..Default::default()
    });
    for n in 0..10 {
        let state = match n {
            0..3 => TaskState::Succeeded,
            3 => TaskState::Failed,
            4..6 => TaskState::Running,
            _ => TaskState::Queued,
        };
        let task = world.task(&format!("t{n}"), state);
        task.job_id = "j".into();
        task.start_time = at(60).filter(|_| n < 6).map(|mut now| {
            now.seconds -= 40 - n;
            now
        });
    }
}

#[test]
fn a_job_shows_how_far_it_is_and_how_long_the_rest_takes() {
    let fake = Fake::start(under_way);
    let page = fake.ctl(&["job", "show", "j"]).stdout;
    assert!(
        page.contains("4 of 10 tasks ended: 3 succeeded, 1 failed; 4 queued, 2 running; about 1m left\n"),
        "{page}"
    );
    let shown = stdout_on_a_terminal(fake.command(&["job", "show", "j", "--color", "never"]), 80);
    assert!(
        shown.contains("████████░░░░░░░░░░░░ 4 of 10 tasks ended: 3 succeeded, 1 failed; 4 queued"),
        "{shown}"
    );
    let json = fake.ctl(&["job", "show", "j", "-o", "json"]).stdout;
    assert!(!json.contains("left"), "{json}");
}

#[test]
fn nothing_is_said_of_the_rest_before_there_is_a_basis() {
    let fake = Fake::start(|world| {
        under_way(world);
        for task in &mut world.tasks[..3] {
            task.set_state(TaskState::Queued);
        }
    });
    let page = fake.ctl(&["job", "show", "j"]).stdout;
    assert!(
        page.contains(" 1 of 10 tasks ended: 1 failed; 7 queued, 2 running\n"),
        "{page}"
    );
    fake.world().tasks[3].set_state(TaskState::Queued);
    let page = fake.ctl(&["job", "show", "j"]).stdout;
    assert!(
        page.contains(" 0 of 10 tasks ended; 8 queued, 2 running\n"),
        "{page}"
    );
}

#[test]
fn a_wait_with_progress_says_where_the_others_are() {
    let fake = Fake::start(|world| {
        under_way(world);
        world.tasks[3].set_state(TaskState::Succeeded);
        world.cuts = [0].into();
        world.then(|_| {});
        world.then(|world| (4..10).for_each(|n| world.becomes(&format!("t{n}"), TaskState::Succeeded)));
    });
    let shown = on_a_terminal(fake.command(&["wait", "j", "--progress"]), Some(100));
    assert!(shown.contains("4/10 ended; 2 running, 4 queued"), "{shown:?}");
    assert!(shown.contains("all 10 tasks succeeded"), "{shown:?}");
}
