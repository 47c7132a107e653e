//! Ended tasks leave memory, and later the store: seen from outside, the first changes nothing and the
//! second is told.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use swarm_proto::v1::{
    GetTaskRequest, LeaseRef, ListTasksRequest, NewJob, NewTask, RetryTask, RetryTasksRequest,
    SubmitTasksRequest, TaskState,
};

use crate::harness::{
    client::{Client, after, count_by_task, reason, shell_task, with},
    coordinator::Coordinator,
    fake_agent::{FakeAgent, success},
    wait_until,
};

/// More than any one look or page takes.
const MANY: usize = 1200;
/// The most that one claim may ask for.
const TOGETHER: u32 = 100;

fn many() -> Vec<NewTask> {
    (0..MANY).map(|n| shell_task(&format!("t{n}"), "true")).collect()
}

/// Claims and finishes everything that can be claimed; each prints its id. The leases, in their order.
fn finish_all(agent: &mut FakeAgent) -> Vec<LeaseRef> {
    let mut leases = Vec::new();
    loop {
        let claimed = agent.claim_now(TOGETHER).assignments;
        if claimed.is_empty() {
            return leases;
        }
        let claimed: Vec<LeaseRef> = claimed.into_iter().map(|one| one.lease.unwrap()).collect();
        let reports = claimed
            .iter()
            .map(|lease| success(lease, &lease.task_id))
            .collect();
        let results = agent.report(reports);
        assert!(results.iter().all(|result| result.accepted), "{results:?}");
        leases.extend(claimed);
    }
}

/// Waits until the store has everything that happened so far, so that nothing ended has to be in memory.
fn until_stored(client: &Client) {
    let wanted = client.status().as_of.unwrap().seq;
    wait_until("the store has followed", || client.status().store_seq >= wanted);
}

#[test]
fn tasks_that_ended_long_ago_are_retried_depended_on_and_reported_again_like_new_ones() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "agent");
    client.submit(many());
    let leases = finish_all(&mut agent);
    assert_eq!(leases.len(), MANY);
    until_stored(&client);

    // The same report again is confirmed, another one is refused, and nothing changes.
    let old = &leases[7];
    let revision = client.task(&old.task_id).revision;
    let repeated = agent.succeed(old, &old.task_id);
    assert!(repeated.accepted && repeated.already_completed, "{repeated:?}");
    assert_eq!(repeated.state(), TaskState::Succeeded);
    let other = agent.succeed(old, "something else");
    assert_eq!(other.refusal.unwrap().reason, "LEASE_LOST");
    assert_eq!(client.task(&old.task_id).revision, revision);

    // A submit of the same tasks finds them.
    let again = client.submit(many());
    assert!(
        again
            .tasks
            .iter()
            .all(|task| task.existed && task.state() == TaskState::Succeeded)
    );

    let dependent = with(shell_task("dependent", "true"), |spec| {
        spec.depends_on = after(["t5", "t1100"])
    });
    assert_eq!(client.submit(vec![dependent]).tasks[0].state(), TaskState::Queued);
    let assignment = agent.claim_now(1).assignments.remove(0);
    let printed: Vec<_> = assignment
        .dependencies
        .iter()
        .map(|dependency| (dependency.task_id.as_str(), dependency.stdout.as_slice()))
        .collect();
    assert_eq!(
        printed,
        [("t5", b"t5".as_slice()), ("t1100", b"t1100".as_slice())]
    );
    assert!(agent.succeed(&assignment.lease.unwrap(), "").accepted);

    let request = RetryTasksRequest {
        tasks: vec![RetryTask {
            task_id: "t600".to_owned(),
            revision: Some(client.task("t600").revision),
        }],
    };
    let retried = client.call(client.task_service().retry_tasks(request)).unwrap();
    let retried = retried.into_inner().results.remove(0);
    assert_eq!((retried.state(), retried.refusal), (TaskState::Queued, None));
    let lease = agent.claim_now(1).assignments.remove(0).lease.unwrap();
    assert_eq!((lease.task_id.as_str(), lease.attempt), ("t600", 2));
    assert!(agent.succeed(&lease, "the second time").accepted);
    let task = client.task("t600");
    assert_eq!((task.round, task.attempt_count), (2, 2));
    assert_eq!(task.result.unwrap().output.unwrap().stdout, b"the second time");
    // The first round's report is known as such all the same.
    assert!(agent.succeed(&leases[600], "t600").already_completed);
}

