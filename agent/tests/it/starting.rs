//! The start of an agent: its directory, its coordinator, its flags.

use std::fs;

use nix::sys::signal::Signal;
use swarm_proto::{
    call::status,
    reason::Reason,
    refusal::{Details, FieldFault},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    fake::Fake,
    program::{Home, STARTS, WAITED_IN_VAIN, until},
};

#[tokio::test]
async fn an_agent_waits_for_a_coordinator_that_is_away_and_says_so() {
    let (fake, home) = (Fake::reserve().await, Home::new());
    let agent = home.start(&fake, &["--once"]);
    agent
        .until_log(&format!(
            "error: cannot reach the coordinator at {}: ",
            fake.address()
        ))
        .await;
    agent
        .until_log("help: start one with `coordinator --listen ")
        .await;
    fake.submit("a", "true");
    fake.serve().await;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert_eq!(log.matches("cannot reach").count(), 1, "{log}");
}

#[tokio::test]
async fn the_next_of_several_coordinators_is_tried() {
    let (away, fake, home) = (Fake::reserve().await, Fake::start().await, Home::new());
    fake.submit("a", "true");
    let both = format!("{},{}", away.address(), fake.address());
    let (code, log) = home.start_with(&both, &["--once"]).end().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test]
async fn two_agents_on_one_host_just_work_and_restarts_keep_their_identities() {
    let (fake, home) = (Fake::start().await, Home::new());
    let first = home.start(&fake, &[]);
    fake.until("the first", |world| (world.registered.len() == 1).then_some(()))
        .await;
    let second = home.start(&fake, &[]);
    fake.until("the second", |world| (world.registered.len() == 2).then_some(()))
        .await;
    first.crash().await;
    second.crash().await;
    let again = home.start(&fake, &[]);
    fake.until("the third", |world| (world.registered.len() == 3).then_some(()))
        .await;
    let world = fake.world();
    let ids: Vec<_> = world.registered.iter().map(|request| &request.agent_id).collect();
    assert_ne!(ids[0], ids[1]);
    assert!(ids[..2].contains(&ids[2]));
    drop((world, again));
}

#[tokio::test]
async fn a_name_in_use_is_refused_with_a_sentence() {
    let (fake, home) = (Fake::start().await, Home::new());
    let _first = home.start(&fake, &["--name", "lab"]);
    fake.until("the first", |world| (world.registered.len() == 1).then_some(()))
        .await;
    let (code, log) = home.start(&fake, &["--name", "lab"]).end().await;
    assert_eq!(code, 75, "{log}");
    assert!(
        log.contains("error: another agent, or a process that one left, uses the state directory"),
        "{log}"
    );
    assert_eq!(fake.world().registered[0].name, "lab");
}

#[tokio::test]
async fn an_agent_whose_state_directory_is_still_in_use_waits_for_it_and_hears_signals_meanwhile() {
    let (fake, home) = (Fake::start().await, Home::new());
    let flags = ["--name", "lab"];
    let first = home.start(&fake, &flags);
    fake.until("the first", |world| (world.registered.len() == 1).then_some(()))
        .await;
    let mut codes = Vec::new();
    // On a busy machine the wait may be over before the signal is sent.
    while codes.len() < STARTS && codes.last() != Some(&0) {
        let second = home.start(&fake, &flags);
        second.until_log("is in use; waiting").await;
        second.signal(Signal::SIGTERM);
        codes.push(second.end().await.0);
    }
    let in_vain = codes.iter().filter(|code| **code == WAITED_IN_VAIN).count();
    assert!(codes.ends_with(&[0]) && in_vain == codes.len() - 1, "{codes:?}");
    let third = home.start(&fake, &flags);
    third.until_log("is in use; waiting").await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.end().await.0, 0);
    home.registered(&fake, &flags, 1, third).await;
}

#[tokio::test]
async fn what_a_killed_agent_left_in_its_workspace_is_kept() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "echo half > left; exec sleep 2");
    let agent = home.start(&fake, &[]);
    // The file exists before it has its text.
    let written = || {
        let left = home.find("work/a.1/work/left");
        left.first()
            .is_some_and(|left| fs::read(left).is_ok_and(|text| text == b"half\n"))
    };
    until("the command has written", written).await;
    agent.crash().await;
    let again = home.start(&fake, &["--exit-when-idle"]);
    let (code, log) = again.end().await;
    assert_eq!(code, 0, "{log}");
    let kept = home.find("work/kept/a.1/work/left");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "half\n");
}

