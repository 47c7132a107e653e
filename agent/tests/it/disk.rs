//! The agent's disk: what is removed, what is kept, and what happens when there is no space or no directory any more.

use std::{fs, path::Path, process::Command};

use nix::sys::signal::Signal;
use swarm_proto::v1::{AttemptReport, Blame, DependencyOutput, Failure, attempt_report::Outcome};

use crate::{
    fake::Fake,
    program::{Home, until},
};

fn failure(report: AttemptReport) -> Failure {
    match report.outcome {
        Some(Outcome::Failure(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn is_success(report: &AttemptReport) -> bool {
    matches!(report.outcome, Some(Outcome::Success(_)))
}

#[tokio::test]
async fn what_a_task_mounted_is_left_and_named_whether_its_directory_is_kept_or_not() {
    let (fake, home) = (Fake::start().await, Home::new());
    let precious = home.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("x"), "").unwrap();
    let mount = format!("mkdir m && mount --bind {} m", precious.display());
    fake.submit("a", &mount);
    fake.submit("b", &format!("{mount} && exit 1"));
    // Nothing at all is kept, so the second one is removed as well.
    let Some(agent) = home.start_apart(&fake, "true", &["--keep-bytes", "0"]) else {
        return;
    };
    assert!(is_success(&fake.report("a").await));
    assert_eq!(failure(fake.report("b").await).reason, "exit");
    let named = |place: &str| format!("{place}/work/m\\\" is left: something is mounted there");
    agent.until_log("kept/b.1/work/m").await;
    let log = agent.log();
    assert!(
        log.contains(&named("a.1")) || log.contains(&named("a.1").replace('\\', "")),
        "{log}"
    );
    assert!(log.contains("cannot remove the kept directory"), "{log}");
    assert!(precious.join("x").exists());
    fake.submit("c", "true");
    assert!(is_success(&fake.report("c").await));
    agent.crash().await;
    // The mounts have ended with the agent, so the next one can remove everything.
    let again = home.start(&fake, &["--keep-bytes", "0"]);
    again.until_log("their directories are kept").await;
    until("all directories are gone", || {
        home.find("/a.1").is_empty() && home.find("/b.1").is_empty()
    })
    .await;
    assert!(precious.join("x").exists());
}

#[tokio::test]
async fn a_tree_of_thirty_thousand_levels_is_removed() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED: there is no python3, which makes the tree");
        return;
    }
    let (fake, home) = (Fake::start().await, Home::in_memory());
    fake.submit(
        "a",
        "python3 -c 'import os\nfor i in range(30000): os.mkdir(\"d\"); os.chdir(\"d\")'",
    );
    let agent = home.start(&fake, &[]);
    let report = fake.report("a").await;
    assert!(is_success(&report), "{report:?}");
    until("its directory is gone", || {
        let work = home.find("/work");
        work.iter().all(|work| !work.join("a.1").exists())
    })
    .await;
    fake.submit("b", "true");
    assert!(is_success(&fake.report("b").await));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn what_no_agent_made_is_never_moved_or_removed() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    let others = ["work/photos", "work/kept/photos", "work/kept/a.1"];
    for other in others {
        fs::create_dir_all(state.join(other).join("deep")).unwrap();
    }
    fake.submit("b", "exit 1");
    let flags = ["--state-dir", state.to_str().unwrap(), "--keep-bytes", "0"];
    let agent = home.start(&fake, &flags);
    fake.report("b").await;
    agent.until_log("to make room").await;
    assert!(agent.log().contains("which are left alone: \"photos\""));
    for other in others {
        assert!(state.join(other).join("deep").exists(), "{other}");
    }
    assert!(!state.join("work/kept/b.1").exists());
}

/// A file system of eight megabytes at this place, for an agent alone.
fn small_disk(place: &Path) -> String {
    fs::create_dir(place).unwrap();
    format!("mount -t tmpfs -o size=8m swarm-test {}", place.display())
}

#[tokio::test]
async fn a_task_that_fails_on_a_full_disk_fails_by_the_machine_and_the_agent_goes_on() {
    let (fake, home) = (Fake::start().await, Home::new());
    let disk = home.path().join("small");
    let mounts = small_disk(&disk);
    let state = disk.join("state");
    fake.submit("a", "cat /dev/zero > big; exit 1");
    // Its outcome is larger than what the first one would have left.
    fake.submit("b", "head -c 60000 /dev/zero | tr '\\0' x");
    fake.submit("c", "true");
    let Some(agent) = home.start_apart(&fake, &mounts, &["--state-dir", state.to_str().unwrap()]) else {
        return;
    };
    let full = failure(fake.report("a").await);
    assert_eq!(
        (full.reason.as_str(), full.blame()),
        ("exhausted", Blame::Machine)
    );
    assert_eq!(full.exit_code, Some(1));
    assert!(
        full.message
            .contains("the command exited with 1, and the disk of"),
        "{full:?}"
    );
    let report = fake.report("b").await;
    assert!(is_success(&report), "{report:?}");
    assert_eq!(report.output.unwrap().stdout.len(), 60_000);
    assert!(is_success(&fake.report("c").await));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

#[tokio::test]
async fn kept_directories_give_way_to_the_inputs_of_a_task() {
    let (fake, home) = (Fake::start().await, Home::new());
    let disk = home.path().join("small");
    let mounts = small_disk(&disk);
    let workspace = disk.join("work");
    let flags = ["--workspace", workspace.to_str().unwrap(), "--slots", "2"];
    fake.submit("kept", "head -c 4000000 /dev/zero > big; exit 1");
    // The agent itself leaves no space free, and removes nothing before somebody needs it.
    let Some(_agent) = home.start_apart(&fake, &mounts, &[&flags[..], &["--keep-free", "0"]].concat()) else {
        return;
    };
    assert_eq!(failure(fake.report("kept").await).exit_code, Some(1));
    fake.submit("full", &format!("cat /dev/zero > big; {}", home.patient("full")));
    home.begun("full").await;
    fake.submit_with("a", "wc -c < $SWARM_INPUTS/before", |assignment| {
        assignment.dependencies.push(DependencyOutput {
            task_id: "before".to_owned(),
            stdout: vec![b'x'; 60_000],
            stdout_bytes: 60_000,
            ..DependencyOutput::default()
        });
    });
    let report = fake.report("a").await;
    assert!(is_success(&report), "{report:?}");
    assert_eq!(report.output.unwrap().stdout, b"60000\n");
}

#[tokio::test]
async fn what_a_task_left_on_another_disk_does_not_go_for_its_outcome() {
    let (fake, home) = (Fake::start().await, Home::new());
    let disk = home.path().join("small");
    let mounts = small_disk(&disk);
    let (state, workspace) = (disk.join("state"), home.path().join("work"));
    // Its outcome finds no space on the disk of the state.
    let fill = format!("cat /dev/zero > {}/big", disk.display());
    fake.submit(
        "a",
        &format!("echo precious > left; {fill}; head -c 60000 /dev/zero | tr '\\0' x; exit 1"),
    );
    let flags = [
        "--state-dir",
        state.to_str().unwrap(),
        "--workspace",
        workspace.to_str().unwrap(),
    ];
    let Some(agent) = home.start_apart(&fake, &mounts, &flags) else {
        return;
    };
    assert_eq!(failure(fake.report("a").await).exit_code, Some(1));
    agent.until_log("its directory is kept in").await;
    let left = fs::read_to_string(workspace.join("kept/a.1/work/left"));
    assert_eq!(left.unwrap(), "precious\n");
    assert!(
        agent.log().contains("cannot be written") || agent.log().contains("cannot write"),
        "{}",
        agent.log()
    );
    agent.signal(Signal::SIGTERM);
    agent.end().await;
}

#[tokio::test]
async fn kept_directories_give_way_to_tasks_and_outcomes() {
    let (fake, home) = (Fake::start().await, Home::new());
    let mounts = small_disk(&home.path().join("small"));
    let state = home.path().join("small/state");
    // Together they leave more than there is space. One may begin before the directory of the one before is kept.
    for n in 0..40 {
        fake.submit(&format!("f{n}"), "head -c 300000 /dev/zero > big; exit 1");
    }
    // Whoever waits for space gets it while it works.
    let patient = "until head -c 1000000 /dev/zero > f$i; do sleep 0.1; done";
    fake.submit("last", &format!("for i in 1 2 3 4 5 6; do {patient}; done"));
    let Some(agent) = home.start_apart(&fake, &mounts, &["--state-dir", state.to_str().unwrap()]) else {
        return;
    };
    for n in 0..40 {
        let own = failure(fake.report(&format!("f{n}")).await);
        assert_eq!(
            (own.reason.as_str(), own.blame()),
            ("exit", Blame::Task),
            "{own:?}"
        );
    }
    let report = fake.report("last").await;
    assert!(is_success(&report), "{report:?}");
    assert!(agent.log().contains("its directory is kept in"));
    assert!(agent.log().contains("removed the kept directory"));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.end().await.0, 0);
}

/// Removes a directory that an agent writes into meanwhile.
async fn take_away(state: &Path) {
    until("the directory is gone", || fs::remove_dir_all(state).is_ok()).await;
}

#[tokio::test]
async fn a_state_directory_that_is_removed_is_made_again_with_what_is_not_confirmed() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("state");
    let flags = ["--state-dir", state.to_str().unwrap()];
    fake.world().lose_completes = usize::MAX;
    fake.submit("a", "echo precious");
    let agent = home.start(&fake, &flags);
    until("the outcome is written", || home.unconfirmed("c1") == ["a.1"]).await;
    take_away(&state).await;
    agent.until_log("it was made again").await;
    until("the outcome is written again", || {
        home.unconfirmed("c1") == ["a.1"]
    })
    .await;
    // The same when it is killed afterwards.
    agent.crash().await;
    fake.world().lose_completes = 0;
    let again = home.start(&fake, &flags);
    until("the outbox is empty", || home.unconfirmed("c1").is_empty()).await;
    take_away(&state).await;
    again.until_log("it was made again").await;
    again.until_log("the state directory can be written again").await;
    fake.submit("b", "true");
    let report = fake.report("b").await;
    assert!(is_success(&report), "{report:?}");
    let world = fake.world();
    let ids: Vec<_> = world.registered.iter().map(|request| &request.agent_id).collect();
    assert!(
        ids.len() >= 2 && ids.windows(2).all(|pair| pair[0] == pair[1]),
        "{ids:?}"
    );
    drop(world);
    again.signal(Signal::SIGTERM);
    assert_eq!(again.end().await.0, 0);
}

#[tokio::test]
async fn an_agent_whose_state_directory_cannot_be_made_again_ends_so_that_it_is_started_again() {
    let (fake, home) = (Fake::start().await, Home::new());
    let state = home.path().join("place/state");
    fake.submit("a", &home.patient("a"));
    let agent = home.start(&fake, &["--state-dir", state.to_str().unwrap()]);
    home.begun("a").await;
    take_away(&home.path().join("place")).await;
    fs::write(home.path().join("place"), "in the way").unwrap();
    let (code, log) = agent.end().await;
    assert_eq!(code, 74, "{log}");
    assert!(log.contains("is gone, and cannot be made again"), "{log}");
    assert!(matches!(
        fake.report("a").await.outcome,
        Some(Outcome::Released(_))
    ));
}
