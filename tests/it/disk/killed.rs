//! Every verb of the coordinator, and a coordinator that trims, is killed at each step of what it does to its
//! files: the next one succeeds or says what to do, and the outcome is that of an undisturbed one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use nix::sys::signal::Signal;
use swarm_proto::v1::{CancelTasksRequest, ListTasksRequest, RetryTask, RetryTasksRequest, Task};
use tempfile::TempDir;

use crate::harness::{
    PATIENCE,
    client::{Client, shell_task},
    coordinator::Coordinator,
    copy_dir,
    disk::{Deed, Disk, Plan, Step},
    program::{Ended, Program, command, run},
    wait_until,
};

/// As a shell says it: 128 and the number of SIGKILL.
const KILLED: i32 = 137;
/// Steps of each verb, and of each part of the data, in the ordinary run; those by hand take all.
const SAMPLE: usize = 8;
/// Copies of the same call on the same file in a row, such as those that zero a segment: only the first few are
/// different moments.
const ALIKE: usize = 2;
/// Trials at a time.
const THREADS: usize = 4;
/// A retry journals the whole task: so a few tasks fill a segment, and the store stays small.
const TASKS: usize = 8;
const SPEC_BYTES: usize = 60_000;
/// In every path that a program is given here, and in no other: what is counted.
const COUNTED: &str = "data";
/// Of a data directory.
const PARTS: [&str; 3] = ["data/snapshot", "data/journal", "data/store"];

/// A data directory and what goes with it, to be copied for each trial.
struct Scene {
    dir: TempDir,
    disk: Disk,
}

impl Scene {
    /// Data with a snapshot, behind which old events were trimmed; `None` without a compiler.
    fn trimmed() -> Option<Scene> {
        let scene = Scene::with_two_segments()?;
        let mut coordinator = Coordinator::serving(&scene.root(), &["--keep-events", "1s"]);
        wait_until("old events are removed", || {
            coordinator.program().log().contains("removed old events")
        });
        for n in 0..4 {
            coordinator
                .client()
                .submit(vec![shell_task(&format!("later-{n}"), "true")]);
        }
        coordinator.kill();
        // What many retries have left in the store's files goes with the old one.
        scene
            .run(&["rebuild", "--data-dir", "data"], &scene.root(), None)
            .expect(0);
        let data = scene.root().join("data");
        fs::remove_dir_all(data.join("store.set-aside")).unwrap();
        // As a kill may leave it: behind the journal.
        copy_dir(&data.join("store"), &scene.behind());
        let mut coordinator = Coordinator::serving(&scene.root(), &[]);
        coordinator.client().submit(vec![shell_task("later-4", "true")]);
        assert_eq!(coordinator.stop(PATIENCE), 0);
        Some(scene)
    }

    /// Data whose oldest segment is full, without a snapshot.
    fn with_two_segments() -> Option<Scene> {
        let dir = tempfile::tempdir().unwrap();
        let scene = Scene {
            disk: Disk::build(dir.path())?,
            dir,
        };
        fs::create_dir(scene.root()).unwrap();
        let mut coordinator = Coordinator::serving(&scene.root(), &[]);
        fill_a_segment(&coordinator.client(), &scene.root().join("data/journal"));
        coordinator.kill();
        Some(scene)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A store that has what happened up to the damage and a little behind it.
    fn behind(&self) -> PathBuf {
        self.dir.path().join("behind")
    }

    /// Runs the coordinator with these words to its end.
    fn run(&self, words: &[&str], root: &Path, disk: Option<&Plan>) -> Ended {
        let mut command = command("coordinator", root);
        command
            .args(words)
            .current_dir(root)
            .envs(disk.map_or(&[][..], Plan::env).iter().cloned());
        run(command)
    }

    /// A directory for one trial, with what there was in the beginning.
    fn trial(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let root = dir.path().join("root");
        copy_dir(&self.root(), &root);
        (dir, root)
    }

    /// Kills this verb at one step after the other. `check` is given the place where it was killed, and has the
    /// verb do its work again; what it gives must be what it gives after an undisturbed one.
    fn kill_everywhere<T: PartialEq + Send + Sync>(
        &self,
        words: &[&str],
        most: usize,
        check: impl Fn(&Path, bool) -> T + Sync,
    ) {
        let start = Instant::now();
        let (dir, root) = self.trial();
        let plan = self.disk.count(COUNTED, &dir.path().join("steps"));
        self.run(words, &root, Some(&plan)).expect(0);
        let expected = check(&root, false);
        let steps = plan.steps();
        let chosen = chosen(&steps, most);
        let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(&number) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (dir, root) = self.trial();
                        let deed = [Deed::Kill, Deed::Tear][number % 2];
                        let plan = self
                            .disk
                            .count(COUNTED, &dir.path().join("steps"))
                            .at(number, deed);
                        let ended = self.run(words, &root, Some(&plan));
                        let at = plan.steps().pop();
                        assert!([0, KILLED].contains(&ended.code), "step {number}: {ended:?}");
                        killed.fetch_add(usize::from(ended.code == KILLED), Ordering::Relaxed);
                        println!("{deed:?} at {number}, {at:?}");
                        assert!(
                            check(&root, true) == expected,
                            "another outcome after step {number}, {at:?}"
                        );
                    }
                });
            }
        });
        let killed = killed.into_inner();
        println!(
            "{}: {} steps, {} tried, killed at {killed}, in {:?}",
            words[0],
            steps.len(),
            chosen.len(),
            start.elapsed()
        );
        // The number of steps may differ by a few: the store has a thread of its own.
        assert!(killed * 2 > chosen.len(), "hardly ever killed");
    }
}