#[tokio::test]
async fn bad_flags_are_usage_errors() {
    let (fake, home) = (Fake::reserve().await, Home::new());
    for flags in [
        ["--slots", "0"],
        ["--claim-wait", "5m"],
        ["--name", "a/b"],
        ["--label", "=x"],
        ["--max-tasks", "0"],
        ["--log-level", "nope"],
        ["--drain-timeout", "soon"],
    ] {
        let (code, log) = home.start(&fake, &flags).end().await;
        assert_eq!(code, 2, "{flags:?}: {log}");
    }
}

#[tokio::test]
async fn of_once_and_max_tasks_the_typed_one_counts_and_a_variable_that_says_no_is_none() {
    let (fake, home) = (Fake::start().await, Home::new());
    let address = fake.address();
    let environment = |once| [("SWARM_COORDINATOR", address.as_str()), ("SWARM_ONCE", once)];
    for once in ["0", "false", "1"] {
        fake.submit(&format!("one-{once}"), "true");
        fake.submit(&format!("two-{once}"), "true");
        let before = fake.world().reports().len();
        let agent = home.start_in(&environment(once), &["--max-tasks", "2", "--slots", "2"]);
        let (code, log) = agent.end().await;
        assert_eq!(code, 0, "{log}");
        assert_eq!(fake.world().reports().len() - before, 2, "{log}");
    }
    let both = home
        .start_in(&environment("0"), &["--once", "--max-tasks", "2"])
        .end();
    let (code, log) = both.await;
    assert!(code == 2 && log.contains("exclude each other"), "{log}");
}

#[tokio::test]
async fn a_workspace_that_cannot_be_used_is_refused_at_the_start() {
    let (fake, home) = (Fake::start().await, Home::new());
    // Not even root can make a directory below a file.
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let workspace = file.join("work");
    let (code, log) = home
        .start(&fake, &["--workspace", workspace.to_str().unwrap()])
        .end()
        .await;
    assert_eq!(code, 78, "{log}");
    let sentence = format!("error: cannot work in the workspace {}: ", workspace.display());
    assert!(log.contains(&sentence) && log.contains("help: "), "{log}");
    assert!(fake.world().registered.is_empty());
}

#[tokio::test]
async fn an_agent_that_is_refused_says_once_what_is_wrong() {
    let (fake, home) = (Fake::start().await, Home::new());
    let fault = FieldFault {
        field: "labels".to_owned(),
        description: "there are more than 64".to_owned(),
    };
    fake.world().refuse_register = Some(status(
        Reason::FieldInvalid,
        "labels: there are more than 64",
        Details {
            faults: vec![fault],
            ..Details::default()
        },
    ));
    let (code, log) = home.start(&fake, &["--log-level", "info"]).end().await;
    assert_eq!(code, 2, "{log}");
    let sentence = format!(
        "error: the coordinator at {} refuses this agent: labels: there are more than 64\n",
        fake.address()
    );
    assert!(log.ends_with(&sentence), "{log}");
    assert_eq!(log.matches("more than 64").count(), 1, "{log}");
}

#[tokio::test]
async fn an_agent_says_what_answers_on_a_wrong_port() {
    let home = Home::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let agent = home.start_with(&address, &[]);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 16];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    agent
        .until_log(&format!(
            "error: cannot reach the coordinator at {address}: that port speaks HTTP/1.1"
        ))
        .await;
    agent
        .until_log("help: is that a dashboard or a web server? the usual port is 50051")
        .await;
}

#[tokio::test]
async fn json_log_lines_are_objects_with_the_fields_beside_the_message() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "true");
    let (code, log) = home.start(&fake, &["--once", "--log-format", "json"]).end().await;
    assert_eq!(code, 0, "{log}");
    assert!(
        log.contains(r#""message":"begins","task_id":"a","attempt":1,"job_id":"job","queue":"default"}"#),
        "{log}"
    );
    assert!(
        log.lines().all(|line| line.starts_with(r#"{"timestamp":""#)),
        "{log}"
    );
    assert!(
        !log.contains(r#""target""#) && !log.contains(r#""fields""#),
        "{log}"
    );
}
