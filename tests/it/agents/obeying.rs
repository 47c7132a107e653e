//! Real agents do what people order: holds, labels, shards, vetoes, exclusive groups.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use swarm_proto::v1::{
    AttemptOutcome, DrainAgentRequest, ListAgentsRequest, PauseRequest, Requirements, ResumeRequest,
    StopAllRequest, TaskState, UndrainAgentRequest, admin_service_client::AdminServiceClient,
    agent_service_client::AgentServiceClient, task_spec::Work,
};

use crate::harness::{
    agent::RealAgent,
    client::{Client, duration, quoted, shell_task, with},
    coordinator::Coordinator,
    wait_until,
};

fn who() -> String {
    "ann@desk".to_owned()
}

fn pause(client: &Client) {
    let request = PauseRequest {
        actor: who(),
        reason: "new disks".to_owned(),
        scope: None,
    };
    client
        .call(AdminServiceClient::new(client.channel()).pause(request))
        .unwrap();
}

fn resume(client: &Client) {
    let request = ResumeRequest {
        actor: who(),
        scope: None,
    };
    client
        .call(AdminServiceClient::new(client.channel()).resume(request))
        .unwrap();
}

fn stop_all(client: &Client) {
    let request = StopAllRequest {
        actor: who(),
        reason: "smoke".to_owned(),
    };
    client
        .call(AdminServiceClient::new(client.channel()).stop_all(request))
        .unwrap();
}

fn only_agent(client: &Client) -> String {
    let mut service = AgentServiceClient::new(client.channel());
    let listed = client
        .call(service.list_agents(ListAgentsRequest::default()))
        .unwrap();
    listed.into_inner().agents[0].agent_id.clone()
}

fn wait_for_log(agent: &mut RealAgent, text: &str) {
    wait_until(&format!("'{text}' in the log"), || {
        agent.program().log().contains(text)
    });
}

/// A line that says by a file that it runs, and ends when another file is there.
fn until_told(dir: &Path, name: &str) -> (String, PathBuf, PathBuf) {
    let (begun, go) = (dir.join(format!("{name}.begun")), dir.join(format!("{name}.go")));
    let line = format!(
        "echo $$ > {}; until [ -e {} ]; do sleep 0.02; done",
        quoted(&begun),
        quoted(&go)
    );
    (line, begun, go)
}

#[test]
fn a_stop_ends_and_gives_back_what_runs_and_it_runs_again_after_the_resume() {
    let coordinator = Coordinator::start();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let client = coordinator.client();
    let (line, begun, go) = until_told(coordinator.dir(), "x");
    client.submit(vec![shell_task("x", &line)]);
    wait_until("it runs", || begun.exists());

    stop_all(&client);
    client.wait_for_event("x", "lease_released");
    client.wait_for_state("x", TaskState::Queued);
    wait_for_log(&mut agent, "ann@desk stopped all agents");
    assert!(
        agent
            .program()
            .log()
            .contains(": smoke; nothing is given to this agent")
    );
    fs::remove_file(&begun).unwrap();

    resume(&client);
    wait_until("it runs again", || begun.exists());
    fs::write(go, "").unwrap();
    let task = client.wait_for_state("x", TaskState::Succeeded);
    let outcomes: Vec<_> = task.attempts.iter().map(|attempt| attempt.outcome()).collect();
    assert_eq!(outcomes, [AttemptOutcome::Released, AttemptOutcome::Succeeded]);
    assert_eq!(
        task.attempts[0].message,
        "the agent was told to give back what it runs"
    );
    wait_for_log(&mut agent, "work may be given to this agent again");
}

#[test]
fn an_agent_that_starts_during_a_pause_says_so_and_works_when_it_ends() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    pause(&client);
    client.submit(vec![shell_task("x", "true")]);
    let mut agent = RealAgent::start(&coordinator, "a", &[]);
    wait_for_log(&mut agent, "ann@desk paused everything");
    assert_eq!(client.task("x").state(), TaskState::Queued);
    resume(&client);
    client.wait_for_state("x", TaskState::Succeeded);
}