#[test]
fn a_list_across_memory_and_store_has_every_task_once_while_they_end() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let request = SubmitTasksRequest {
        job: Some(NewJob {
            job_id: "job".to_owned(),
            ..Default::default()
        }),
        tasks: many(),
    };
    client.call(client.task_service().submit_tasks(request)).unwrap();
    let expected: Vec<String> = (0..MANY).map(|n| format!("t{n}")).collect();
    let all_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut agent = FakeAgent::register(&coordinator, "agent");
            loop {
                // Few at a time: many lists fall between the first and the last.
                let claimed = agent.claim_now(10).assignments;
                if claimed.is_empty() {
                    break;
                }
                let leases = claimed.into_iter().map(|one| one.lease.unwrap());
                agent.report(leases.map(|lease| success(&lease, "")).collect());
            }
            all_ended.store(true, Ordering::Relaxed);
        });
        let mut lists = 0;
        loop {
            let was_last = all_ended.load(Ordering::Relaxed);
            for (page_size, job_id) in [(37, ""), (400, "job")] {
                assert_eq!(list(&client, page_size, job_id), expected, "pages of {page_size}");
                lists += 1;
            }
            if was_last {
                break;
            }
        }
        assert!(lists > 2, "no list was made while tasks ended");
    });
}

fn list(client: &Client, page_size: u32, job_id: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTasksRequest {
            page_size,
            page_token,
            job_id: job_id.to_owned(),
            ..Default::default()
        };
        let page = client.call(client.task_service().list_tasks(request)).unwrap();
        let page = page.into_inner();
        ids.extend(page.tasks.into_iter().map(|task| task.task_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return ids;
        }
    }
}

#[test]
fn tasks_are_removed_some_time_after_their_end_unless_a_live_one_needs_them() {
    let mut coordinator = Coordinator::with(&["--keep-tasks", "1s"]);
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "agent");
    let finish_next = |agent: &mut FakeAgent, expected: &str| {
        let lease = agent.claim_now(1).assignments.remove(0).lease.unwrap();
        assert_eq!(lease.task_id, expected);
        assert!(agent.succeed(&lease, "").accepted);
    };
    client.submit(vec![
        shell_task("needed", "true"),
        shell_task("old", "true"),
        shell_task("open", "true"),
        with(shell_task("waits", "true"), |spec| {
            spec.depends_on = after(["needed", "open"])
        }),
    ]);
    finish_next(&mut agent, "needed");
    finish_next(&mut agent, "old");

    // It ended after the other one: that one's turn had come.
    client.wait_for_event("old", "task_removed");
    assert_eq!(get(&client, "old"), Err("TASK_NOT_FOUND".to_owned()));
    assert_eq!(get(&client, "needed"), Ok(TaskState::Succeeded));
    assert_eq!(list(&client, 100, ""), ["needed", "open", "waits"]);

    coordinator.kill();
    coordinator.start_again();
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "agent");
    assert_eq!(get(&client, "old"), Err("TASK_NOT_FOUND".to_owned()));
    assert_eq!(get(&client, "needed"), Ok(TaskState::Succeeded));
    finish_next(&mut agent, "open");
    finish_next(&mut agent, "waits");
    for id in ["needed", "open", "waits"] {
        client.wait_for_event(id, "task_removed");
        assert_eq!(get(&client, id), Err("TASK_NOT_FOUND".to_owned()));
    }
    assert!(list(&client, 100, "").is_empty());
    let events = client.all_events();
    assert!(
        count_by_task(&events, "task_removed")
            .values()
            .all(|&times| times == 1)
    );
    // The id is free again.
    assert!(!client.submit(vec![shell_task("old", "true")]).tasks[0].existed);
}

/// The state of a task, or why it is not told.
fn get(client: &Client, task_id: &str) -> Result<TaskState, String> {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
    };
    let answer = client.call(client.task_service().get_task(request));
    match answer {
        Ok(answer) => Ok(answer.into_inner().task.unwrap().state()),
        refused => Err(reason(refused).as_str().to_owned()),
    }
}
