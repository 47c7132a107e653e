//! Failures as people and scripts are told.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use swarm_proto::v1::TaskState;
use tonic::Code;

use crate::fake::{self, Fake, hostility::Hostility};

/// An address at which nothing listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn swarmctl(args: &[&str]) -> fake::Ended {
    fake::run(
        Command::new(env!("CARGO_BIN_EXE_swarmctl"))
            .env_remove("SWARM_COORDINATOR")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .args(args),
        "",
    )
}

#[test]
fn an_unreachable_coordinator_is_told_at_once() {
    let nowhere = nowhere();
    let started = Instant::now();
    for args in [
        &["list"][..],
        &["events"],
        &["submit", "--", "true"],
        &["status", "-w"],
    ] {
        let ended = swarmctl(&[&["--coordinator", &nowhere], args].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (69, ""), "{args:?}");
        assert_eq!(
            ended.stderr,
            format!(
                "error: cannot reach the coordinator at {nowhere}: connection refused: nothing listens there\n\
                 help: is it running? start one with: coordinator --listen {nowhere}, \
                 or try everything with: swarmctl dev\n"
            )
        );
    }
    assert!(
        started.elapsed().as_secs() < 20,
        "a refused first connection was tried again"
    );
}

#[test]
fn only_wait_and_followed_events_wait_for_the_first_connection() {
    let nowhere = nowhere();
    let ended = swarmctl(&["wait", "x", "--timeout", "0.2s", "--coordinator", &nowhere]);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stderr.starts_with("cannot reach the coordinator"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("nothing listens there; trying again\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn whoever_says_how_long_waits_for_a_coordinator_that_is_not_there_yet() {
    let nowhere = nowhere();
    for verb in [&["submit", "--", "true"][..], &["list"], &["events"]] {
        let started = Instant::now();
        let ended = swarmctl(&[&["--coordinator", &nowhere, "--retry-for", "1s"], verb].concat());
        assert_eq!(ended.code, 69, "{verb:?}: {}", ended.stderr);
        assert!(started.elapsed().as_secs_f32() >= 1.0, "{verb:?} gave up at once");
        assert!(
            ended.stderr.contains("nothing listens there; trying again\n"),
            "{verb:?}: {}",
            ended.stderr
        );
    }
    let mut submit = Command::new(env!("CARGO_BIN_EXE_swarmctl"))
        .args(["submit", "--id", "a", "--retry-for", "1m", "--", "true"])
        .env("SWARM_COORDINATOR", &nowhere)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 1];
    submit.stderr.as_mut().unwrap().read_exact(&mut told).unwrap();
    let fake = Fake::start_at(&nowhere, |_| {});
    let ended = submit.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(fake.world().submits.len(), 1);
}

#[test]
fn an_answer_that_stays_lost_is_told_after_the_time_for_it() {
    let fake = Fake::start(|world| world.lost_answers = usize::MAX);
    let ended = fake.ctl(&["status", "--retry-for", "0.3s"]);
    assert_eq!(ended.code, 69);
    assert!(ended.stderr.contains("the connection broke"), "{}", ended.stderr);
    let before = fake.world().lost_answers;
    assert_eq!(fake.ctl(&["--retry-for", "0s", "status"]).code, 69);
    assert_eq!(before - fake.world().lost_answers, 1);
}

#[test]
fn unknown_things_are_not_found() {
    let fake = Fake::start(|_| {});
    for (args, help) in [
        (&["inspect", "nosuch"][..], "swarmctl list"),
        (&["logs", "nosuch"], "swarmctl list"),
        (&["job", "inspect", "nosuch"], "swarmctl job list"),
        (&["retry", "nosuch"], "swarmctl list"),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(ended.code, 4, "{args:?}: {}", ended.stderr);
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(&format!("help: {help} shows")),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn wrong_usage_is_told_by_exit_code_2() {
    for args in [
        &["submit"][..],
        &["submit", "make"],
        &["submit", "--priority", "urgent", "--", "true"],
        &["submit", "--name", "x", "-f", "tasks.yaml"],
        &["submit", "--id", "bad id", "--", "true"],
        &["list", "--coordinator", "http://"],
        &["retry"],
        &["submit", "--stdin-file", "/nosuch/input", "--", "cat"],
        &["frobnicate"],
    ] {
        let ended = swarmctl(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    }
}

/// Serves every connection with an answer; without one it keeps the connection open and is silent.
fn stranger(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The whole preface is read, because unread bytes would reset the connection.
            let mut preface = [0; 24];
            if !answer.is_empty() && stream.read_exact(&mut preface).is_ok() {
                let _ = stream.write_all(answer);
            }
            kept.push(stream);
        }
    });
    address
}

#[test]
fn a_wrong_port_is_told_for_what_it_is() {
    let web = stranger(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let tls = stranger(b"\x15\x03\x01\x00\x02\x02\x46\x00\x00\x00");
    let silent = stranger(b"");
    for (address, why) in [
        (&web, "that port speaks HTTP/1.1, not gRPC"),
        (&tls, "that port speaks TLS, and this program speaks plaintext"),
        (&silent, "something takes connections there and does not answer"),
    ] {
        let started = Instant::now();
        // Silence takes a while, so one case is enough.
        let verbs = [&["list"][..], &["events"], &["submit", "--", "true"]];
        let tried = if address == &silent {
            &verbs[1..2]
        } else {
            &verbs[..]
        };
        for args in tried {
            let ended = swarmctl(&[&["--coordinator", address], *args].concat());
            assert_eq!(ended.code, 69, "{args:?}: {}", ended.stderr);
            let told = format!("error: cannot reach the coordinator at {address}: {why}\nhelp: ");
            assert!(ended.stderr.starts_with(&told), "{args:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("50051"), "{}", ended.stderr);
        }
        assert!(started.elapsed().as_secs() < 20, "it was asked again and again");
    }
    // A stranger is no coordinator that is away, so nobody waits for it.
    assert_eq!(swarmctl(&["wait", "x", "--coordinator", &web]).code, 69);
}

#[test]
fn the_time_for_retries_bounds_each_answer() {
    let fake = Fake::start(|world| world.is_hanging = true);
    let started = Instant::now();
    let ended = fake.ctl(&["status", "--retry-for", "2s"]);
    assert_eq!(ended.code, 69);
    assert!(ended.stderr.contains("no answer within "), "{}", ended.stderr);
    assert!(
        started.elapsed().as_secs() < 15,
        "an answer was waited for beyond it"
    );
}

#[test]
fn no_ids_on_standard_input_are_wrong_usage() {
    let fake = Fake::start(|_| {});
    for verb in ["wait", "cancel", "retry"] {
        let ended = fake.ctl_with(&[verb, "-"], "\n \n", &[]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (2, "", "error: no ids were given on standard input\n"),
            "{verb}"
        );
    }
}

#[test]
fn advice_is_for_the_coordinator_that_was_named() {
    let fake = Fake::start(|world| {
        world.task("t", TaskState::Failed);
    });
    let address = fake.address.to_string();
    let named = format!("swarmctl --coordinator {address} ");
    for args in [
        &["inspect", "nosuch"][..],
        &["wait", "nosuch"],
        &["wait", "t"],
        &["cancel", "nosuch"],
        &["retry", "nosuch"],
        &["logs", "nosuch"],
        &["logs", "t", "--coordinator", &address],
        &["job", "inspect", "nosuch"],
        &["agent", "inspect", "nosuch"],
        &["list", "--job", "nosuch"],
    ] {
        let ended = swarmctl(&[&["--coordinator", &address], args].concat());
        let commands = ended.stderr.matches("swarmctl ").count();
        assert_eq!(
            ended.stderr.matches(&named).count(),
            commands,
            "{args:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_full_disk_is_told() {
    let fake = Fake::start(|world| {
        world.task("a", TaskState::Queued);
    });
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = fake.command(&["list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("error: cannot write to standard output: "),
        "{told}"
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let fake = Fake::start(|world| {
        for n in 0..2_000 {
            world.task(&format!("task-with-quite-a-long-name-{n}"), TaskState::Queued);
        }
    });
    let mut child = fake.command(&["list", "--limit", "0", "-o", "jsonl"]);
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        (Some(0), "")
    );
}

#[test]
fn a_dry_run_asks_a_coordinator_that_does_not_answer_once() {
    let fake = Fake::start(|world| world.hostility = Hostility::Fails(Code::Unavailable));
    let ended = fake.ctl(&[
        "submit",
        "--dry-run",
        "--retry-for",
        "0s",
        "--id",
        "a",
        "--",
        "true",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("not checked with the coordinator"),
        "{}",
        ended.stderr
    );
    let calls = fake.world().calls.clone();
    assert!(
        !calls.iter().any(|call| call.ends_with("/GetServerInfo")),
        "{calls:?}"
    );
}
