//! drain: an agent ends what it has and is given nothing more.

use std::{process::Stdio, sync::mpsc};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    fake::Fake,
    hold::{as_ann, busy_agent},
};

#[test]
fn a_drain_says_what_is_left_and_how_to_take_it_back() {
    let fake = Fake::start(busy_agent);
    let ended = as_ann(
        &fake,
        &["drain", "lab", "--timeout", "5m", "--reason", "new disk"],
    );
    assert_eq!(ended.code, 0);
    assert_eq!(
        ended.stdout,
        "agent lab is being drained by ann@desk since 03:04:05 UTC, until 03:09:05 UTC: new disk\n\
         agent lab still holds 2 leases\n"
    );
    assert!(
        ended
            .stderr
            .ends_with("to let it work again: swarmctl undrain a1\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.world().held.drains[0].timeout.unwrap().seconds, 300);

    let ended = as_ann(&fake, &["agent", "undrain", "a1", "-o", "json"]);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["lifted"]["kind"], "drain");
    assert_eq!(
        as_ann(&fake, &["undrain", "a1"]).stdout,
        "agent lab was not held\n"
    );
    assert_eq!(as_ann(&fake, &["drain", "nobody"]).code, 4);
    assert_eq!(as_ann(&fake, &["drain", "lab", "--timeout", "31d"]).code, 2);
}

#[test]
fn a_drain_can_be_waited_for() {
    let fake = Fake::start(|world| {
        busy_agent(world);
        // Asked for once by its id, then twice while it drains.
        world.at_a_look(|_| {});
        world.at_a_look(|world| drop(world.agents[0].leases.pop()));
        world.at_a_look(|world| world.agents[0].leases.clear());
    });
    let ended = as_ann(&fake, &["agent", "drain", "a1", "--wait"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.stderr,
        "agent lab still holds 1 lease\nagent lab holds nothing any more: it can be switched off\n"
    );
}

#[test]
fn waiting_for_a_drain_ends_in_time_and_when_it_is_lifted() {
    let fake = Fake::start(busy_agent);
    let ended = as_ann(&fake, &["drain", "a1", "--wait", "--wait-timeout", "100ms"]);
    assert_eq!(ended.code, 5);
    assert!(
        ended.stderr.ends_with(
            "error: agent lab still held leases after 0.100s\n\
             help: it goes on draining; to wait again: swarmctl drain a1 --wait\n"
        ),
        "{}",
        ended.stderr
    );
    fake.world().at_a_look(|_| {});
    fake.world().at_a_look(|world| world.agents[0].hold = None);
    let ended = as_ann(&fake, &["drain", "a1", "--wait"]);
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .stderr
            .contains("is not being drained any more: somebody lifted it"),
        "{}",
        ended.stderr
    );
}

#[test]
fn ctrl_c_leaves_the_drain_and_says_how_to_go_on() {
    let (looked, has_looked) = mpsc::channel();
    let fake = Fake::start(|world| {
        busy_agent(world);
        world.at_a_look(|_| {});
        world.at_a_look(move |_| looked.send(()).unwrap());
    });
    let mut drain = fake.command(&["drain", "a1", "--wait"]);
    let child = drain
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    has_looked.recv().unwrap();
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert_eq!(
        told,
        "detached; agent lab goes on draining. To wait again: swarmctl drain a1 --wait\n\
         to let it work again: swarmctl undrain a1\n"
    );
    assert!(fake.world().agents[0].hold.is_some(), "the drain was taken back");
}

#[test]
fn what_is_left_of_a_deadline_is_kept_when_waiting_again() {
    let fake = Fake::start(busy_agent);
    // The fake's drain began 55 s ago.
    let args = [
        "drain",
        "a1",
        "--wait",
        "--timeout",
        "5m",
        "--wait-timeout",
        "10ms",
    ];
    let told = as_ann(&fake, &args).stderr;
    assert!(
        told.ends_with("to wait again: swarmctl drain a1 --timeout 245s --wait\n"),
        "{told}"
    );
}
