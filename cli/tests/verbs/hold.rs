//! pause, resume, drain, undrain and stop, and the holds in status and lists.

use serde_json::Value;
use swarm_proto::v1::{
    Agent, AgentState, HeldLease, HoldKind, HoldLifted, HoldPlaced, QueueLimited, Rates, TaskState,
    event::Payload, hold::Scope, pause_request,
};

use crate::{
    fake::{Ended, Fake, World, at, held::hold},
    terminal::{on_a_terminal, typed_on_a_terminal},
};

pub(crate) fn busy_agent(world: &mut World) {
    let lease = |n: u32| HeldLease {
        task_id: format!("t{n}"),
        attempt: 1,
        ..HeldLease::default()
    };
    world.agents.push(Agent {
        agent_id: "a1".into(),
        name: "lab".into(),
        state: AgentState::Online.into(),
        slots: 4,
        leases: vec![lease(1), lease(2)],
        ..Agent::default()
    });
}

pub(crate) fn as_ann(fake: &Fake, args: &[&str]) -> Ended {
    fake.ctl_with(args, "", &[("SWARM_ACTOR", "ann@desk")])
}

#[test]
fn everything_is_paused_and_resumed() {
    let fake = Fake::start(|_| {});
    let ended = as_ann(&fake, &["pause", "--reason", "moving house"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (
            0,
            "everything is paused by ann@desk since 03:04:05 UTC: moving house\n",
            "what runs goes on; to give work again: swarmctl resume\n"
        )
    );
    let ended = as_ann(&fake, &["resume"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (
            0,
            "everything is resumed; it was paused by ann@desk since 03:04:05 UTC: moving house\n",
            ""
        )
    );
    let ended = as_ann(&fake, &["resume"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "everything was not held\n")
    );
    let world = fake.world();
    assert_eq!(
        (
            world.held.pauses[0].scope.clone(),
            world.held.pauses[0].actor.as_str()
        ),
        (None, "ann@desk")
    );
}

#[test]
fn a_queue_and_an_agent_are_paused_by_their_names() {
    let fake = Fake::start(busy_agent);
    let ended = as_ann(&fake, &["pause", "--queue", "slow"]);
    assert!(
        ended.stdout.starts_with("queue slow is paused by ann@desk"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.ends_with("swarmctl resume --queue slow\n"),
        "{}",
        ended.stderr
    );
    for args in [&["pause", "--agent", "lab"][..], &["agent", "pause", "a1"]] {
        let ended = as_ann(&fake, args);
        assert!(
            ended.stdout.starts_with("agent lab is paused by ann@desk"),
            "{}",
            ended.stdout
        );
        assert!(
            ended.stderr.ends_with("swarmctl resume --agent a1\n"),
            "{}",
            ended.stderr
        );
    }
    let scopes: Vec<_> = fake
        .world()
        .held
        .pauses
        .iter()
        .filter_map(|pause| pause.scope.clone())
        .collect();
    let agent = pause_request::Scope::AgentId("a1".into());
    assert_eq!(
        scopes,
        [pause_request::Scope::Queue("slow".into()), agent.clone(), agent]
    );

    let ended = as_ann(&fake, &["agent", "resume", "lab"]);
    assert_eq!(
        ended.stderr,
        "still: queue slow is paused by ann@desk since 03:04:05 UTC\n"
    );
    assert_eq!(
        as_ann(&fake, &["resume", "--queue", "slow", "-q"]).stdout,
        "slow\n"
    );
    let ended = as_ann(&fake, &["pause", "--agent", "nobody"]);
    assert_eq!(ended.code, 4);
    assert_eq!(as_ann(&fake, &["pause", "--queue", "a", "--agent", "b"]).code, 2);
}

#[test]
fn a_coordinator_whose_status_is_too_large_is_still_a_coordinator() {
    let fake = Fake::start(|world| {
        let reason = "x".repeat(500);
        let scope = || Some(Scope::Queue("made-up".into()));
        world.held.holds = vec![hold(HoldKind::Pause, scope(), "ann@desk", &reason); 12_000];
    });
    let ended = as_ann(&fake, &["doctor"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("answers, and its status cannot be had"),
        "{}",
        ended.stdout
    );
    assert!(
        !ended.stdout.contains("does not work as a coordinator"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_pause_says_when_something_stricter_stays() {
    let fake = Fake::start(|world| world.held.holds.push(hold(HoldKind::Stop, None, "bob@lab", "")));
    let ended = as_ann(&fake, &["pause", "-o", "json"]);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&answer["hold"]["kind"], &answer["hold"]["actor"]),
        (&"stop".into(), &"bob@lab".into())
    );
    let ended = as_ann(&fake, &["pause"]);
    assert!(
        ended.stderr.starts_with(
            "that hold is stricter than a pause and stays; to give work again: swarmctl resume\n"
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn whoever_asks_is_named() {
    let fake = Fake::start(|_| {});
    fake.ctl_with(&["pause"], "", &[("SWARM_ACTOR", "")]);
    fake.ctl_with(&["pause", "--actor", "cron"], "", &[("SWARM_ACTOR", "ann@desk")]);
    let world = fake.world();
    assert!(
        world.held.pauses[0].actor.contains('@'),
        "{}",
        world.held.pauses[0].actor
    );
    assert_eq!(world.held.pauses[1].actor, "cron");
    let long = "x".repeat(501);
    drop(world);
    let ended = fake.ctl(&["pause", "--reason", &long]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("501 bytes; at most 500 are kept"),
        "{}",
        ended.stderr
    );
}

fn two_running(world: &mut World) {
    world.task("a", TaskState::Running);
    world.task("b", TaskState::Running);
    world.held.status.tasks = None;
}

#[test]
fn stop_says_what_is_given_back_and_how_to_go_on() {
    let fake = Fake::start(two_running);
    let ended = as_ann(&fake, &["stop", "--yes", "--reason", "wrong data"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (
            0,
            "every agent is stopped by ann@desk since 03:04:05 UTC: wrong data\n\
             2 leases are to be given back; such a task is queued again, and no retry is used up\n",
            "nothing is given to agents until: swarmctl resume\n"
        )
    );
    let answer: Value = serde_json::from_str(&as_ann(&fake, &["stop", "-y", "-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&answer["leases"], &answer["hold"]["kind"]),
        (&2.into(), &"stop".into())
    );
}

#[test]
fn stop_asks_on_a_terminal_and_refuses_to_guess_elsewhere() {
    let fake = Fake::start(two_running);
    let ended = as_ann(&fake, &["stop"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "error: not confirmed: stop every agent, which ends 2 running tasks and gives them back\n\
         help: standard input is no terminal to ask on: add --yes\n"
    );
    assert!(fake.world().held.stops.is_empty());
    for (answer, code, stops) in [("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1)] {
        let (shown, exit) = typed_on_a_terminal(fake.command(&["stop"]), answer);
        assert!(
            shown.contains("ends 2 running tasks and gives them back? [y/N] "),
            "{shown}"
        );
        assert_eq!((exit, fake.world().held.stops.len()), (code, stops), "{shown}");
        assert_eq!(shown.contains("nothing was stopped"), code == 1, "{shown}");
    }
}

fn held_world(world: &mut World) {
    let drain = hold(
        HoldKind::Drain,
        Some(Scope::AgentId("a1".into())),
        "bob@lab",
        "new disk",
    );
    busy_agent(world);
    world.agents[0].state = AgentState::Draining.into();
    world.agents[0].hold = Some(drain.clone());
    world.held.holds = vec![hold(HoldKind::Pause, None, "ann@desk", "moving house"), drain];
    world.task("t", TaskState::Queued);
    world.event("t", "", Payload::LeaseGranted(Default::default()));
    let status = &mut world.held.status;
    status.oldest_queued_time = at(0).map(|time| prost_types::Timestamp {
        seconds: time.seconds - 3_700,
        ..time
    });
    status.rates = Some(Rates {
        submitted: 12.4,
        granted: 0.25,
        succeeded: 0.016_66,
        failed: 0.0,
    });
    status.journal_seq = 3;
    status.journal_lag = 2;
    status.unmatched = 1;
}

#[test]
fn status_shows_who_holds_what_and_how_things_go() {
    let fake = Fake::start(held_world);
    let page = fake.ctl(&["status"]).stdout;
    for expected in [
        "last minute: 12/s submitted, 0.25/s granted, 0.017/s succeeded\n",
        "the oldest queued task waits for 1h 2m\n",
        "everything is paused by ann@desk since 03:04:05 UTC: moving house: swarmctl resume\n",
        "agent lab is being drained by bob@lab since 03:04:05 UTC: new disk: swarmctl resume --agent a1\n",
        "1 queued task that no live agent can run as things are: swarmctl list --state queued\n",
    ] {
        assert!(page.contains(expected), "{expected:?} is not in\n{page}");
    }
    let status: Value = serde_json::from_str(&fake.ctl(&["status", "-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&status["holds"][1]["agent_id"], &status["unmatched"]),
        (&"a1".into(), &1.into())
    );

    let all = fake.ctl(&["status", "-o", "wide"]).stdout;
    for expected in [
        "journal:        event 3, 2 not yet on disk; the store has yet to take 2 events\n",
        "oldest queued:  1h ago, 2026-01-02 02:02:20 UTC\n",
        "\nholds\n  WHAT        HOLD        BY        SINCE    WHY\n",
        "  everything  ◫ paused    ann@desk  55s ago  moving house\n",
        "  agent lab   ◑ draining  bob@lab   55s ago  new disk\n",
    ] {
        assert!(all.contains(expected), "{expected:?} is not in\n{all}");
    }

    let narrow = on_a_terminal(
        fake.command(&["status", "-o", "wide", "--color", "never"]),
        Some(60),
    );
    let holds = narrow.lines().skip_while(|line| *line != "holds").take(4);
    assert!(holds.clone().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(
        narrow.contains("  agent lab   ◑ draining  bob@lab   55s ago  new disk"),
        "{narrow}"
    );
}

#[test]
fn agents_show_who_holds_them_and_since_when() {
    let fake = Fake::start(held_world);
    let list = fake.ctl(&["agent", "list"]).stdout;
    assert!(list.contains("◑ draining"), "{list}");
    assert!(
        list.contains("  by bob@lab since 03:04:05 UTC: new disk  "),
        "{list}"
    );
    let shown = fake.ctl(&["agent", "show", "a1"]).stdout;
    let held = "hold:   being drained by bob@lab since 03:04:05 UTC: new disk\n";
    assert!(shown.contains(held), "{shown}");
    assert_eq!(fake.ctl(&["agent", "inspect", "a1"]).stdout, shown);
    assert_eq!(
        fake.ctl(&["agent", "list", "--label", "gpu,!spot", "-q"]).stdout,
        ""
    );
    assert_eq!(
        fake.world().held.agent_lists.last().unwrap().labels,
        ["gpu", "!spot"]
    );
}

#[test]
fn events_of_holds_say_who_did_what() {
    let fake = Fake::start(|world| {
        let paused = hold(
            HoldKind::Pause,
            Some(Scope::Queue("slow".into())),
            "ann@desk",
            "full disk",
        );
        world.event(
            "",
            "",
            Payload::HoldPlaced(HoldPlaced {
                hold: Some(paused.clone()),
            }),
        );
        let lifted = HoldLifted {
            hold: Some(paused),
            actor: "bob@lab".into(),
        };
        world.event("", "", Payload::HoldLifted(lifted));
        for max_running in [Some(2), None] {
            let limited = QueueLimited {
                queue: "slow".into(),
                max_running,
                actor: "bob@lab".into(),
            };
            world.event("", "", Payload::QueueLimited(limited));
        }
        for event in &mut world.events {
            (event.summary, event.agent_id, event.attempt) = Default::default();
        }
    });
    let lines = fake.ctl(&["events"]).stdout;
    let told: Vec<&str> = lines.lines().map(|line| &line[18..]).collect();
    assert_eq!(
        told,
        [
            "hold_placed         queue slow is paused by ann@desk since 03:04:05 UTC: full disk",
            "hold_lifted         bob@lab resumed queue slow, which was paused by ann@desk",
            "queue_limited       bob@lab limited queue slow to 2 running tasks",
            "queue_limited       bob@lab took away the limit of queue slow",
        ]
    );
    let objects = fake.ctl(&["events", "-o", "jsonl"]).stdout;
    let lifted: Value = serde_json::from_str(objects.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&lifted["kind"], &lifted["actor"]),
        (&"hold_lifted".into(), &"bob@lab".into())
    );
    assert_eq!(lifted["hold"]["queue"], "slow");
}
