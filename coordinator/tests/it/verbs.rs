//! The operator's verbs as processes, beside a running coordinator and killed anywhere.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use swarm_proto::{reason::Reason, v1::TaskState};
use tempfile::TempDir;

use crate::{
    client::{Client, reason},
    program::{Coordinator, command, verb},
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

    fn serve(&self, data: &str) -> Coordinator {
        Coordinator::serve(&self.path(data), &self.path("log"), &[])
    }
}

fn ok(verb_name: &str, data: &Path, args: &[&str]) -> String {
    let output = verb(verb_name, data, args);
    assert!(
        output.status.success(),
        "{verb_name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn run_tasks(client: &Client, prefix: &str, count: usize) {
    let session = client.register(BTreeMap::new()).unwrap();
    client
        .submit((0..count).map(|index| format!("{prefix}-{index}")))
        .unwrap();
    loop {
        let leases = client.claim(session, 100).unwrap();
        if leases.is_empty() {
            return;
        }
        for lease in leases {
            client.complete(&lease, 5_000).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn a_backup_of_a_running_coordinator_has_everything_that_was_acknowledged_before_it() {
    let place = Place::new();
    let coordinator = place.serve("data");
    run_tasks(&coordinator.client(), "early", 100);
    let (history, seq) = coordinator.client().position();
    let backups = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let client = coordinator.client();
            for round in 0..60 {
                run_tasks(&client, &format!("round-{round}"), 40);
            }
        });
        let mut backups = 0;
        while !writer.is_finished() {
            let target = place.path(&format!("backup-{backups}"));
            ok("backup", &place.path("data"), &[target.to_str().unwrap()]);
            backups += 1;
        }
        backups
    });
    assert!(backups > 1, "no backup was taken in time");
    coordinator.stop();
    for backup in [0, backups - 1] {
        let (source, data) = (
            place.path(&format!("backup-{backup}")),
            place.path(&format!("restored-{backup}")),
        );
        ok("restore", &data, &[source.to_str().unwrap()]);
        let restored = place.serve(&format!("restored-{backup}"));
        let client = restored.client();
        for index in 0..100 {
            let state = client.state(&format!("early-{index}")).unwrap();
            assert_eq!(state, TaskState::Succeeded, "early-{index}");
        }
        let (new_history, new_seq) = client.position();
        assert!(new_history != history && new_seq > seq);
        let answer = client.event(&history, seq);
        assert_eq!(reason(&answer), Some(Reason::HistoryChanged));
        assert_eq!(client.event(&new_history, seq).unwrap(), seq);
        restored.stop();
        // The same history from now on.
        let restored = place.serve(&format!("restored-{backup}"));
        assert_eq!(restored.client().position().0, new_history);
        restored.kill();
        assert!(ok("verify", &data, &[]).contains("each as the journal says"));
    }
}

