//! What a task can read of its agent's process.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use nix::unistd::{Uid, chown, geteuid};
use swarm_proto::v1::attempt_report::Outcome;
use tokio::process::Command;

use crate::{
    fake::Fake,
    program::{AGENT, Agent, Home, named, until},
};

/// The system's user without rights.
pub(crate) const NOBODY: u32 = 65534;

/// The place of a program that every user may start. Directories above the usual one may be closed to others.
fn program(home: &Home) -> PathBuf {
    home.path().join("agent")
}

/// The words that start the agent's program as a user who is not root, with a home of that user. `None`, with a line
/// that says so, where that is not possible.
pub(crate) async fn as_nobody(home: &Home) -> Option<Vec<String>> {
    let program = program(home);
    fs::copy(AGENT, &program).unwrap();
    let program = program.to_str().unwrap().to_owned();
    if !geteuid().is_root() {
        return Some(vec![program]);
    }
    if let Err(error) = Command::new("setpriv").arg("--version").output().await {
        println!("SKIPPED: cannot run setpriv, which changes the user: {error}");
        return None;
    }
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(home.path(), Some(Uid::from_raw(NOBODY)), None).unwrap();
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    Some(words.map(str::to_owned).into_iter().chain([program]).collect())
}

/// An agent of a user who is not root.
async fn start(home: &Home, fake: &Fake, flags: &[&str]) -> Option<Agent> {
    let words = as_nobody(home).await?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(home.start_by(&words, fake, flags))
}

#[tokio::test]
async fn a_task_cannot_read_environment_memory_or_descriptors_of_its_agent() {
    let (fake, home) = (Fake::start().await, Home::new());
    fake.submit(
        "a",
        "id -u; for file in environ mem maps; do head -c 1000 /proc/$PPID/$file; done; ls /proc/$PPID/fd/",
    );
    let Some(agent) = start(&home, &fake, &["--once"]).await else {
        return;
    };
    let output = fake.report("a").await.output.unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_ne!(stdout.trim(), "0", "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert_eq!(stderr.matches("Permission denied").count(), 4, "{stderr}");
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn an_agent_that_is_closed_to_its_tasks_still_ends_all_of_them_and_so_does_its_guard() {
    let (fake, home) = (Fake::start().await, Home::new());
    let long = format!("1000.9{}", std::process::id());
    let scatter = format!("setsid sleep {long} < /dev/null > /dev/null 2>&1 &");
    fake.submit("a", &format!("{scatter} env -i {scatter}"));
    fake.submit("b", &format!("{scatter} {}", home.patient("b")));
    let Some(agent) = start(&home, &fake, &[]).await else {
        return;
    };
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    home.begun("b").await;
    until("the second task's process runs alone", || named(&long).len() == 1).await;
    agent.guard().await;
    agent.crash().await;
    until("the guard has ended it", || named(&long).is_empty()).await;
}

#[tokio::test]
async fn the_guard_of_an_agent_finds_an_agent_that_runs_as_its_task() {
    let (outer, inner, home) = (Fake::start().await, Fake::start().await, Home::new());
    let state = home.path().join("inner");
    let line = format!(
        "SWARM_COORDINATOR={} exec {} --slots 1 --state-dir {}",
        inner.address(),
        program(&home).display(),
        state.display()
    );
    // In a session of its own it is not in the group that ends with the outer agent's attempt.
    outer.submit("a", &format!("setsid sh -c '{line}' & wait"));
    let long = format!("1000.8{}", std::process::id());
    inner.submit("b", &format!("exec sleep {long}"));
    let Some(agent) = start(&home, &outer, &[]).await else {
        return;
    };
    until("the inner agent's task runs", || named(&long).len() == 1).await;
    agent.crash().await;
    until("the inner agent is ended", || {
        named(state.to_str().unwrap()).is_empty()
    })
    .await;
    until("its task is, too", || named(&long).is_empty()).await;
}