#[test]
fn a_verb_killed_at_any_step_can_be_run_again_and_comes_to_the_same() {
    kill_all_verbs(SAMPLE);
}

/// `cargo test -p swarm-tests --test it -- --ignored --nocapture by_hand_a_verb`; it takes some minutes.
#[test]
#[ignore = "by hand: a sample of the same steps is in the ordinary run"]
fn by_hand_a_verb_killed_at_each_of_its_steps_comes_to_the_same() {
    kill_all_verbs(usize::MAX);
}

fn kill_all_verbs(most: usize) {
    let Some(scene) = Scene::trimmed() else { return };
    let run = |words: &[&str], root: &Path| scene.run(words, root, None);
    let verified = |data: &str, root: &Path| run(&["verify", "--data-dir", data], root);
    let before = image(&scene.root().join("data"));

    scene.kill_everywhere(&["verify", "--data-dir", "data"], most, |root, _| {
        let said = verified("data", root).expect(0).stdout;
        assert!(image(&root.join("data")) == before);
        said
    });

    scene.kill_everywhere(&["rebuild", "--data-dir", "data"], most, |root, _| {
        run(&["rebuild", "--data-dir", "data"], root).expect(0);
        let said = verified("data", root).expect(0).stdout;
        let data = root.join("data");
        (
            said,
            names(&data),
            image(&data.join("journal")),
            image(&data.join("snapshot")),
        )
    });

    let backup = ["backup", "--data-dir", "data", "data-backup"];
    scene.kill_everywhere(&backup, most, |root, was_killed| {
        assert!(image(&root.join("data")) == before);
        let again = run(&backup, root);
        if again.code != 0 {
            again.expect_error(3, &["there is something in data-backup"], &["does not exist"]);
        }
        let restored = run(&["restore", "--data-dir", "data-again", "data-backup"], root);
        if restored.code == 0 {
            return image(&root.join("data-backup"));
        }
        assert!(was_killed);
        restored.expect_error(78, &["is no backup, or not a whole one"], &["has made"]);
        run(&["backup", "--data-dir", "data", "data-second"], root).expect(0);
        image(&root.join("data-second"))
    });

    run(&backup, &scene.root()).expect(0);
    let backed_up = image(&scene.root().join("data-backup"));
    let restore = ["restore", "--data-dir", "data-again", "data-backup"];
    scene.kill_everywhere(&restore, most, |root, _| {
        let again = run(&restore, root);
        if again.code != 0 {
            let was_left = root.join("data-again/restoring").exists();
            let said = if was_left {
                "has restored everything"
            } else {
                "there is journal in it"
            };
            again.expect_error(3, &[said], &["empty or does not exist"]);
        }
        assert!(image(&root.join("data-backup")) == backed_up);
        run(&["rebuild", "--data-dir", "data-again"], root).expect(0);
        let said = verified("data-again", root).expect(0).stdout;
        let data = root.join("data-again");
        (
            said,
            names(&data),
            image(&data.join("journal")),
            image(&data.join("snapshot")),
        )
    });

    damage_journal(&scene.root().join("data"));
    let store = scene.root().join("data/store");
    let mut kept = Vec::new();
    for kind in ["at the journal's end", "behind it", "missing"] {
        if kind != "at the journal's end" {
            fs::remove_dir_all(&store).unwrap();
        }
        if kind == "behind it" {
            copy_dir(&scene.behind(), &store);
        }
        println!("the store is {kind}:");
        let repair = ["repair", "--accept-loss", "--data-dir", "data"];
        scene.kill_everywhere(&repair, most, |root, _| {
            run(&repair, root).expect(0);
            let verify = verified("data", root);
            if verify.code != 0 {
                verify.expect_error(74, &["store"], &["'coordinator rebuild'"]);
                run(&["rebuild", "--data-dir", "data"], root).expect(0);
            }
            let mut names_left = names(&root.join("data"));
            names_left.remove(&OsString::from("store.set-aside"));
            // A seal that was being written is written anew when the store is closed again.
            names_left.remove(&OsString::from("store.seal.tmp"));
            names_left.remove(&OsString::from("store.seal"));
            let said = verified("data", root).expect(0).stdout;
            // The store may be behind, and what it holds is as it should be there; and an old high-water file that
            // knows of less than is kept may be left. A start goes on from both.
            let of_no_account =
                |line: &&str| line.starts_with("store:") || line.contains("no high-water file");
            let said: Vec<String> = said
                .lines()
                .filter(|line| !of_no_account(line))
                .map(str::to_owned)
                .collect();
            (said, names_left, names(&root.join("data/journal")))
        });
        let (_dir, root) = scene.trial();
        let said = run(&repair, &root).expect(0).stdout;
        let (_, rest) = said.split_once("as they were at seq ").unwrap();
        kept.push(
            rest.split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap()
                .parse::<u64>()
                .unwrap(),
        );
    }
    assert!(kept[0] == kept[1] && kept[1] > kept[2], "{kept:?}");
}

