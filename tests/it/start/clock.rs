//! A start with a wrong clock removes nothing, ends nothing, and is told with what mends it.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use swarm_proto::v1::{GetStatusResponse, TaskState};

use crate::harness::{
    agent::RealAgent,
    client::{quoted, shell_task, with},
    clock::WrongClock,
    coordinator::Coordinator,
    program::{command, run},
    wait_until,
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// For an end of the coordinator.
const SECONDS: Duration = Duration::from_secs(15);

/// A coordinator with an agent, and a wrong clock for its later starts.
struct Scene {
    coordinator: Coordinator,
    _agent: RealAgent,
    clock: WrongClock,
}

impl Scene {
    /// `None` when this machine has no compiler.
    fn new(flags: &[&str]) -> Option<Scene> {
        let coordinator = Coordinator::with(flags);
        let clock = WrongClock::build(coordinator.dir())?;
        let agent = RealAgent::start(&coordinator, "a", &[]);
        Some(Scene {
            coordinator,
            _agent: agent,
            clock,
        })
    }

    /// Starts the coordinator again with a clock that is ahead by so many seconds.
    fn restart(&mut self, ahead: i64, flags: &[&str]) {
        assert_eq!(self.coordinator.stop(SECONDS), 0);
        self.coordinator.change_clock(Some(self.clock.ahead(ahead)));
        self.coordinator.change_flags(flags);
        self.coordinator.start_again();
    }

    fn run_task(&self, id: &str) {
        let client = self.coordinator.client();
        client.submit(vec![shell_task(id, "true")]);
        client.wait_for_state(id, TaskState::Succeeded);
    }

    fn status(&self) -> GetStatusResponse {
        self.coordinator.client().status()
    }

    /// How far the coordinator's time is ahead of the right one, in seconds.
    fn time_ahead(&self) -> i64 {
        self.status().server_time.unwrap().seconds - in_seconds(0)
    }

    fn doctor(&self) -> String {
        self.coordinator.swarmctl(&["doctor"]).stdout
    }

    fn repair(&self, words: &[&str]) -> String {
        let mut command = command("coordinator", self.coordinator.dir());
        command
            .arg("repair")
            .args(words)
            .arg("--data-dir")
            .arg(self.coordinator.data_dir());
        run(command).expect(0).stdout
    }

    fn has(&self, id: &str) -> bool {
        let list = self
            .coordinator
            .swarmctl(&["list", "--all", "-o", "name"])
            .expect(0)
            .stdout;
        list.lines().any(|line| line == id)
    }
}

/// The right time, in so many seconds.
fn in_seconds(later: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + later
}

fn near(one: i64, other: i64) -> bool {
    (one - other).abs() < MINUTE
}

fn timestamp(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

#[test]
fn a_clock_that_is_ahead_at_one_start_removes_nothing_and_moves_no_deadline() {
    let Some(mut scene) = Scene::new(&[]) else { return };
    scene.run_task("old");
    let client = scene.coordinator.client();
    client.submit(vec![
        with(shell_task("later", "true"), |spec| {
            spec.not_before = timestamp(in_seconds(DAY))
        }),
        with(shell_task("bounded", "true"), |spec| {
            spec.not_before = timestamp(in_seconds(DAY));
            spec.deadline = timestamp(in_seconds(2 * DAY));
        }),
    ]);

    scene.restart(30 * DAY, &[]);
    let status = scene.status();
    assert!(
        near((status.clock_doubt_ms / 1_000) as i64, 30 * DAY),
        "{status:?}"
    );
    assert!(near(scene.time_ahead(), 0), "{}", scene.time_ahead());
    let said = scene.doctor();
    assert!(
        said.contains("this coordinator's clock is 30d") || said.contains("29d 23h"),
        "{said}"
    );
    assert!(said.contains("--accept-clock"), "{said}");
    let page = scene.coordinator.swarmctl(&["status"]).expect(0).stdout;
    assert!(page.contains("not believed"), "{page}");
    let log = scene.coordinator.program().log();
    assert!(log.contains("is not believed"), "{log}");
    scene.run_task("meanwhile");

    scene.restart(0, &[]);
    scene.run_task("after");
    let status = scene.status();
    assert_eq!(
        (status.clock_doubt_ms, status.time_ahead_ms / 60_000),
        (0, 0),
        "{status:?}"
    );
    assert!(near(scene.time_ahead(), 0));
    for id in ["old", "meanwhile", "after"] {
        assert!(scene.has(id), "{id} is gone");
    }
    let client = scene.coordinator.client();
    for id in ["later", "bounded"] {
        assert_eq!(client.task(id).state(), TaskState::Delayed, "{id}");
    }
}

#[test]
fn a_second_start_a_while_later_confirms_a_clock_and_one_in_a_loop_does_not() {
    let Some(mut scene) = Scene::new(&[]) else { return };
    scene.run_task("one");
    scene.restart(3 * DAY, &[]);
    scene.restart(3 * DAY, &[]);
    assert!(
        scene.status().clock_doubt_ms > 0,
        "a loop of restarts confirms nothing"
    );
    scene.restart(3 * DAY + 11 * MINUTE, &[]);
    assert_eq!(scene.status().clock_doubt_ms, 0);
    assert!(near(scene.time_ahead(), 3 * DAY + 11 * MINUTE));
    scene.run_task("two");
}

#[test]
fn an_accepted_clock_counts_at_once_and_repair_sets_a_wrong_one_back() {
    let Some(mut scene) = Scene::new(&[]) else { return };
    scene.run_task("old");
    scene.restart(30 * DAY, &["--accept-clock"]);
    assert_eq!(scene.status().clock_doubt_ms, 0);
    wait_until("the old task is removed", || !scene.has("old"));
    scene.run_task("kept");
    wait_until("the removal is logged with its number", || {
        let log = scene.coordinator.program().log();
        log.contains("removed tasks that ended long ago") && log.contains("records=1")
    });

    // Everything is 30 days old by the wall clock's measure as soon as it is right again: nothing is removed.
    scene.restart(0, &["--keep-tasks", "1s", "--keep-events", "1s"]);
    let said = scene.doctor();
    assert!(
        said.contains("ahead of its machine's clock") && said.contains("--set-time-back"),
        "{said}"
    );
    assert!(scene.status().time_ahead_ms > 29 * 24 * 3_600_000);
    let client = scene.coordinator.client();
    let soon = timestamp(in_seconds(HOUR));
    client.submit(vec![with(shell_task("soon", "true"), |spec| {
        spec.not_before = soon
    })]);
    scene.run_task("other");
    assert_eq!(client.task("soon").state(), TaskState::Delayed);
    assert!(scene.has("kept"));

    assert_eq!(scene.coordinator.stop(SECONDS), 0);
    let said = scene.repair(&[]);
    assert!(said.contains("--set-time-back"), "{said}");
    let said = scene.repair(&["--set-time-back"]);
    assert!(said.contains("the next start sets the time back"), "{said}");
    scene.coordinator.change_flags(&[]);
    scene.coordinator.start_again();
    let status = scene.status();
    assert_eq!(
        (status.clock_doubt_ms, status.time_ahead_ms / 60_000),
        (0, 0),
        "{status:?}"
    );
    assert!(near(scene.time_ahead(), 0), "{}", scene.time_ahead());
    scene.run_task("after");
    assert_eq!(
        scene.coordinator.client().task("soon").state(),
        TaskState::Delayed
    );

    // It is done once.
    scene.restart(0, &[]);
    scene.run_task("last");
    assert!(near(scene.time_ahead(), 0), "{}", scene.time_ahead());
}

#[test]
fn one_repair_accepts_a_loss_and_sets_the_time_back() {
    let Some(mut scene) = Scene::new(&[]) else { return };
    scene.run_task("old");
    scene.restart(30 * DAY, &["--accept-clock"]);
    scene.run_task("kept");
    scene.run_task("lost");
    assert_eq!(scene.coordinator.stop(SECONDS), 0);

    // The last entry is damaged, and the store knows that it was acknowledged.
    let journal = scene
        .coordinator
        .data_dir()
        .join("journal/00000000000000000001.seg");
    let mut bytes = fs::read(&journal).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let said = scene.repair(&["--accept-loss", "--set-time-back"]);
    assert!(said.contains("repaired: the coordinator goes on"), "{said}");
    assert!(said.contains("the next start sets the time back by"), "{said}");

    scene.coordinator.change_clock(None);
    scene.coordinator.change_flags(&[]);
    scene.coordinator.start_again();
    assert!(near(scene.time_ahead(), 0), "{}", scene.time_ahead());
    assert!(scene.has("kept"));
    scene.run_task("after");
}

#[test]
fn an_attempt_that_its_agent_works_on_outlives_a_clock_that_is_set_forward_over_a_restart() {
    let Some(mut scene) = Scene::new(&["--lease-ttl", "1s"]) else {
        return;
    };
    let gate = scene.coordinator.dir().join("gate");
    let begun = scene.coordinator.dir().join("begun");
    let line = format!(
        "touch {}; until test -e {}; do sleep 0.02; done",
        quoted(&begun),
        quoted(&gate)
    );
    let client = scene.coordinator.client();
    let timeout = Some(prost_types::Duration {
        seconds: 10 * MINUTE,
        nanos: 0,
    });
    client.submit(vec![with(shell_task("long", &line), |spec| {
        spec.timeout = timeout
    })]);
    wait_until("it runs", || begun.exists());
    for ahead in [2 * HOUR, 5 * HOUR] {
        scene.restart(ahead, &["--lease-ttl", "1s"]);
        assert!(near(scene.time_ahead(), ahead));
        wait_until("three leases have passed", || {
            scene.status().uptime.unwrap().seconds >= 3
        });
        let task = scene.coordinator.client().task("long");
        assert_eq!((task.state(), task.attempt_count), (TaskState::Running, 1));
    }
    fs::write(gate, "").unwrap();
    let task = scene
        .coordinator
        .client()
        .wait_for_state("long", TaskState::Succeeded);
    assert_eq!(
        (task.attempt_count, task.tries.unwrap_or_default().losses),
        (1, 0)
    );

    scene.restart(0, &["--lease-ttl", "1s"]);
    let said = scene.doctor();
    assert!(
        said.contains("this coordinator's time is 4h 59m") || said.contains("time is 5h"),
        "{said}"
    );
}
