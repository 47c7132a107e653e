//! The operator's verbs as processes, beside a running coordinator and killed anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use swarm_proto::{
    reason::Reason,
    v1::{Event, StreamEventsRequest, TaskState},
};
use tempfile::TempDir;
use tonic::Status;

use crate::harness::{
    PATIENCE,
    client::{Client, refusal, shell_task},
    coordinator::Coordinator,
    copy_dir,
    fake_agent::FakeAgent,
    program::{Ended, Program, command, run},
};

/// Kills of one verb, spread over its time.
const KILLS: u32 = 10;

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn serve(&self, data: &Path) -> Coordinator {
        Coordinator::serving_data(data, self.0.path())
    }

    /// Carries out a verb on this data directory.
    fn verb(&self, verb: &str, data: &Path, args: &[&str]) -> Ended {
        let mut command = command("coordinator", self.0.path());
        command.arg(verb).args(args).arg("--data-dir").arg(data);
        run(command)
    }

    /// Begins to carry it out, and kills it after this time.
    fn kill_verb(&self, verb: &str, data: &Path, args: &[&str], time: Duration) {
        let mut command = command("coordinator", self.0.path());
        command.arg(verb).args(args).arg("--data-dir").arg(data);
        command.stdout(Stdio::null());
        let mut program = Program::start(verb, command, &self.path("log"), Signal::SIGKILL);
        program.kill_after(time);
    }
}

/// Has an agent do so many tasks.
fn run_tasks(coordinator: &Coordinator, prefix: &str, count: usize) {
    let mut agent = FakeAgent::register_with(coordinator, "agent", |agent| agent.slots = 1_000).unwrap();
    let tasks = (0..count).map(|index| shell_task(&format!("{prefix}-{index}"), "true"));
    agent.client().submit(tasks.collect());
    loop {
        let assignments = agent.claim_now(100).assignments;
        if assignments.is_empty() {
            return;
        }
        for assignment in assignments {
            let result = agent.succeed(&assignment.lease.unwrap(), &"x".repeat(5_000));
            assert_eq!(result.refusal, None);
        }
    }
}

/// The history of the events, and the seq of the last.
fn position(client: &Client) -> (String, u64) {
    let as_of = client.status().as_of.unwrap();
    (as_of.history, as_of.seq)
}

/// The first event of this history from this seq on.
fn event(client: &Client, history: &str, from: u64) -> Result<Option<Event>, Status> {
    let mut stream = client.try_stream(StreamEventsRequest {
        history: history.to_owned(),
        from_seq: Some(from),
        limit: 1,
        ..Default::default()
    })?;
    client.next(&mut stream)
}

#[test]
fn a_backup_of_a_running_coordinator_has_everything_that_was_acknowledged_before_it() {
    let place = Place::new();
    let data = place.path("data");
    let mut coordinator = place.serve(&data);
    run_tasks(&coordinator, "early", 100);
    let (history, seq) = position(&coordinator.client());
    let backups = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..60 {
                run_tasks(&coordinator, &format!("round-{round}"), 40);
            }
        });
        let mut backups = 0;
        while !writer.is_finished() {
            let target = place.path(&format!("backup-{backups}"));
            place.verb("backup", &data, &[target.to_str().unwrap()]).expect(0);
            backups += 1;
        }
        backups
    });
    assert!(backups > 1, "no backup was taken in time");
    assert_eq!(coordinator.stop(PATIENCE), 0);
    for backup in [0, backups - 1] {
        let source = place.path(&format!("backup-{backup}"));
        let data = place.path(&format!("restored-{backup}"));
        let restored = place
            .verb("restore", &data, &[source.to_str().unwrap()])
            .expect(0);
        let said = format!("{}{}", restored.stdout, restored.stderr);
        assert!(
            said.contains("what ran when the backup was taken runs again"),
            "{said}"
        );
        let verified = place.verb("verify", &data, &[]).expect(0).stdout;
        assert!(verified.contains("store: none"), "{verified}");
        let mut restored = place.serve(&data);
        let client = restored.client();
        for index in 0..100 {
            let state = client.task(&format!("early-{index}")).state();
            assert_eq!(state, TaskState::Succeeded, "early-{index}");
        }
        let (new_history, new_seq) = position(&client);
        assert!(new_history != history && new_seq > seq);
        let answer = event(&client, &history, seq);
        assert_eq!(refusal(&answer), Some(Reason::HistoryChanged));
        assert_eq!(event(&client, &new_history, seq).unwrap().unwrap().seq, seq);
        assert_eq!(restored.stop(PATIENCE), 0);
        // The same history from now on.
        restored.start_again();
        assert_eq!(position(&restored.client()).0, new_history);
        restored.kill();
        let said = place.verb("verify", &data, &[]).expect(0).stdout;
        assert!(said.contains("each as the journal says"));
    }
}