/// Flips a bit in an entry behind the snapshot that has others behind it.
fn damage_journal(data: &Path) {
    let mut segments: Vec<PathBuf> = fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let newest = segments.pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let at = bytes.windows(6).position(|window| window == b"ater-2").unwrap();
    bytes[at - 1] ^= 1;
    fs::write(newest, bytes).unwrap();
}

/// A coordinator that starts, takes a snapshot and removes old events.
#[test]
fn a_coordinator_killed_at_any_step_of_snapshot_and_trim_starts_again_and_has_the_same_tasks() {
    kill_serving(SAMPLE);
}

/// `cargo test -p swarm-tests --test it -- --ignored --nocapture by_hand_a_coordinator`; it takes some minutes.
#[test]
#[ignore = "by hand: a sample of the same steps is in the ordinary run"]
fn by_hand_a_coordinator_killed_at_each_step_of_snapshot_and_trim_starts_again() {
    kill_serving(usize::MAX);
}

fn kill_serving(most: usize) {
    let Some(scene) = Scene::with_two_segments() else {
        return;
    };
    let start = Instant::now();
    let serve = |root: &Path, disk: Option<&Plan>| {
        let mut command = command("coordinator", root);
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
                "data",
                "--keep-events",
                "1s",
            ])
            .current_dir(root)
            .envs(disk.map_or(&[][..], Plan::env).iter().cloned());
        Program::start("the coordinator", command, &root.join("log"), Signal::SIGTERM)
    };
    let trims = |program: &mut Program| {
        wait_until("it ends or old events are removed", || {
            program.ended().is_some() || program.log().contains("removed old events")
        });
        program.ended().is_none()
    };
    let (dir, root) = scene.trial();
    let plan = scene.disk.count(COUNTED, &dir.path().join("steps"));
    assert!(trims(&mut serve(&root, Some(&plan))));
    let steps = plan.steps();
    let expected = tasks_of(&Coordinator::serving(&root, &[]).client());
    // Several threads write: only within one part of the data is the order always the same.
    let in_part = |part: &str| -> Vec<Step> {
        let its = steps.iter().filter(|step| step.path.contains(part));
        its.cloned().collect()
    };
    let numbers = |part| {
        chosen(&in_part(part), most)
            .into_iter()
            .map(move |number| (part, number))
    };
    let chosen: Vec<(&str, usize)> = PARTS.into_iter().flat_map(numbers).collect();
    let (next, killed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        // Most of the time is spent waiting for the upkeep, which is due once a second.
        for _ in 0..2 * THREADS {
            scope.spawn(|| {
                while let Some(&(part, number)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (dir, root) = scene.trial();
                    let deed = [Deed::Kill, Deed::Tear][number % 2];
                    let plan = scene.disk.count(part, &dir.path().join("steps")).at(number, deed);
                    let mut program = serve(&root, Some(&plan));
                    if trims(&mut program) {
                        program.kill();
                    } else {
                        assert_eq!(program.wait(PATIENCE), KILLED, "step {number}");
                        let at = plan.steps().into_iter().find(|step| step.is_hit);
                        println!("{deed:?} at {number} of {part}, {at:?}");
                        killed.lock().unwrap().push(part);
                    }
                    fs::remove_file(root.join("log")).unwrap();
                    let mut coordinator = Coordinator::serving(&root, &["--keep-events", "1s"]);
                    assert!(tasks_of(&coordinator.client()) == expected, "after step {number}");
                    wait_until("old events are gone", || {
                        let segments = names(&root.join("data/journal"));
                        !segments.contains(&OsString::from("00000000000000000001.seg"))
                    });
                    coordinator.kill();
                    scene
                        .run(&["rebuild", "--data-dir", "data"], &root, None)
                        .expect(0);
                    scene
                        .run(&["verify", "--data-dir", "data"], &root, None)
                        .expect(0);
                }
            });
        }
    });
    let killed = killed.into_inner().unwrap();
    println!(
        "serving: {} steps, {} tried, killed at {}, in {:?}",
        steps.len(),
        chosen.len(),
        killed.len(),
        start.elapsed()
    );
    assert!(PARTS.iter().all(|part| killed.contains(part)), "{killed:?}");
}

