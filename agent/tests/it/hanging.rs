//! Directories of a file system that does not answer.

use std::fs;

use nix::sys::signal::Signal;
use swarm_proto::v1::{Assignment, Blame, Command, Directive, attempt_report::Outcome, task_spec::Work};

use crate::{fake::Fake, program::Home};

#[tokio::test]
async fn attempts_on_a_hung_file_system_fail_by_the_machine_and_all_else_goes_on() {
    let (fake, home) = (Fake::start().await, Home::new());
    let hung = home.path().join("hung");
    fs::create_dir(&hung).unwrap();
    // Nobody reads the file system's questions, as when its daemon is stopped.
    let mounts = format!(
        "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung {}",
        hung.display()
    );
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
    fake.until("all are granted", |world| world.queue.is_empty().then_some(()))
        .await;
    home.begun("other").await;
    // Heartbeats bring orders meanwhile.
    fake.world()
        .directives
        .insert("other".to_owned(), Directive::Cancel);
    let report = fake.report("other").await;
    assert!(
        matches!(report.outcome, Some(Outcome::Cancelled(_))),
        "{report:?}"
    );
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
