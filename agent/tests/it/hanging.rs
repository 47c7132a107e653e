//! Directories of a file system that does not answer.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_proto::v1::{
    Assignment, Blame, Command, DependencyOutput, attempt_report::Outcome, task_spec::Work,
};
use tokio::{io::AsyncReadExt as _, process::Child};

use crate::{
    fake::{Fake, world::World},
    private::{NOBODY, as_nobody},
    program::{Agent, Home, children_of, until},
};

/// For the end of an agent whose state directory hangs: the tidying of its attempts and its last sweep are given up,
/// one after another, after some 50 s.
const END_BESIDE_A_HUNG_STATE: Duration = Duration::from_secs(120);

/// A directory that hangs for an agent of this user whose mounts this script makes.
fn hung_directory(home: &Home, user: u32) -> (PathBuf, String) {
    let hung = home.path().join("hung");
    fs::create_dir(&hung).unwrap();
    let mounts = hanging(&hung, user);
    (hung, mounts)
}

/// A script that has a directory hang for what this user does, as long as its third descriptor is open.
fn hanging(directory: &Path, user: u32) -> String {
    hanging_by(3, directory, user)
}

/// The same by another descriptor.
fn hanging_by(descriptor: u32, directory: &Path, user: u32) -> String {
    // Nobody reads the file system's questions, as when its daemon is stopped.
    format!(
        "exec {descriptor}<>/dev/fuse && \
         mount -i -t fuse -o fd={descriptor},rootmode=40000,user_id={user},group_id={user} hung {}",
        directory.display()
    )
}

#[tokio::test]
async fn attempts_on_a_hung_file_system_fail_by_the_machine_and_all_else_goes_on() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, 0);
    let hung = hung.to_str().unwrap();
    let command = |assignment: &mut Assignment, change: fn(&mut Command, &str)| {
        if let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work {
            change(command, hung);
        }
    };
    fake.submit_with("directory", "true", |assignment| {
        command(assignment, |command, hung| command.cwd = hung.to_owned());
    });
    fake.submit_with("program", "true", |assignment| {
        command(assignment, |command, hung| command.argv[0] = format!("{hung}/sh"));
    });
    fake.submit_with("path", "true", |assignment| {
        command(assignment, |command, hung| {
            command.env.insert("PATH".to_owned(), hung.to_owned());
        });
    });
    // More than the runtime has threads for its futures.
    for n in 0..5 {
        fake.submit_with(&format!("more{n}"), "true", |assignment| {
            command(assignment, |command, hung| command.cwd = hung.to_owned());
        });
    }
    fake.submit("other", &home.patient("other"));
    let Some(agent) = home.start_apart(&fake, &mounts, &["--slots", "9"]) else {
        return;
    };
    fake.all_granted().await;
    home.begun("other").await;
    // Heartbeats bring orders meanwhile.
    fake.cancelled("other").await;
    assert_eq!(
        fake.world().report("directory"),
        None,
        "the other one did not wait"
    );
    let names = ["directory", "program", "path", "more0", "more4"];
    for name in names {
        let Some(Outcome::Failure(failure)) = fake.report(name).await.outcome else {
            panic!("{name} has not failed");
        };
        assert_eq!(
            (failure.reason.as_str(), failure.blame()),
            ("hung", Blame::Machine),
            "{name}"
        );
        assert!(failure.message.contains("did not answer"), "{failure:?}");
    }
    fake.submit("last", "true");
    fake.report("last").await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

/// Has a directory hang for an agent that runs, until what this returns is dropped.
async fn hang(agent: &Agent, directory: &Path) -> Child {
    let script = format!("{} && echo hangs && exec sleep 1000", hanging(directory, 0));
    let mut daemon = tokio::process::Command::new("nsenter")
        .args(["-m", "-t", &agent.pid().to_string(), "sh", "-c", &script])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut hangs = [0; 6];
    let mut told = daemon.stdout.take().unwrap();
    told.read_exact(&mut hangs).await.unwrap();
    daemon
}

/// An agent whose workspace is a directory of its own. It has run something there.
async fn apart(fake: &Fake, home: &Home, slots: &str) -> Option<(Agent, PathBuf)> {
    let workspace = home.path().join("work");
    fs::create_dir(&workspace).unwrap();
    let flags = ["--slots", slots, "--workspace", workspace.to_str().unwrap()];
    let agent = home.start_apart(fake, "true", &flags)?;
    fake.submit("first", "true");
    fake.report("first").await;
    Some((agent, workspace))
}

/// A task with an input that the agent has to ask for.
fn submit_with_input(fake: &Fake, task_id: &str) {
    fake.submit_with(task_id, "true", |assignment| {
        assignment.dependencies.push(DependencyOutput {
            task_id: "before".to_owned(),
            omitted: true,
            ..DependencyOutput::default()
        });
    });
}

