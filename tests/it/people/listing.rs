//! Lists of very many tasks, page by page, while they are claimed and end: nothing is missed, and nothing is
//! there twice.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use swarm_proto::v1::{
    FindIdsRequest, ListJobsRequest, ListTasksRequest, ListTasksResponse, NewJob, NewTask,
    SubmitTasksRequest, TaskState,
};

use crate::harness::{
    client::{Client, reason, shell_task, with},
    coordinator::Coordinator,
    fake_agent::{FakeAgent, success},
    swarmctl::swarmctl_command,
    wait_until,
};

/// Several times what any page or look takes; memory and time grow with none of it but the tasks themselves.
const MANY: usize = 20_000;
/// The number of the promise; a debug build takes a minute for it.
const VERY_MANY: usize = 100_000;
/// The most that one request takes.
const TOGETHER: usize = 10_000;
/// Growth of the coordinator while all of them are listed and some end: requests, writes and a few pages, much less
/// than the tasks.
const MOST_GROWTH_KIB: u64 = 20 * 1024;
/// What swarmctl's peak may grow by between the first tasks of a list and its end. Its code alone takes tens of MiB in
/// a debug build.
const MOST_OF_SWARMCTL_KIB: u64 = 16 * 1024;
/// Tasks that end while all are listed: so many pages see a list that changes.
const ENOUGH_ENDED: usize = 500;
/// Events that the store may be behind: the next claim waits for it, for what is behind takes memory, too.
const MOST_BEHIND: u64 = 1_000;

fn many(count: usize) -> impl Iterator<Item = NewTask> {
    (0..count).map(|n| {
        with(shell_task(&format!("t{n:06}"), "true"), |spec| {
            spec.name = format!("number {n}");
            spec.labels = [("tens".to_owned(), (n / 10 % 10).to_string())].into();
        })
    })
}

fn submit_many(client: &Client, count: usize) {
    let mut tasks = many(count);
    loop {
        let batch: Vec<NewTask> = tasks.by_ref().take(TOGETHER).collect();
        if batch.is_empty() {
            return;
        }
        // A refusal because of its backlog is to be tried again.
        wait_until("the tasks are accepted", || {
            client.try_submit(batch.clone()).is_ok()
        });
    }
}

fn until_stored(client: &Client) {
    let wanted = client.status().as_of.unwrap().seq;
    wait_until("the store has followed", || client.status().store_seq >= wanted);
}

fn page(client: &Client, request: &ListTasksRequest, page_token: &str) -> ListTasksResponse {
    let request = ListTasksRequest {
        page_token: page_token.to_owned(),
        ..request.clone()
    };
    let page = client.call(client.task_service().list_tasks(request));
    page.unwrap().into_inner()
}

/// The ids of a whole list, in its order.
fn ids(client: &Client, request: ListTasksRequest) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(client, &request, &token);
        ids.extend(page.tasks.into_iter().map(|task| task.task_id));
        token = page.next_page_token;
        if token.is_empty() {
            return ids;
        }
    }
}

/// The most memory that a process ever had, in KiB. The kernel counts by processor and adds that up now and then: what
/// is read later may be a little less.
fn peak_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What the peak of this process has grown by since it was this much.
fn grown_kib(pid: i32, before: u64) -> u64 {
    peak_kib(pid).saturating_sub(before)
}

/// Runs tasks to their success until it is told to stop, and counts them.
fn work(coordinator: &Coordinator, stop: &AtomicBool, ended: &AtomicUsize) {
    let mut agent = FakeAgent::register(coordinator, "agent");
    let client = coordinator.client();
    while !stop.load(Ordering::Relaxed) {
        let claimed = agent.claim_now(100).assignments;
        let leases: Vec<_> = claimed.into_iter().map(|one| one.lease.unwrap()).collect();
        agent.report(leases.iter().map(|lease| success(lease, "")).collect());
        ended.fetch_add(leases.len(), Ordering::Relaxed);
        wait_until("the store has almost followed", || {
            let status = client.status();
            status.as_of.unwrap().seq < status.store_seq + MOST_BEHIND
        });
    }
}

#[test]
fn many_tasks_are_listed_in_little_memory_without_a_miss_or_a_repeat_while_they_end() {
    let (mut coordinator, expected) = with_tasks(MANY);
    let pid = coordinator.program().pid();
    let before = peak_kib(pid);
    let (stop, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let working = scope.spawn(|| work(&coordinator, &stop, &ended));
        let listed = catch_unwind(AssertUnwindSafe(|| {
            // On a slow disk few of them end while they are listed once.
            loop {
                list_everything(&coordinator, &expected);
                if ended.load(Ordering::Relaxed) >= ENOUGH_ENDED || working.is_finished() {
                    break;
                }
            }
        }));
        // Also after a failure: the worker would go on for ever.
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = listed {
            resume_unwind(panic);
        }
        working.join().unwrap();
    });
    let grown = grown_kib(pid, before);
    assert!(grown < MOST_GROWTH_KIB, "the coordinator grew by {grown} KiB");
}

