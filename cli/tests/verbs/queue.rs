//! queue.

use serde_json::Value;
use swarm_proto::v1::{HoldKind, Queue, StateCounts, TaskState, hold::Scope};

use crate::fake::{Fake, World, held::hold};

fn two_queues(world: &mut World) {
    let slow = Some(Scope::Queue("slow".into()));
    world.held.queues = vec![
        Queue {
            name: "default".into(),
            counts: Some(StateCounts {
                queued: 12,
                running: 3,
                delayed: 1,
                ..StateCounts::default()
            }),
            ..Queue::default()
        },
        Queue {
            name: "slow".into(),
            max_running: Some(2),
            hold: Some(hold(HoldKind::Pause, slow, "ann@desk", "full disk")),
            ..Queue::default()
        },
    ];
}

#[test]
fn queues_are_listed_with_limits_and_holds() {
    let fake = Fake::start(two_queues);
    assert_eq!(
        fake.ctl(&["queue", "list"]).stdout,
        "\
QUEUE    HOLD      QUEUED  RUNNING  LIMIT  WAITING  DETAILS
default  -             12        3   none        1  -
slow     ◫ paused       0        0      2        0  by ann@desk since 03:04:05 UTC: full disk
"
    );
    assert_eq!(fake.ctl(&["queue", "list", "-q"]).stdout, "default\nslow\n");
    let whole: Value = serde_json::from_str(&fake.ctl(&["queue", "list", "-o", "json"]).stdout).unwrap();
    assert_eq!(whole["queues"][1]["hold"]["kind"], "pause");
    assert_eq!(whole["queues"][0]["counts"]["queued"], 12);
}

#[test]
fn a_queue_is_shown() {
    let fake = Fake::start(two_queues);
    assert_eq!(
        fake.ctl(&["queue", "show", "slow"]).stdout,
        "queue:  slow\nlimit:  2\nhold:   ◫ paused by ann@desk since 03:04:05 UTC: full disk\n"
    );
    let shown: Value =
        serde_json::from_str(&fake.ctl(&["queue", "show", "slow", "-o", "json"]).stdout).unwrap();
    assert_eq!(shown["max_running"], 2);
    let ended = fake.ctl(&["queue", "show", "nosuch"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert!(
        ended.stderr.contains("help: swarmctl queue list shows"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_limit_is_set_and_taken_away() {
    let fake = Fake::start(two_queues);
    let with = |args: &[&str]| fake.ctl_with(args, "", &[("SWARM_ACTOR", "bob@lab")]);
    let ended = with(&["queue", "limit", "default", "2"]);
    assert_eq!(
        ended.stdout,
        "queue:    default\nlimit:    2\ndelayed:  1\nqueued:   12\nrunning:  3\n"
    );
    assert_eq!(
        ended.stderr,
        "3 tasks of it are running now, and not ended for the limit\n"
    );
    assert_eq!(with(&["queue", "limit", "default", "none"]).code, 0);
    let world = fake.world();
    let asked: Vec<_> = world
        .held
        .limits
        .iter()
        .map(|limit| (limit.max_running, limit.actor.as_str()))
        .collect();
    assert_eq!(asked, [(Some(2), "bob@lab"), (None, "bob@lab")]);
}

#[test]
fn a_limit_of_nothing_is_wrong_usage() {
    let fake = Fake::start(two_queues);
    for (at_most, why) in [
        ("0", "pause the queue instead"),
        ("many", "neither a number of tasks nor none"),
    ] {
        let ended = fake.ctl(&["queue", "limit", "slow", at_most]);
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    assert!(fake.world().held.limits.is_empty());
}

#[test]
fn a_queue_is_paused_and_resumed_by_its_noun_too() {
    let fake = Fake::start(|_| {});
    assert_eq!(fake.ctl(&["queue", "pause", "slow", "--reason", "r"]).code, 0);
    assert_eq!(fake.ctl(&["queue", "resume", "slow"]).code, 0);
    let world = fake.world();
    assert_eq!(world.held.pauses[0].reason, "r");
    assert!(world.held.pauses[0].scope.is_some() && world.held.resumes[0].scope.is_some());
    assert!(world.held.holds.is_empty());
}

#[test]
fn a_queue_without_any_task_is_held_and_limited_with_a_remark() {
    let fake = Fake::start(|world| {
        two_queues(world);
        let done = world.task("done", TaskState::Succeeded);
        done.spec.as_mut().unwrap().queue = "nights".into();
    });
    for (args, told) in [
        (
            &["pause", "--queue", "defaul"][..],
            "no task is or was in queue defaul: did you mean 'default'?\n",
        ),
        (
            &["queue", "limit", "defualt", "1"],
            "no task is or was in queue defualt: did you mean 'default'?\n",
        ),
        (&["queue", "pause", "gpu"], "no task is or was in queue gpu\n"),
        (&["queue", "limit", "default", "1"], ""),
        (&["queue", "limit", "nights", "1"], ""),
        (&["queue", "limit", "elsewhere", "none"], ""),
        (&["pause", "--queue", "nights"], ""),
    ] {
        let ended = fake.ctl(args);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
        match told {
            "" => assert!(!ended.stderr.contains("no task is"), "{args:?}: {}", ended.stderr),
            told => assert!(ended.stderr.starts_with(told), "{args:?}: {}", ended.stderr),
        }
    }
    assert_eq!(fake.world().held.pauses.len(), 3);
}

#[test]
fn an_idle_queue_is_shown_if_it_is_known() {
    let fake = Fake::start(|world| {
        world
            .task("done", TaskState::Succeeded)
            .spec
            .as_mut()
            .unwrap()
            .queue = "nights".into();
    });
    for queue in ["default", "nights"] {
        let ended = fake.ctl(&["queue", "show", queue]);
        assert_eq!(
            (ended.code, ended.stdout),
            (0, format!("queue:  {queue}\nlimit:  none\n")),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(fake.ctl(&["queue", "show", "gpu"]).code, 4);
}