/// Ends what makes a directory hang: what is underneath is seen again.
async fn end(agent: &Agent, directory: &Path, mut daemon: Child) {
    let unmounted = tokio::process::Command::new("nsenter")
        .args(["-m", "-t", &agent.pid().to_string(), "umount", "-l"])
        .arg(directory)
        .status();
    assert!(unmounted.await.unwrap().success());
    daemon.kill().await.unwrap();
}

#[tokio::test]
async fn an_attempt_whose_workspace_hangs_fails_after_a_minute_by_the_machine() {
    let (fake, home) = (Fake::start().await, Home::new());
    let Some((agent, workspace)) = apart(&fake, &home, "3").await else {
        return;
    };
    // Two have their directories when the workspace begins to hang, and wait for an input.
    fake.world().withholds_tasks = true;
    for name in ["b", "cancelled"] {
        submit_with_input(&fake, name);
    }
    let asked = |world: &World| (world.withheld == 2).then_some(());
    fake.until("both ask for their inputs", asked).await;
    let _daemon = hang(&agent, &workspace).await;
    fake.world().withholds_tasks = false;
    fake.submit("a", "true");
    let begun = Instant::now();
    fake.cancelled("cancelled").await;
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    for name in ["a", "b"] {
        let report = fake
            .until_within(Duration::from_secs(100), "it fails", |world| world.report(name))
            .await;
        let Some(Outcome::Failure(failure)) = report.outcome else {
            panic!("{name} has not failed: {report:?}");
        };
        assert_eq!(
            (failure.reason.as_str(), failure.blame()),
            ("hung", Blame::Machine),
            "{name}"
        );
    }
    assert!(begun.elapsed() > Duration::from_secs(50), "{:?}", begun.elapsed());
}

/// A task whose process hangs before it is its program.
fn submit_hanging(fake: &Fake, home: &Home, hung: &Path) {
    let script = home.path().join("script");
    fs::write(&script, format!("#!{}/sh\n", hung.display())).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    fake.submit_with("a", "", |assignment| {
        if let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work {
            command.argv = vec![script.to_str().unwrap().to_owned()];
        }
    });
}

/// The attempt fails, its process is gone, and the next task runs.
async fn fails_and_leaves_nothing(fake: &Fake, agent: Agent) {
    let Some(Outcome::Failure(failure)) = fake.report("a").await.outcome else {
        panic!("it has not failed");
    };
    assert_eq!(
        (failure.reason.as_str(), failure.blame()),
        ("hung", Blame::Machine)
    );
    let guard = agent.guard().await;
    until("the process is gone", || children_of(agent.pid()) == [guard]).await;
    fake.submit("b", "true");
    fake.report("b").await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn a_process_that_hangs_before_it_is_its_program_is_killed() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, 0);
    submit_hanging(&fake, &home, &hung);
    let Some(agent) = home.start_apart(&fake, &mounts, &[]) else {
        return;
    };
    fails_and_leaves_nothing(&fake, agent).await;
}

#[tokio::test]
async fn so_is_one_that_the_system_hides_from_its_agent() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, NOBODY);
    submit_hanging(&fake, &home, &hung);
    // As the service has it. An agent that is not root is closed, and a copy of it is not shown to it.
    let mounts = format!("{mounts} && mount -t proc -o hidepid=invisible swarm-test /proc");
    let Some(words) = as_nobody(&home).await else {
        return;
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(agent) = home.start_apart_by(&words, &fake, &mounts, &[]) else {
        return;
    };
    fails_and_leaves_nothing(&fake, agent).await;
}

#[tokio::test]
async fn an_attempt_whose_workspace_hangs_hears_its_orders_and_does_not_hold_up_the_end_of_its_agent() {
    let (fake, home) = (Fake::start().await, Home::new());
    let Some((agent, workspace)) = apart(&fake, &home, "1").await else {
        return;
    };
    let _daemon = hang(&agent, &workspace).await;
    fake.submit("a", "true");
    fake.all_granted().await;
    fake.cancelled("a").await;
    fake.submit("b", "true");
    agent.until_log("begins task_id=\"b\"").await;
    agent.signal(Signal::SIGTERM);
    agent.until_log("draining: ").await;
    agent.signal(Signal::SIGTERM);
    assert!(matches!(
        fake.report("b").await.outcome,
        Some(Outcome::Released(_))
    ));
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
}