/// All tasks as people see them.
fn tasks_of(client: &Client) -> Vec<Task> {
    let listed = client.call(client.task_service().list_tasks(ListTasksRequest::default()));
    let listed = listed.unwrap().into_inner();
    assert!(listed.tasks.len() > TASKS && listed.next_page_token.is_empty());
    listed
        .tasks
        .iter()
        .map(|task| client.task(&task.task_id))
        .collect()
}

/// The numbers of the steps to be killed at: at most so many, spread over all of them, the last one among them.
fn chosen(steps: &[Step], most: usize) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    let different: Vec<usize> = (1..=steps.len())
        .filter(|&number| {
            let step = &steps[number - 1];
            let count = seen.entry((&step.call, &step.path)).or_insert(0);
            *count += 1;
            *count <= ALIKE
        })
        .collect();
    let most = most.min(different.len());
    let spread: BTreeSet<usize> = (1..=most)
        .map(|n| different[n * different.len() / most - 1])
        .collect();
    spread.into_iter().collect()
}

/// Cancels and retries until the journal has begun its second segment.
fn fill_a_segment(client: &Client, journal: &Path) {
    let ids: Vec<String> = (0..TASKS).map(|n| format!("task-{n}")).collect();
    for id in &ids {
        let line = "x".repeat(SPEC_BYTES);
        client.submit(vec![shell_task(id, &line)]);
    }
    let segments = || {
        let names = fs::read_dir(journal).unwrap().map(|item| item.unwrap().path());
        names
            .filter(|name| name.extension().is_some_and(|e| e == "seg"))
            .count()
    };
    while segments() < 2 {
        let task_ids = ids.clone();
        let mut tasks = client.task_service();
        client
            .call(tasks.cancel_tasks(CancelTasksRequest {
                task_ids: task_ids.clone(),
            }))
            .unwrap();
        let tasks_again = task_ids.into_iter().map(|task_id| RetryTask {
            task_id,
            ..Default::default()
        });
        client
            .call(tasks.retry_tasks(RetryTasksRequest {
                tasks: tasks_again.collect(),
            }))
            .unwrap();
    }
    client.submit(vec![shell_task("last", "true")]);
}

/// Every file below a directory, by its name there, but for the lock.
fn image(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(dir: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for item in fs::read_dir(dir).unwrap() {
            let item = item.unwrap();
            let name = below.join(item.file_name());
            if item.file_type().unwrap().is_dir() {
                collect(&item.path(), &name, files);
            } else if item.file_name() != "lock" {
                files.insert(name, fs::read(item.path()).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(dir, Path::new(""), &mut files);
    files
}

/// The names of what is in a directory.
fn names(dir: &Path) -> BTreeSet<OsString> {
    let items = fs::read_dir(dir).unwrap();
    items.map(|item| item.unwrap().file_name()).collect()
}