#[test]
fn at_the_deadline_of_a_drain_the_agent_gives_back_and_stays_for_the_undrain() {
    let coordinator = Coordinator::start();
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "1"]);
    let client = coordinator.client();
    let (line, begun, go) = until_told(coordinator.dir(), "x");
    client.submit(vec![shell_task("x", &line)]);
    wait_until("it runs", || begun.exists());
    let agent_id = only_agent(&client);
    let mut service = AgentServiceClient::new(client.channel());
    let request = DrainAgentRequest {
        agent_id: agent_id.clone(),
        timeout: Some(duration(Duration::from_millis(300))),
        actor: who(),
        reason: String::new(),
    };
    client.call(service.drain_agent(request)).unwrap();
    wait_for_log(&mut agent, "ann@desk drained this agent");
    client.wait_for_state("x", TaskState::Queued);
    assert_eq!(agent.program().ended(), None);

    fs::write(go, "").unwrap();
    let request = UndrainAgentRequest {
        agent_id,
        actor: who(),
    };
    client.call(service.undrain_agent(request)).unwrap();
    client.wait_for_state("x", TaskState::Succeeded);
}

#[test]
fn an_agent_says_what_does_not_fit_it_and_its_own_labels_do() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let needing = |task_id: &str, label: &str| {
        let labels = vec![label.to_owned()];
        with(shell_task(task_id, "true"), |spec| {
            spec.requirements = Some(Requirements { labels });
        })
    };
    let own = format!("os={}", std::env::consts::OS);
    client.submit(vec![needing("gpu", "gpu=a100"), needing("own", &own)]);
    let mut agent = RealAgent::start(&coordinator, "a", &[]);
    client.wait_for_state("own", TaskState::Succeeded);
    wait_for_log(&mut agent, "nothing fits: 1 task");
    assert!(
        agent.program().log().contains("gpu=a100"),
        "{}",
        agent.program().log()
    );
    assert_eq!(client.task("gpu").state(), TaskState::Queued);
}

#[test]
fn what_one_owner_does_not_allow_another_agent_runs() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let mut strict = RealAgent::start(&coordinator, "strict", &["--allow-command", "git"]);
    client.submit(vec![shell_task("x", "true")]);
    wait_for_log(&mut strict, "1 task runs commands that the owner does not allow");
    let _free = RealAgent::start(&coordinator, "free", &[]);
    let task = client.wait_for_state("x", TaskState::Succeeded);
    assert_eq!(task.attempt_count, 1, "it was granted to the strict agent");
}

#[test]
fn what_an_owner_allows_waits_for_nothing_that_he_does_not() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let _strict = RealAgent::start(
        &coordinator,
        "strict",
        &["--allow-command", "echo", "--scan-limit", "1"],
    );
    wait_until("the agent is there", || client.status().slots > 0);
    let run = |id: &str, program: &str| {
        with(shell_task(id, ""), |spec| {
            let Some(Work::Command(command)) = &mut spec.work else {
                unreachable!()
            };
            command.argv = vec![program.to_owned(), "hello".to_owned()];
        })
    };
    let forbidden = (0..150).map(|n| run(&format!("ls-{n}"), "ls")).collect();
    client.submit(forbidden);
    client.submit(vec![run("said", "echo")]);
    client.wait_for_state("said", TaskState::Succeeded);
    let events = client.all_events();
    let granted = events.iter().filter(|event| event.kind == "lease_granted");
    assert_eq!(
        granted.count(),
        1,
        "a grant was spent on what the owner does not allow"
    );
    assert_eq!(client.status().unmatched, 150);

    // Nobody runs these, and everybody who asks is told so.
    let refused = coordinator
        .swarmctl(&["submit", "--require-match", "--", "ls", "-l"])
        .expect(9);
    assert!(
        refused.stderr.contains("1 does not allow the command 'ls'"),
        "{}",
        refused.stderr
    );
    let dry = coordinator
        .swarmctl(&["submit", "--dry-run", "--require-match", "--", "ls", "-l"])
        .expect(9);
    assert!(
        dry.stderr.contains("do not allow the command 'ls'"),
        "{}",
        dry.stderr
    );
    coordinator
        .swarmctl(&["submit", "--dry-run", "--require-match", "--", "echo", "x"])
        .expect(0);
    let page = coordinator.swarmctl(&["explain", "ls-7"]).expect(0).stdout;
    assert!(
        page.contains("its owner does not allow the command 'ls' (--allow-command)"),
        "{page}"
    );
}