#[test]
fn verbs_refuse_a_directory_in_use_and_one_that_is_not_theirs() {
    let place = Place::new();
    let coordinator = place.serve("data");
    run_tasks(&coordinator.client(), "task", 10);
    let data = place.path("data");
    for name in ["verify", "rebuild", "repair"] {
        let output = verb(name, &data, &[]);
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("in use"));
        let output = verb(name, &place.path("nothing"), &[]);
        assert_eq!(output.status.code(), Some(78), "{name}");
    }
    let backup = place.path("backup");
    let target = backup.to_str().unwrap();
    ok("backup", &data, &[target]);
    // Not over something.
    assert_eq!(verb("backup", &data, &[target]).status.code(), Some(3));
    assert_eq!(verb("restore", &data, &[target]).status.code(), Some(3));
    // Not half of one.
    fs::remove_file(backup.join("backup")).unwrap();
    assert_eq!(
        verb("restore", &place.path("other"), &[target]).status.code(),
        Some(78)
    );
    coordinator.stop();
    for name in ["verify", "rebuild", "repair", "backup", "restore"] {
        let help = command().args([name, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(
            help.contains(&format!("  coordinator {name} --data-dir")),
            "{help}"
        );
    }
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let place = Place::new();
    let coordinator = place.serve("data");
    run_tasks(&coordinator.client(), "task", 100);
    coordinator.stop();
    let backup = place.path("backup");
    let target = backup.to_str().unwrap();
    ok("backup", &place.path("data"), &[target]);
    let segment = backup.join("journal/00000000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[2_000] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let output = verb("restore", &place.path("restored"), &[target]);
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the backup is damaged"));
    // And what is left of the try is no empty coordinator.
    let output = command()
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(place.path("restored"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not finish"));
}

/// Data with a snapshot's worth of tasks, stopped in order.
fn stopped(place: &Place) -> PathBuf {
    let coordinator = place.serve("data");
    for round in 0..4 {
        run_tasks(&coordinator.client(), &format!("round-{round}"), 50);
    }
    coordinator.client().submit(["left".to_owned()]).unwrap();
    coordinator.stop();
    place.path("data")
}

/// Runs a verb again and again on copies, killed at another moment each time, and then to its end.
fn kill_everywhere(place: &Place, data: &Path, name: &str, args: &[&str], check: impl Fn(&Path)) {
    let copied = place.path("copied");
    let started = Instant::now();
    copy(data, &copied);
    ok(name, &copied, args);
    let usual = started.elapsed();
    for round in 0..KILLS {
        fs::remove_dir_all(&copied).unwrap();
        copy(data, &copied);
        let mut child = command()
            .arg(name)
            .args(args)
            .arg("--data-dir")
            .arg(&copied)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_some_time(usual * round / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        check(&copied);
    }
}

/// Not a wait for anything: any moment is as good as any other.
fn wait_some_time(time: Duration) {
    thread::sleep(time);
}

fn assert_complete(place: &Place, data: &Path) {
    let coordinator = Coordinator::serve(data, &place.path("log"), &[]);
    let client = coordinator.client();
    for round in 0..4 {
        for index in [0, 49] {
            let id = format!("round-{round}-{index}");
            assert_eq!(client.state(&id).unwrap(), TaskState::Succeeded, "{id}");
        }
    }
    assert_eq!(client.state("left").unwrap(), TaskState::Queued);
    coordinator.stop();
    ok("verify", data, &[]);
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
    let segment = data.join("journal/00000000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&segment, bytes).unwrap();
    kill_everywhere(&place, &data, "repair", &["--accept-loss"], |copied| {
        ok("repair", copied, &["--accept-loss"]);
        assert_complete(&place, copied);
    });
}

#[test]
fn a_restore_killed_anywhere_can_be_repeated_or_is_whole() {
    let place = Place::new();
    let data = stopped(&place);
    let backup = place.path("backup");
    ok("backup", &data, &[backup.to_str().unwrap()]);
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    let args = [backup.to_str().unwrap()];
    kill_everywhere(&place, &empty, "restore", &args, |copied| {
        if !copied.join("journal").exists() {
            ok("restore", copied, &args);
        }
        assert_complete(&place, copied);
    });
}

#[test]
fn a_backup_killed_anywhere_is_no_backup_or_a_whole_one() {
    let place = Place::new();
    let data = stopped(&place);
    let (mut whole, mut parts) = (0, 0);
    for round in 0..KILLS {
        let target = place.path(&format!("backup-{round}"));
        let mut child = command()
            .arg("backup")
            .arg(&target)
            .arg("--data-dir")
            .arg(&data)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_some_time(Duration::from_millis(u64::from(round) * 6));
        child.kill().unwrap();
        child.wait().unwrap();
        let restored = place.path(&format!("restored-{round}"));
        let output = verb("restore", &restored, &[target.to_str().unwrap()]);
        match output.status.code() {
            Some(0) => {
                whole += 1;
                assert_complete(&place, &restored);
            }
            Some(78) => parts += 1,
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    println!("{whole} whole backups, {parts} parts of one");
}