#[test]
#[ignore = "by hand: it takes a minute"]
fn a_hundred_thousand_tasks_are_listed_in_the_same_memory_as_a_fifth_of_them() {
    let (mut coordinator, expected) = with_tasks(VERY_MANY);
    let pid = coordinator.program().pid();
    let before = peak_kib(pid);
    list_everything(&coordinator, &expected);
    let grown = grown_kib(pid, before);
    assert!(grown < MOST_GROWTH_KIB, "the coordinator grew by {grown} KiB");
}

/// A coordinator with so many tasks, all of them in its store, and their ids.
fn with_tasks(count: usize) -> (Coordinator, Vec<String>) {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    submit_many(&client, count);
    until_stored(&client);
    (coordinator, (0..count).map(|n| format!("t{n:06}")).collect())
}

/// Lists all tasks from both ends, by a label, and with swarmctl.
fn list_everything(coordinator: &Coordinator, expected: &[String]) {
    let client = coordinator.client();
    for newest_first in [false, true] {
        let request = ListTasksRequest {
            page_size: 1_000,
            newest_first,
            ..Default::default()
        };
        let mut listed = ids(&client, request);
        if newest_first {
            listed.reverse();
        }
        let count = listed.len();
        assert!(listed == expected, "newest first: {newest_first}: {count} tasks");
    }
    let labelled = ListTasksRequest {
        page_size: 1_000,
        labels: vec!["tens=7".to_owned()],
        ..Default::default()
    };
    assert_eq!(ids(&client, labelled).len(), expected.len() / 10);
    list_with_swarmctl(coordinator, expected);
}

fn list_with_swarmctl(coordinator: &Coordinator, expected: &[String]) {
    let words = ["list", "-o", "jsonl", "--all"];
    let mut command = swarmctl_command(coordinator.address(), coordinator.dir(), &words);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid = child.id().try_into().unwrap();
    let (mut count, mut before) = (0, 0);
    for (line, id) in lines.zip(expected) {
        let task: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(task["task_id"], id.as_str());
        count += 1;
        // The rest does not fit into the pipe: it is still there.
        if count == 2_000 {
            before = peak_kib(pid);
        }
        if count == expected.len() - 500 {
            let grown = grown_kib(pid, before);
            assert!(grown < MOST_OF_SWARMCTL_KIB, "swarmctl grew by {grown} KiB");
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(count, expected.len());
}

#[test]
fn filters_find_the_same_tasks_in_memory_and_in_the_store() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "lab");
    let task = |n: usize| {
        with(shell_task(&format!("t{n}"), "true"), |spec| {
            spec.labels = [(
                "kind".to_owned(),
                if n.is_multiple_of(2) { "even" } else { "odd" }.to_owned(),
            )]
            .into();
            if n.is_multiple_of(4) {
                spec.labels.insert("gpu".to_owned(), String::new());
                spec.name = format!("Render frame {n}");
            }
        })
    };
    client.submit((0..12).map(task).collect());
    let claimed = agent.claim_now(6).assignments;
    let leases: Vec<_> = claimed.into_iter().map(|one| one.lease.unwrap()).collect();
    agent.report(leases.iter().map(|lease| success(lease, "")).collect());
    let middle = client.task("t11").create_time;
    wait_until("the clock has gone on", || client.status().server_time != middle);
    client.submit((12..16).map(task).collect());
    until_stored(&client);

    let all = ListTasksRequest::default;
    let labels = |terms: &[&str]| terms.iter().map(|term| (*term).to_owned()).collect();
    for (request, expected) in [
        (
            ListTasksRequest {
                labels: labels(&["kind=even", "!gpu"]),
                ..all()
            },
            "t2 t6 t10 t14",
        ),
        (
            ListTasksRequest {
                labels: labels(&["kind!=even", "gpu"]),
                ..all()
            },
            "",
        ),
        (
            ListTasksRequest {
                labels: labels(&["gpu"]),
                newest_first: true,
                ..all()
            },
            "t12 t8 t4 t0",
        ),
        (
            ListTasksRequest {
                text: "frame 1".to_owned(),
                ..all()
            },
            "t12",
        ),
        (
            ListTasksRequest {
                text: "t1".to_owned(),
                ..all()
            },
            "t1 t10 t11 t12 t13 t14 t15",
        ),
        (
            ListTasksRequest {
                agent_id: "lab".to_owned(),
                ..all()
            },
            "t0 t1 t2 t3 t4 t5",
        ),
        (
            ListTasksRequest {
                agent_id: "elsewhere".to_owned(),
                ..all()
            },
            "",
        ),
        (
            ListTasksRequest {
                states: vec![TaskState::Waiting.into()],
                ..all()
            },
            "",
        ),
        (
            ListTasksRequest {
                create_time_from: client.task("t12").create_time,
                ..all()
            },
            "t12 t13 t14 t15",
        ),
        (
            ListTasksRequest {
                create_time_before: client.task("t12").create_time,
                newest_first: true,
                labels: labels(&["kind=odd"]),
                ..all()
            },
            "t11 t9 t7 t5 t3 t1",
        ),
    ] {
        for page_size in [1, 3, 0] {
            let request = ListTasksRequest {
                page_size,
                ..request.clone()
            };
            assert_eq!(ids(&client, request.clone()).join(" "), expected, "{request:?}");
        }
    }
}