#[test]
fn a_short_queue_does_not_wait_for_the_end_of_a_long_one() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let queued = |queue: &str, count: usize| {
        let task = |n: usize| {
            with(shell_task(&format!("{queue}-{n}"), "true"), |spec| {
                spec.queue = queue.to_owned();
            })
        };
        client.submit((0..count).map(task).collect());
    };
    queued("pa", 60);
    queued("pb", 3);
    let _one = RealAgent::start(&coordinator, "one", &["--slots", "1"]);
    client.wait_for_state("pb-2", TaskState::Succeeded);
    let events = client.all_events();
    let granted = events.iter().filter(|event| event.kind == "lease_granted");
    let order: Vec<&str> = granted.map(|event| event.task_id.as_str()).collect();
    assert_eq!(
        order[..6],
        ["pa-0", "pb-0", "pa-1", "pb-1", "pa-2", "pb-2"],
        "{order:?}"
    );
}

#[test]
fn a_task_runs_on_the_machine_that_it_names() {
    let coordinator = Coordinator::start();
    let _first = RealAgent::start(&coordinator, "l1", &["--label", "spot"]);
    let _second = RealAgent::start(&coordinator, "l2", &["--label", "cpus=64,memory=100GiB"]);
    wait_until("both are there", || {
        coordinator.client().status().agents.unwrap().online == 2
    });
    let said = |flags: &[&str]| {
        let words = [&["run"][..], flags, &["--", "sh", "-c", "echo $SWARM_TASK_ID"]].concat();
        let id = coordinator.swarmctl(&words).expect(0).stdout;
        let task = coordinator.client().task(id.trim());
        task.attempts.last().unwrap().agent_id.clone()
    };
    let ids = [said(&["--agent", "l1"]), said(&["--agent", "l2"])];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(said(&["--require", "name=l1"]), ids[0]);
    assert_eq!(said(&["--require", "spot"]), ids[0]);
    assert_eq!(said(&["--require", "cpus>=64,memory>=64GiB"]), ids[1]);
    let host = coordinator
        .swarmctl(&["agent", "list", "-o", "json"])
        .expect(0)
        .stdout;
    let host = serde_json::from_str::<serde_json::Value>(&host).unwrap();
    let host = host.to_string();
    assert!(
        host.contains("\"host\":") && host.contains("\"memory\":"),
        "{host}"
    );
    for flags in [["--agent", "nosuch"], ["--require", "cpus>=65"]] {
        let words = [&["submit", "--require-match"][..], &flags, &["--", "true"]].concat();
        coordinator.swarmctl(&words).expect(9);
    }
}

#[test]
fn three_auto_agents_work_on_four_shards() {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let agents = ["a", "b", "c"]
        .map(|name| RealAgent::start(&coordinator, name, &["--shard-count", "4", "--slots", "2"]));
    let ids: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    client.submit(ids.iter().map(|id| shell_task(id, "true")).collect());
    for id in &ids {
        client.wait_for_state(id, TaskState::Succeeded);
    }
    drop(agents);
}

#[test]
fn an_exclusive_attempt_ends_in_silence_before_another_agent_may_have_its_task() {
    // Half of the lease is the margin: enough for a busy machine.
    let mut coordinator = Coordinator::with(&["--lease-ttl", "10s"]);
    let mut agent = RealAgent::start(&coordinator, "a", &["--slots", "2"]);
    let client = coordinator.client();
    let (exclusive, its_pid, _) = until_told(coordinator.dir(), "x");
    let (other, begun, go) = until_told(coordinator.dir(), "y");
    let in_group = with(shell_task("x", &exclusive), |spec| {
        spec.exclusive_group = "g".to_owned();
    });
    client.submit(vec![in_group, shell_task("y", &other)]);
    wait_until("both run", || {
        begun.exists() && fs::read_to_string(&its_pid).is_ok_and(|pid| pid.ends_with('\n'))
    });
    let pid: i32 = fs::read_to_string(&its_pid).unwrap().trim().parse().unwrap();
    coordinator.program().signal(Signal::SIGSTOP);
    wait_until("the exclusive command is gone", || {
        !crate::harness::process::is_running(pid)
    });
    wait_for_log(
        &mut agent,
        "no other task of its exclusive group may run beside it",
    );
    coordinator.program().signal(Signal::SIGCONT);
    let task = {
        client.wait_for_event("x", "lease_released");
        client.task("x")
    };
    assert_eq!(task.tries.unwrap().failures, 0);
    fs::write(go, "").unwrap();
    client.wait_for_state("y", TaskState::Succeeded);
    assert_eq!(client.task("y").attempt_count, 1);
}