#[test]
fn verbs_refuse_a_directory_in_use_and_one_that_is_not_theirs() {
    let place = Place::new();
    let data = place.path("data");
    let mut coordinator = place.serve(&data);
    run_tasks(&coordinator, "task", 10);
    for name in ["verify", "rebuild", "repair"] {
        let refused = place.verb(name, &data, &[]).expect(3);
        assert!(refused.stderr.contains("in use"));
        place.verb(name, &place.path("nothing"), &[]).expect(78);
    }
    let backup = place.path("backup");
    let target = backup.to_str().unwrap();
    place.verb("backup", &data, &[target]).expect(0);
    // Not over something.
    place.verb("backup", &data, &[target]).expect(3);
    place.verb("restore", &data, &[target]).expect(3);
    // Not half of one.
    fs::remove_file(backup.join("backup")).unwrap();
    place.verb("restore", &place.path("other"), &[target]).expect(78);
    assert_eq!(coordinator.stop(PATIENCE), 0);
    for name in ["verify", "rebuild", "repair", "backup", "restore"] {
        let mut help = command("coordinator", place.0.path());
        help.args([name, "--help"]);
        let help = run(help).stdout;
        assert!(
            help.contains(&format!("  coordinator {name} --data-dir")),
            "{help}"
        );
    }
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let place = Place::new();
    let data = place.path("data");
    let mut coordinator = place.serve(&data);
    run_tasks(&coordinator, "task", 100);
    assert_eq!(coordinator.stop(PATIENCE), 0);
    let backup = place.path("backup");
    let target = backup.to_str().unwrap();
    place.verb("backup", &data, &[target]).expect(0);
    flip(&backup.join("journal/00000000000000000001.seg"), 2_000);
    let restored = place.path("restored");
    let refused = place.verb("restore", &restored, &[target]).expect(74);
    assert!(refused.stderr.contains("the backup is damaged"));
    // The remains of the try are not taken for an empty data directory.
    let mut serve = command("coordinator", place.0.path());
    serve
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(restored);
    let refused = run(serve).expect(3);
    assert!(refused.stderr.contains("did not finish"));
}

/// Flips a bit of this byte.
fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Data with a snapshot's worth of tasks, stopped in order.
fn stopped(place: &Place) -> PathBuf {
    let data = place.path("data");
    let mut coordinator = place.serve(&data);
    for round in 0..4 {
        run_tasks(&coordinator, &format!("round-{round}"), 50);
    }
    coordinator.client().submit(vec![shell_task("left", "true")]);
    assert_eq!(coordinator.stop(PATIENCE), 0);
    data
}

/// Runs a verb again and again on copies, killed at another moment each time, and then to its end.
fn kill_everywhere(place: &Place, data: &Path, name: &str, args: &[&str], check: impl Fn(&Path)) {
    let copied = place.path("copied");
    let started = Instant::now();
    copy_dir(data, &copied);
    place.verb(name, &copied, args).expect(0);
    let usual = started.elapsed();
    for round in 0..KILLS {
        fs::remove_dir_all(&copied).unwrap();
        copy_dir(data, &copied);
        // Nothing is waited for: any moment is as good as any other.
        place.kill_verb(name, &copied, args, usual * round / KILLS);
        check(&copied);
    }
}

fn assert_complete(place: &Place, data: &Path) {
    let mut coordinator = place.serve(data);
    let client = coordinator.client();
    for round in 0..4 {
        for index in [0, 49] {
            let id = format!("round-{round}-{index}");
            assert_eq!(client.task(&id).state(), TaskState::Succeeded, "{id}");
        }
    }
    assert_eq!(client.task("left").state(), TaskState::Queued);
    assert_eq!(coordinator.stop(PATIENCE), 0);
    place.verb("verify", data, &[]).expect(0);
}

#[test]
fn a_rebuild_killed_anywhere_is_finished_by_the_next_start() {
    let place = Place::new();
    let data = stopped(&place);
    kill_everywhere(&place, &data, "rebuild", &[], |copied| {
        assert_complete(&place, copied)
    });
}

#[test]
fn a_verify_killed_anywhere_is_in_nobodys_way() {
    let place = Place::new();
    let data = stopped(&place);
    kill_everywhere(&place, &data, "verify", &[], |copied| {
        assert_complete(&place, copied)
    });
}

#[test]
fn a_repair_killed_anywhere_can_be_repeated() {
    let place = Place::new();
    let data = stopped(&place);
    flip(&data.join("journal/00000000000000000001.seg"), 5_000);
    kill_everywhere(&place, &data, "repair", &["--accept-loss"], |copied| {
        place.verb("repair", copied, &["--accept-loss"]).expect(0);
        assert_complete(&place, copied);
    });
}

#[test]
fn a_restore_killed_anywhere_can_be_repeated_or_is_whole() {
    let place = Place::new();
    let data = stopped(&place);
    let backup = place.path("backup");
    let args = [backup.to_str().unwrap()];
    place.verb("backup", &data, &args).expect(0);
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    kill_everywhere(&place, &empty, "restore", &args, |copied| {
        if !copied.join("journal").exists() {
            place.verb("restore", copied, &args).expect(0);
        }
        assert_complete(&place, copied);
    });
}

#[test]
fn a_backup_killed_anywhere_is_no_backup_or_a_whole_one() {
    let place = Place::new();
    let data = stopped(&place);
    let started = Instant::now();
    let undisturbed = place.path("undisturbed");
    place
        .verb("backup", &data, &[undisturbed.to_str().unwrap()])
        .expect(0);
    let usual = started.elapsed();
    let (mut whole, mut parts) = (0, 0);
    for round in 0..KILLS {
        let target = place.path(&format!("backup-{round}"));
        let target = target.to_str().unwrap();
        place.kill_verb("backup", &data, &[target], usual * round / KILLS);
        let restored = place.path(&format!("restored-{round}"));
        let ended = place.verb("restore", &restored, &[target]);
        match ended.code {
            0 => {
                whole += 1;
                assert_complete(&place, &restored);
            }
            78 => parts += 1,
            other => panic!("{other}: {}", ended.stderr),
        }
    }
    println!("{whole} whole backups, {parts} parts of one");
}
