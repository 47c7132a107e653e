//! An attempt leaves no process, whatever it forked, however it ended, and whoever was killed.

use std::{fs, io};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_proto::v1::{Directive, attempt_report::Outcome};

use crate::{
    fake::Fake,
    program::{Agent, Home, carriers, is_alive, until},
};

/// A script that starts three processes in different groups and sessions, then writes their mark to a file.
fn scatter(home: &Home) -> String {
    let home = home.path().display();
    let stay = |name: &str| format!("trap \"\" TERM HUP; : > {home}/{name}.up; while :; do sleep 600; done");
    let (child, orphan, daemon) = (stay("child"), stay("orphan"), stay("daemon"));
    format!(
        r#"
        setsid sh -c '{child}' < /dev/null > /dev/null 2>&1 &
        ( ( setsid sh -c '{orphan}' < /dev/null > /dev/null 2>&1 & ) & )
        cat > daemon.py <<'END'
import os
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 64)
os.execvp("sh", ["sh", "-c", '''{daemon}'''])
END
        python3 daemon.py || setsid -f sh -c '{daemon}' < /dev/null > /dev/null 2>&1
        until [ -e {home}/child.up ] && [ -e {home}/orphan.up ] && [ -e {home}/daemon.up ]; do sleep 0.02; done
        echo $SWARM_MARK > {home}/mark.new; mv {home}/mark.new {home}/mark
        "#
    )
}

/// Waits for all processes of [`scatter`]; returns their mark.
async fn scattered(home: &Home) -> String {
    let mark = home.path().join("mark");
    until("the attempt has started its processes", || mark.exists()).await;
    let mark = fs::read_to_string(mark).unwrap().trim().to_owned();
    assert_eq!(mark.len(), 26, "{mark}");
    let found = carriers(&mark);
    assert!(found.len() >= 3, "{found:?}");
    mark
}

/// An agent whose only attempt has scattered its processes and works on; and the attempt's mark.
async fn busy(fake: &Fake, home: &Home) -> (Agent, String) {
    fake.submit("a", &format!("{} exec sleep 600", scatter(home)));
    let agent = home.start(fake, &["--kill-grace", "300ms"]);
    let mark = scattered(home).await;
    (agent, mark)
}

async fn until_gone(mark: &str) {
    until("everything with the mark is gone", || carriers(mark).is_empty()).await;
}

fn assert_nothing_is_noted(home: &Home) {
    let marks = home.find("/marks");
    let left: Vec<_> = marks
        .iter()
        .flat_map(|marks| fs::read_dir(marks).unwrap())
        .collect();
    assert!(marks.len() == 1 && left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_finished_attempt_leaves_nothing_behind() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", &scatter(&home));
    let agent = home.start(&fake, &[]);
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    let mark = fs::read_to_string(home.path().join("mark")).unwrap();
    assert_eq!(carriers(mark.trim()), [], "the report came before the end");
    assert!(
        agent.log().contains("processes that it left running"),
        "{}",
        agent.log()
    );
}

#[tokio::test]
async fn a_cancelled_attempt_leaves_nothing_behind() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (_agent, mark) = busy(&fake, &home).await;
    fake.cancelled("a").await;
    assert_eq!(carriers(&mark), [], "the report came before the end");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_leaves_nothing_behind() {
    let (fake, home) = (Fake::start().await, Home::new());
    let script = format!("{} exec sleep 600", scatter(&home));
    fake.submit_with("a", &script, |assignment| {
        assignment.timeout = Some(prost_types::Duration { seconds: 5, nanos: 0 });
    });
    let _agent = home.start(&fake, &["--kill-grace", "300ms"]);
    let mark = scattered(&home).await;
    let report = fake.report("a").await;
    assert!(
        matches!(&report.outcome, Some(Outcome::Failure(failure)) if failure.reason == "timeout"),
        "{report:?}"
    );
    assert_eq!(carriers(&mark), [], "the report came before the end");
}

#[tokio::test]
async fn an_attempt_whose_lease_was_lost_leaves_nothing_behind() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (_agent, mark) = busy(&fake, &home).await;
    fake.world().directives.insert("a".to_owned(), Directive::Lost);
    until("the result is kept", || {
        !home.find("outbox/c1/refused/a.1/why").is_empty()
    })
    .await;
    assert_eq!(carriers(&mark), []);
}

#[tokio::test]
async fn an_agent_that_is_stopped_leaves_nothing_behind_and_its_guard_goes_first() {
    for signal in [Signal::SIGUSR1, Signal::SIGTERM] {
        let (fake, home) = (Fake::start().await, Home::new());
        let (agent, mark) = busy(&fake, &home).await;
        let guard = agent.guard().await;
        agent.signal(signal);
        if signal == Signal::SIGTERM {
            agent.until_log("draining").await;
            agent.signal(signal);
        }
        let (code, log) = agent.end().await;
        assert_eq!(code, 0, "{log}");
        assert_eq!(carriers(&mark), []);
        assert!(!is_alive(&guard.to_string()));
        assert_nothing_is_noted(&home);
    }
}

