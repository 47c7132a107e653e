//! Orphans: processes that an attempt leaves to others. They end with it and nobody waits for them, whoever they
//! become children of.

use std::time::Duration;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_proto::v1::attempt_report::Outcome;
use tokio::{process::Command, time::timeout};

use crate::{
    fake::Fake,
    program::{AGENT, Agent, Home, named, parent_of, until, zombies_of},
};

const TASKS: usize = 100;
/// A hundred tasks take some seconds, and each orphan would stay for a thousand.
const PATIENCE: Duration = Duration::from_secs(90);

/// The arguments that make an agent process 1 of a container, as Docker does without `--init`.
const AS_PROCESS_1: &[&str] = &["unshare", "-Urpf", "--mount-proc", "--kill-child=KILL", AGENT];

/// Whether agents can be process 1 here.
async fn can_be_process_1() -> bool {
    let tried = Command::new("unshare")
        .args(["-Urpf", "--mount-proc", "true"])
        .output()
        .await;
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!(
                "SKIPPED: cannot make a container: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            false
        }
        Err(error) => {
            println!("SKIPPED: cannot run unshare: {error}");
            false
        }
    }
}

/// A number of seconds by which the processes of one test are found.
fn long(test: u32) -> String {
    format!("1000.{test}{}", std::process::id())
}

/// A script that leaves an orphan behind, in one of eight ways, and is done.
fn leave(way: usize, long: &str) -> String {
    let quiet = "< /dev/null > /dev/null 2>&1";
    match way {
        // The agent's pipe stays open, too.
        0 => format!("sleep {long} &"),
        1 => format!("setsid sleep {long} {quiet} &"),
        2 => format!("( ( setsid sleep {long} {quiet} & ) & )"),
        3 => format!("nohup sleep {long} {quiet} &"),
        4 => format!("env -i setsid sleep {long} {quiet} &"),
        5 => format!("(trap '' TERM HUP INT; exec sleep {long} <&- >&- 2>&-) &"),
        // Each shell starts the next one in a new session and ends.
        6 => format!(
            "export S='[ $1 = 0 ] && exec sleep {long}; setsid sh -c \"$S\" sh $(($1 - 1)) {quiet} &'; \
             sh -c \"$S\" sh 20"
        ),
        _ => format!(
            "S='[ $1 = 0 ] && exec sleep {long}; env -i S=\"$S\" setsid sh -c \"$S\" sh $(($1 - 1)) {quiet} &'; \
             env -i S=\"$S\" sh -c \"$S\" sh 20"
        ),
    }
}

async fn leaves_nothing(agent: Agent, pid: Pid, fake: &Fake, long: &str) {
    for task in 0..TASKS {
        fake.submit(
            &format!("t{task}"),
            &format!("{}\necho $$", leave(task % 8, long)),
        );
    }
    let all = fake.until_within(PATIENCE, "all reports", |world| {
        (world.reports().len() >= TASKS).then(|| world.reports().into_iter().cloned().collect::<Vec<_>>())
    });
    for report in all.await {
        assert!(
            matches!(report.outcome, Some(Outcome::Success(_))),
            "{report:?}\n{}",
            agent.log()
        );
    }
    // With its last attempt.
    assert_eq!(named(long), [], "{}", agent.log());
    until("orphans are reaped", || zombies_of(pid).is_empty()).await;
    // As process 1 it gets no signal that it does not listen to.
    kill(pid, Signal::SIGTERM).unwrap();
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("draining"), "{log}");
}

/// How many children with this argument a process has.
fn children_of(parent: Pid, long: &str) -> usize {
    let found = named(long).into_iter();
    found.filter(|pid| parent_of(*pid) == Some(parent)).count()
}

#[tokio::test]
async fn a_hundred_tasks_leave_no_orphan_and_wait_for_none() {
    let (fake, home, long) = (Fake::start().await, Home::new(), long(1));
    let agent = home.start(&fake, &["--slots", "4"]);
    let pid = agent.pid();
    leaves_nothing(agent, pid, &fake, &long).await;
}

#[tokio::test]
async fn a_hundred_tasks_of_an_agent_that_is_process_1_leave_no_orphan_and_wait_for_none() {
    if !can_be_process_1().await {
        return;
    }
    let (fake, home, long) = (Fake::start().await, Home::new(), long(2));
    let agent = home.start_by(AS_PROCESS_1, &fake, &["--slots", "4"]);
    let pid = agent.inner().await;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")),
        "{status}"
    );
    leaves_nothing(agent, pid, &fake, &long).await;
}

#[tokio::test]
async fn an_orphan_without_its_mark_lives_as_long_as_its_attempt_and_not_as_long_as_others() {
    let (fake, home, long) = (Fake::start().await, Home::new(), long(3));
    let daemon = format!("(env -i setsid sleep {long} < /dev/null > /dev/null 2>&1 &)");
    fake.submit("a", &format!("{daemon}; {}", home.patient("a")));
    let agent = home.start(&fake, &["--slots", "2"]);
    home.begun("a").await;
    until("the agent has the orphan", || {
        children_of(agent.pid(), &long) == 1
    })
    .await;
    for n in 0..20 {
        fake.submit(&format!("t{n}"), "setsid true &");
    }
    fake.until("the other reports", |world| {
        (world.reports().len() >= 20).then_some(())
    })
    .await;
    assert_eq!(named(&long).len(), 1, "{}", agent.log());
    // A younger attempt goes on.
    fake.submit("b", &home.patient("b"));
    home.begun("b").await;
    home.go("a");
    fake.report("a").await;
    assert_eq!(named(&long), [], "{}", agent.log());
    home.go("b");
    let report = fake.report("b").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
}

#[tokio::test]
async fn orphans_are_reaped_while_their_attempt_runs() {
    let (fake, home) = (Fake::start().await, Home::new());
    let script = "for n in 1 2 3 4 5 6 7 8 9; do (setsid true &); done;";
    fake.submit("a", &format!("{script} {}", home.patient("a")));
    let agent = home.start(&fake, &[]);
    home.begun("a").await;
    until("orphans are reaped", || zombies_of(agent.pid()).is_empty()).await;
    home.go("a");
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
}

#[tokio::test]
async fn the_grace_of_a_cancelled_group_ends_with_its_last_process_though_that_is_an_orphan() {
    let (fake, home) = (Fake::start().await, Home::new());
    // The shell ends at once; its child takes a moment more and is an orphan by then.
    let child = "(trap 'sleep 0.3; exit' TERM; while :; do sleep 0.02; done)";
    fake.submit("a", &format!("{child} & {}", home.patient("a")));
    let agent = home.start(&fake, &["--kill-grace", "100s"]);
    home.begun("a").await;
    let cancelled = timeout(Duration::from_secs(20), fake.cancelled("a")).await;
    cancelled.unwrap_or_else(|_| panic!("it takes the whole grace: {}", agent.log()));
}

#[tokio::test]
async fn who_was_in_the_process_before_the_agent_is_spared() {
    let (fake, home, long) = (Fake::start().await, Home::new(), long(4));
    let before = format!("setsid sleep {long} < /dev/null > /dev/null 2>&1 & exec \"$0\" \"$@\"");
    fake.submit("a", "setsid true &");
    let agent = home.start_by(&["sh", "-c", &before, AGENT], &fake, &[]);
    fake.report("a").await;
    let left = named(&long);
    // The shell that made way for the agent and the sleep itself.
    let [sleep] = left.as_slice() else {
        panic!("{left:?}\n{}", agent.log())
    };
    kill(*sleep, Signal::SIGKILL).unwrap();
}