#[test]
fn a_page_token_is_of_one_list_and_a_bad_filter_is_refused_by_its_fields() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    client.submit((0..4).map(|n| shell_task(&format!("t{n}"), "true")).collect());
    let request = ListTasksRequest {
        page_size: 2,
        ..Default::default()
    };
    let token = page(&client, &request, "").next_page_token;
    assert_eq!(page(&client, &request, &token).tasks[0].task_id, "t2");
    // The size of a page is free.
    let larger = ListTasksRequest {
        page_size: 3,
        ..request.clone()
    };
    assert_eq!(page(&client, &larger, &token).tasks.len(), 2);
    for other in [
        ListTasksRequest {
            newest_first: true,
            ..request.clone()
        },
        ListTasksRequest {
            queue: "default".to_owned(),
            ..request.clone()
        },
        ListTasksRequest {
            labels: vec!["a b".to_owned()],
            ..Default::default()
        },
    ] {
        let request = ListTasksRequest {
            page_token: token.clone(),
            ..other
        };
        let refused = client.call(client.task_service().list_tasks(request));
        assert_eq!(reason(refused).as_str(), "FIELD_INVALID");
    }
    let bad = ListTasksRequest {
        labels: vec!["ok".to_owned(), "a b".to_owned()],
        ..Default::default()
    };
    let refused = client.call(client.task_service().list_tasks(bad)).unwrap_err();
    assert!(refused.message().contains("labels[1]"), "{refused:?}");
}

#[test]
fn ids_are_found_by_how_they_begin() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut agent = FakeAgent::register(&coordinator, "t-agent");
    for job in ["t-job", "u-job"] {
        let request = SubmitTasksRequest {
            job: Some(NewJob {
                job_id: job.to_owned(),
                ..Default::default()
            }),
            tasks: (0..15)
                .map(|n| shell_task(&format!("{job}-{n:02}"), "true"))
                .collect(),
        };
        client.call(client.task_service().submit_tasks(request)).unwrap();
    }
    let lease = agent.claim_now(1).assignments.remove(0).lease.unwrap();
    assert!(agent.succeed(&lease, "").accepted);

    let find = |prefix: &str, limit| {
        let request = FindIdsRequest {
            prefix: prefix.to_owned(),
            limit,
        };
        client
            .call(client.task_service().find_ids(request))
            .unwrap()
            .into_inner()
    };
    let found = find("t-", 0);
    assert_eq!(
        (found.task_ids.len(), &found.task_ids[0]),
        (10, &"t-job-00".to_owned())
    );
    assert_eq!(
        (found.job_ids, found.agent_ids),
        (vec!["t-job".to_owned()], vec!["t-agent".to_owned()])
    );
    assert_eq!(
        find("u-job-1", 100).task_ids,
        ["u-job-10", "u-job-11", "u-job-12", "u-job-13", "u-job-14"]
    );
    assert_eq!(find("u-job-1", 2).task_ids.len(), 2);
    assert_eq!(find("nothing", 0).task_ids, [""; 0]);
    assert_eq!(find("", 1_000).task_ids.iter().collect::<BTreeSet<_>>().len(), 30);

    let newest = ListJobsRequest {
        page_size: 1,
        newest_first: true,
        ..Default::default()
    };
    let jobs = client
        .call(client.task_service().list_jobs(newest.clone()))
        .unwrap()
        .into_inner();
    assert_eq!(jobs.jobs[0].job_id, "u-job");
    let next = ListJobsRequest {
        page_token: jobs.next_page_token,
        ..newest
    };
    let jobs = client
        .call(client.task_service().list_jobs(next))
        .unwrap()
        .into_inner();
    assert_eq!(
        (jobs.jobs[0].job_id.as_str(), jobs.next_page_token.as_str()),
        ("t-job", "")
    );
}