/// The child of an agent that is not its guard, as soon as there is one.
async fn hung_child(agent: &Agent) -> Pid {
    let (agent, guard) = (agent.pid(), agent.guard().await);
    let mut found = None;
    until("a process hangs", || {
        found = children_of(agent).into_iter().find(|child| *child != guard);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test]
async fn a_start_that_hangs_hears_the_cancel_of_its_task() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, 0);
    submit_hanging(&fake, &home, &hung);
    // Of two that wait in one file system the kernel lets nobody end the second.
    let other = home.path().join("other");
    fs::create_dir(&other).unwrap();
    let mounts = format!("{mounts} && {}", hanging_by(4, &other, 0));
    fake.submit_with("path", "true", |assignment| {
        if let Some(Work::Command(command)) = &mut assignment.spec.as_mut().unwrap().work {
            let path = other.to_str().unwrap().to_owned();
            command.env.insert("PATH".to_owned(), path);
        }
    });
    let Some(agent) = home.start_apart(&fake, &mounts, &["--slots", "2"]) else {
        return;
    };
    hung_child(&agent).await;
    fake.all_granted().await;
    for name in ["a", "path"] {
        fake.cancelled(name).await;
    }
    let guard = agent.guard().await;
    until("the process is gone", || children_of(agent.pid()) == [guard]).await;
    fake.submit("b", "true");
    fake.report("b").await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn an_agent_waits_for_the_process_that_hung_when_its_predecessor_was_killed() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, 0);
    let flags = ["--name", "lab"];
    submit_hanging(&fake, &home, &hung);
    let Some(agent) = home.start_apart(&fake, &mounts, &flags) else {
        return;
    };
    let child = hung_child(&agent).await;
    agent.crash().await;
    let (code, log) = home.start(&fake, &flags).end().await;
    assert_eq!(code, 75, "{log}");
    assert!(log.contains("or a process that one left, uses"), "{log}");
    let again = home.start(&fake, &flags);
    again.until_log("is in use; waiting").await;
    kill(child, Signal::SIGKILL).unwrap();
    let again = home.registered(&fake, &flags, 1, again).await;
    fake.submit("b", "true");
    fake.report("b").await;
    again.signal(Signal::SIGTERM);
    assert_eq!(again.end().await.0, 0);
}

/// An agent with this state directory, and a workspace that is not in it.
fn with_state_in(fake: &Fake, home: &Home, state: &Path) -> Option<Agent> {
    let workspace = home.path().join("work");
    let flags = [
        "--state-dir",
        state.to_str().unwrap(),
        "--workspace",
        workspace.to_str().unwrap(),
    ];
    home.start_apart(fake, "true", &flags)
}

#[tokio::test]
async fn an_agent_whose_state_directory_hangs_delivers_what_it_runs_and_ends_at_a_signal() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    let Some(agent) = with_state_in(&fake, &home, &state) else {
        return;
    };
    fake.submit("a", &home.patient("a"));
    home.begun("a").await;
    let _daemon = hang(&agent, &state).await;
    home.go("a");
    let report = fake.report("a").await;
    assert!(matches!(report.outcome, Some(Outcome::Success(_))), "{report:?}");
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end_within(END_BESIDE_A_HUNG_STATE).await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test]
async fn an_outcome_that_is_written_after_it_was_confirmed_is_not_sent_again() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    let Some(agent) = with_state_in(&fake, &home, &state) else {
        return;
    };
    fake.submit("first", "true");
    fake.report("first").await;
    let outbox = state.join("outbox/c1");
    until("the first is confirmed", || home.unconfirmed("c1").is_empty()).await;
    fake.submit("a", &home.patient("a"));
    home.begun("a").await;
    let daemon = hang(&agent, &outbox).await;
    home.go("a");
    fake.report("a").await;
    // What hangs fails, and what is tried then is on the disk.
    end(&agent, &outbox, daemon).await;
    agent.until_log("can be written again").await;
    until("nothing is unconfirmed", || home.unconfirmed("c1").is_empty()).await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!((code, home.unconfirmed("c1")), (0, Vec::new()), "{log}");
}

#[tokio::test]
async fn a_signal_ends_an_agent_whose_state_directory_hangs_at_its_start() {
    let (fake, home) = (Fake::start().await, Home::new());
    let (hung, mounts) = hung_directory(&home, 0);
    let flags = ["--state-dir", hung.to_str().unwrap()];
    let Some(agent) = home.start_apart(&fake, &mounts, &flags) else {
        return;
    };
    until("the agent hears signals", || hears_sigterm(agent.pid())).await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(fake.world().registered.is_empty());
}

#[tokio::test]
async fn an_agent_whose_state_directory_hangs_behind_its_lock_says_so_and_ends_at_a_signal() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    let marks = state.join("marks");
    fs::create_dir_all(&marks).unwrap();
    let flags = ["--state-dir", state.to_str().unwrap()];
    let Some(agent) = home.start_apart(&fake, &hanging(&marks, 0), &flags) else {
        return;
    };
    let told = || agent.log().contains("is there a disk that does not answer?");
    until("it is told that the disk hangs", told).await;
    agent.signal(Signal::SIGTERM);
    let (code, log) = agent.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(fake.world().registered.is_empty());
}

/// Whether a process catches SIGTERM, which is number 15.
fn hears_sigterm(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << 14) != 0)
}