#[tokio::test]
async fn the_guard_ends_everything_when_the_agent_is_killed() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, mark) = busy(&fake, &home).await;
    let guard = agent.guard().await;
    fake.world().watched_mark = Some(mark.clone());
    let log = home.path().join("log0");
    agent.crash().await;
    until_gone(&mark).await;
    until("the guard has ended", || !is_alive(&guard.to_string())).await;
    assert_nothing_is_noted(&home);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("the agent has ended; killed "), "{log}");
    assert!(
        log.contains("the agent has died; the coordinator knows it"),
        "{log}"
    );
    let world = fake.world();
    let (words, left) = &world.deaths[0];
    assert_eq!(*left, [], "the coordinator was told before the end");
    assert_eq!(words.agent_id, world.registered[0].agent_id);
    assert_eq!((words.session, &words.session_token[..]), (1, &[7; 16][..]));
    assert_eq!((world.deaths.len(), world.goodbyes), (1, 0));
}

#[tokio::test]
async fn an_agent_that_says_goodbye_is_not_told_to_be_dead() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", "true");
    let agent = home.start(&fake, &["--once"]);
    let guard = agent.guard().await;
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    until("the guard has ended", || !is_alive(&guard.to_string())).await;
    assert!(fake.world().deaths.is_empty() && fake.world().goodbyes == 1);
}

#[tokio::test]
async fn signals_do_not_end_the_guard() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, mark) = busy(&fake, &home).await;
    let guard = agent.guard().await;
    // It is closed to processes of the same user.
    let environment = fs::read(format!("/proc/{guard}/environ"));
    assert!(
        environment.as_ref().map_or_else(
            |error| error.kind() == io::ErrorKind::PermissionDenied,
            Vec::is_empty
        ),
        "{environment:?}"
    );
    until("the guard takes no signals", || {
        let status = fs::read_to_string(format!("/proc/{guard}/status")).unwrap();
        status.lines().any(|line| line.starts_with("SigBlk:\tffff"))
    })
    .await;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        kill(guard, signal).unwrap();
    }
    let log = home.path().join("log0");
    agent.crash().await;
    until_gone(&mark).await;
    until("the guard has ended", || !is_alive(&guard.to_string())).await;
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("the agent has ended") && !log.contains("starting another"),
        "{log}"
    );
}

#[tokio::test]
async fn a_guard_that_is_killed_is_replaced() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, mark) = busy(&fake, &home).await;
    let first = agent.guard().await;
    kill(first, Signal::SIGKILL).unwrap();
    agent.until_log("the guard ended; starting another").await;
    until("the first guard is gone", || !is_alive(&first.to_string())).await;
    assert_ne!(agent.guard().await, first);
    agent.crash().await;
    until_gone(&mark).await;
}

#[tokio::test]
async fn what_a_killed_agent_and_its_killed_guard_left_is_ended_before_the_next_registration() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (agent, mark) = busy(&fake, &home).await;
    let guard = agent.guard().await;
    // A stopped agent starts no other guard.
    agent.signal(Signal::SIGSTOP);
    kill(guard, Signal::SIGKILL).unwrap();
    agent.crash().await;
    assert!(carriers(&mark).len() >= 3);

    let agent = home.start(&fake, &[]);
    let seen = fake
        .until("the second registration", |world| {
            (world.registered.len() == 2).then(|| carriers(&mark))
        })
        .await;
    assert_eq!(seen, []);
    assert!(
        agent
            .log()
            .contains("that an earlier process of this agent left running"),
        "{}",
        agent.log()
    );
    fake.until("a claim", |world| {
        world.claims.iter().any(|claim| claim.session == 2).then_some(())
    })
    .await;
    let noted: Vec<_> = home
        .find("/marks")
        .iter()
        .flat_map(|marks| fs::read_dir(marks).unwrap())
        .collect();
    assert_eq!(
        noted.len(),
        1,
        "only the running agent's marks are noted: {noted:?}"
    );
}

#[tokio::test]
async fn attempts_side_by_side_do_not_end_each_other() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit("a", &format!("{} exec sleep 600", scatter(&home)));
    let agent = home.start(&fake, &["--slots", "3"]);
    let mark = scattered(&home).await;
    let before: Vec<Pid> = carriers(&mark);
    for n in 0..20 {
        fake.submit(&format!("t{n}"), "setsid sleep 600 > /dev/null 2>&1 &");
    }
    fake.until("the other reports", |world| {
        (world.reports().len() >= 20).then_some(())
    })
    .await;
    assert_eq!(carriers(&mark), before);
    agent.signal(Signal::SIGUSR1);
    assert_eq!(agent.end().await.0, 0);
    assert_eq!(carriers(&mark), []);
}

#[tokio::test]
async fn a_task_cannot_choose_its_mark() {
    use swarm_proto::v1::task_spec::Work;

    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit_with("a", "printf %s $SWARM_MARK", |assignment| {
        let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work else {
            unreachable!()
        };
        command.env.insert("SWARM_MARK".to_owned(), "mine".to_owned());
    });
    home.start(&fake, &["--once"]).end().await;
    let stdout = fake.world().report("a").unwrap().output.unwrap().stdout;
    assert_eq!(stdout.len(), 26, "{}", String::from_utf8_lossy(&stdout));
}
