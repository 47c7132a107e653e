//! The data that is worked on: made once, and copied for each trial.

use std::{
    fs,
    path::{Path, PathBuf},
};

use swarm_proto::v1::{CancelTasksRequest, RetryTask, RetryTasksRequest};
use tempfile::TempDir;

use super::image::segments;
use crate::harness::{
    PATIENCE,
    client::{Client, shell_task},
    coordinator::Coordinator,
    copy_dir,
    disk::{Disk, Plan},
    program::{Ended, command, run},
    wait_until,
};

/// A retry journals the whole task: so a few tasks fill a segment, and the store stays small.
pub(super) const TASKS: usize = 8;
const SPEC_BYTES: usize = 60_000;
/// A part of every path that a program is given here, and of no other: calls with it are counted.
const COUNTED: &str = "data";

/// A data directory and what goes with it.
pub(super) struct Scene {
    dir: TempDir,
    disk: Disk,
}

/// A copy of the data for one trial.
pub(super) struct Trial<'a> {
    scene: &'a Scene,
    dir: TempDir,
    pub(super) root: PathBuf,
}

impl Scene {
    /// Data with a snapshot, behind which old events were trimmed; `None` without a compiler.
    pub(super) fn trimmed() -> Option<Scene> {
        let scene = Scene::with_two_segments()?;
        let mut coordinator = Coordinator::serving(&scene.root(), &["--keep-events", "1s"]);
        wait_until("old events are removed", || {
            coordinator.program().log().contains("removed old events")
        });
        for n in 0..4 {
            let task = shell_task(&format!("later-{n}"), "true");
            coordinator.client().submit(vec![task]);
        }
        coordinator.kill();
        // The rebuild leaves out what many retries have left in the store's files.
        verb(&["rebuild", "--data-dir", "data"], &scene.root(), None).expect(0);
        fs::remove_dir_all(scene.data().join("store.set-aside")).unwrap();
        // A kill may leave a store like this one: behind the journal.
        copy_dir(&scene.data().join("store"), &scene.behind());
        let mut coordinator = Coordinator::serving(&scene.root(), &[]);
        coordinator.client().submit(vec![shell_task("later-4", "true")]);
        assert_eq!(coordinator.stop(PATIENCE), 0);
        Some(scene)
    }

    /// Data whose oldest segment is full, without a snapshot.
    pub(super) fn with_two_segments() -> Option<Scene> {
        let dir = tempfile::tempdir().unwrap();
        let scene = Scene {
            disk: Disk::build(dir.path())?,
            dir,
        };
        fs::create_dir(scene.root()).unwrap();
        let mut coordinator = Coordinator::serving(&scene.root(), &[]);
        fill_a_segment(&coordinator.client(), &scene.data().join("journal"));
        coordinator.kill();
        Some(scene)
    }

    /// The directory in which verbs run; the data directory is in it.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// A store that has what happened up to the damage and a little behind it.
    pub(super) fn behind(&self) -> PathBuf {
        self.dir.path().join("behind")
    }

    /// A directory for one trial, with what there was in the beginning.
    pub(super) fn trial(&self) -> Trial<'_> {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let root = dir.path().join("root");
        copy_dir(&self.root(), &root);
        Trial {
            scene: self,
            dir,
            root,
        }
    }
}

impl Trial<'_> {
    /// Counts what is done to its data.
    pub(super) fn count(&self) -> Plan {
        self.count_in(COUNTED)
    }

    /// Counts what is done to this part of its data.
    pub(super) fn count_in(&self, part: &str) -> Plan {
        self.scene.disk.count(part, &self.dir.path().join("steps"))
    }
}

/// Runs the coordinator with these words to its end.
pub(super) fn verb(words: &[&str], root: &Path, disk: Option<&Plan>) -> Ended {
    let mut command = command("coordinator", root);
    command
        .args(words)
        .current_dir(root)
        .envs(disk.map_or(&[][..], Plan::env).iter().cloned());
    run(command)
}

/// Cancels and retries until the journal has begun its second segment.
fn fill_a_segment(client: &Client, journal: &Path) {
    let ids: Vec<String> = (0..TASKS).map(|n| format!("task-{n}")).collect();
    for id in &ids {
        let line = "x".repeat(SPEC_BYTES);
        client.submit(vec![shell_task(id, &line)]);
    }
    let mut tasks = client.task_service();
    while segments(journal).len() < 2 {
        let task_ids = ids.clone();
        let cancels = CancelTasksRequest { task_ids };
        client.call(tasks.cancel_tasks(cancels)).unwrap();
        let again = ids.iter().map(|id| RetryTask {
            task_id: id.clone(),
            ..Default::default()
        });
        let retries = RetryTasksRequest {
            tasks: again.collect(),
        };
        client.call(tasks.retry_tasks(retries)).unwrap();
    }
    client.submit(vec![shell_task("last", "true")]);
}
