//! Registrations, claims, and the log of an agent that gets nothing.

use std::time::Duration;

use swarm_proto::v1::{Passed, Prompt, Shard, attempt_report::Outcome, task_spec::Work};

use crate::{fake::Fake, program::Home};

#[tokio::test]
async fn claims_name_queues_shard_and_scan_limit() {
    let (fake, home) = (Fake::start().await, Home::new());
    let flags = [
        "--queues",
        "a,b",
        "--shard-count",
        "4",
        "--shard-id",
        "2",
        "--scan-limit",
        "7",
    ];
    let _agent = home.start(&fake, &flags);
    let claim = fake
        .until("the claim", |world| world.claims.first().cloned())
        .await;
    assert_eq!(claim.queues, ["a", "b"]);
    assert_eq!(
        (claim.shard, claim.scan_limit),
        (
            Some(Shard {
                count: 4,
                index: Some(2)
            }),
            7
        )
    );
}

#[tokio::test]
async fn every_agent_says_what_it_runs_and_on_what_unless_its_owner_does() {
    let (fake, home) = (Fake::start().await, Home::new());
    let _one = home.start(&fake, &["--label", "gpu=a100"]);
    let _two = home.start(&fake, &["--label", "os=plan9"]);
    fake.until("both", |world| (world.registered.len() == 2).then_some(()))
        .await;
    let world = fake.world();
    let labels = |gpu: bool| {
        let mut registered = world.registered.iter();
        registered
            .find(|request| request.labels.contains_key("gpu") == gpu)
            .unwrap()
            .labels
            .clone()
    };
    assert_eq!(labels(true)["os"], std::env::consts::OS);
    assert_eq!(labels(true)["arch"], std::env::consts::ARCH);
    assert_eq!(labels(false)["os"], "plan9");
    for key in ["host", "name", "cpus"] {
        assert!(!labels(true)[key].is_empty(), "{key}");
    }
    assert_eq!(world.registered[0].executors, ["command"]);
}

#[tokio::test]
async fn what_does_not_fit_is_said_once_and_so_is_the_work_that_comes() {
    let (fake, home) = (Fake::start().await, Home::new());
    let passed = |message: &str| Passed {
        message: message.to_owned(),
        ..Passed::default()
    };
    fake.world().passed = vec![
        passed("12 tasks need label gpu"),
        passed("3 wait in paused queue nightly"),
    ];
    let agent = home.start(&fake, &["--claim-wait", "0", "--poll-interval", "10ms"]);
    let line = "nothing fits: 12 tasks need label gpu; 3 wait in paused queue nightly";
    agent.until_log(line).await;
    fake.until("many claims", |world| (world.claims.len() > 10).then_some(()))
        .await;
    assert_eq!(agent.log().matches(line).count(), 1, "{}", agent.log());
    // Another reason is logged at once.
    fake.world().passed = vec![passed("1 task needs label arm")];
    agent.until_log("nothing fits: 1 task needs label arm").await;
    fake.submit("a", "true");
    fake.report("a").await;
    agent.until_log("work again after").await;
}

#[tokio::test]
async fn plain_polling_asks_again_after_the_interval() {
    let (fake, home) = (Fake::start().await, Home::new());
    let _agent = home.start(&fake, &["--claim-wait", "0", "--poll-interval", "700ms"]);
    fake.until("five claims", |world| (world.claims.len() >= 5).then_some(()))
        .await;
    let world = fake.world();
    assert!(world.claims.iter().all(|claim| {
        claim
            .wait
            .is_none_or(|wait| wait.seconds + i64::from(wait.nanos) == 0)
    }));
    let gaps = world.claimed_at.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.min().unwrap() >= Duration::from_millis(650));
}

#[tokio::test]
async fn what_the_owner_does_not_allow_is_given_back_before_anything_runs() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with("shell", "echo run", |_| ());
    fake.submit_with("prompt", "", |assignment| {
        let prompt = Prompt {
            text: "hello".to_owned(),
            model: String::new(),
        };
        assignment.spec.as_mut().unwrap().work = Some(Work::Prompt(prompt));
    });
    fake.submit_with("allowed", "", |assignment| {
        let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work else {
            unreachable!()
        };
        command.argv = vec!["true".to_owned()];
    });
    let flags = ["--allow-command", "tru?,/opt/*", "--max-tasks", "1"];
    let (code, log) = home.start(&fake, &flags).end().await;
    assert_eq!(code, 0, "{log}");
    let world = fake.world();
    for (task, said) in [
        ("shell", "does not allow the command 'sh' (--allow-command)"),
        ("prompt", "runs commands only, and the task is a prompt"),
    ] {
        let Some(Outcome::Released(released)) = world.report(task).unwrap().outcome else {
            panic!("{task} was not released")
        };
        assert!(released.refused && released.reason.contains(said), "{released:?}");
        assert!(log.contains(said), "{log}");
    }
    assert!(matches!(
        world.report("allowed").unwrap().outcome,
        Some(Outcome::Success(_))
    ));
    assert!(home.find("/shell.1").is_empty() && home.find("/prompt.1").is_empty());
}

#[tokio::test]
async fn an_agent_that_allows_no_commands_says_so_and_does_not_run_through_the_queue() {
    let (fake, home) = (Fake::start().await, Home::new());
    for n in 0..3 {
        fake.submit(&format!("t{n}"), "true");
    }
    let agent = home.start(&fake, &["--no-command"]);
    agent.until_log("with --no-command it is given none").await;
    fake.report("t2").await;
    // A report that follows nothing but refused tasks asks for no more.
    let world = fake.world();
    let with_claim = |complete: &&swarm_proto::v1::CompleteRequest| complete.claim_next.is_some();
    assert_eq!(world.completes.iter().filter(with_claim).count(), 0);
}
