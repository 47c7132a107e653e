//! Every verb, killed at each of its steps.

use std::{ffi::OsString, fs, path::Path};

use super::{
    SAMPLE,
    image::{image, names, segments},
    scene::{Scene, verb},
    steps::kill_everywhere,
};
use crate::harness::{copy_dir, program::Ended};

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
    kill_verify(&scene, most);
    kill_rebuild(&scene, most);
    kill_backup(&scene, most);
    kill_restore(&scene, most);
    kill_repair(&scene, most);
}

fn run(words: &[&str], root: &Path) -> Ended {
    verb(words, root, None)
}

/// Runs the verb that checks a data directory.
fn verified(data: &str, root: &Path) -> Ended {
    run(&["verify", "--data-dir", data], root)
}

/// Checks a data directory, and gives everything of it that must be the same.
fn whole(name: &str, root: &Path) -> impl PartialEq + Send + Sync + use<> {
    let said = verified(name, root).expect(0).stdout;
    let data = root.join(name);
    (
        said,
        names(&data),
        image(&data.join("journal")),
        image(&data.join("snapshot")),
    )
}

fn kill_verify(scene: &Scene, most: usize) {
    let before = image(&scene.data());
    kill_everywhere(scene, &["verify", "--data-dir", "data"], most, |root, _| {
        let said = verified("data", root).expect(0).stdout;
        assert!(image(&root.join("data")) == before);
        said
    });
}

fn kill_rebuild(scene: &Scene, most: usize) {
    let rebuild = ["rebuild", "--data-dir", "data"];
    kill_everywhere(scene, &rebuild, most, |root, _| {
        run(&rebuild, root).expect(0);
        whole("data", root)
    });
}

const BACKUP: [&str; 4] = ["backup", "--data-dir", "data", "data-backup"];

fn kill_backup(scene: &Scene, most: usize) {
    let before = image(&scene.data());
    kill_everywhere(scene, &BACKUP, most, |root, was_killed| {
        assert!(image(&root.join("data")) == before);
        let again = run(&BACKUP, root);
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
}

/// Leaves a backup beside the data.
fn kill_restore(scene: &Scene, most: usize) {
    run(&BACKUP, &scene.root()).expect(0);
    let backed_up = image(&scene.root().join("data-backup"));
    let restore = ["restore", "--data-dir", "data-again", "data-backup"];
    kill_everywhere(scene, &restore, most, |root, _| {
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
        whole("data-again", root)
    });
}

/// Damages the data.
fn kill_repair(scene: &Scene, most: usize) {
    damage_journal(&scene.data());
    let store = scene.data().join("store");
    let repair = ["repair", "--accept-loss", "--data-dir", "data"];
    let mut kept = Vec::new();
    for kind in ["at the journal's end", "behind it", "missing"] {
        if kind != "at the journal's end" {
            fs::remove_dir_all(&store).unwrap();
        }
        if kind == "behind it" {
            copy_dir(&scene.behind(), &store);
        }
        println!("the store is {kind}:");
        kill_everywhere(scene, &repair, most, |root, _| {
            run(&repair, root).expect(0);
            repaired(root)
        });
        let trial = scene.trial();
        let said = run(&repair, &trial.root).expect(0).stdout;
        kept.push(kept_seq(&said));
    }
    assert!(kept[0] == kept[1] && kept[1] > kept[2], "{kept:?}");
}

/// Checks a repaired data directory, after a rebuild if it needs one; gives everything that must be the same.
fn repaired(root: &Path) -> impl PartialEq + Send + Sync + use<> {
    let verify = verified("data", root);
    // Without a store the data are whole, too: the next start builds it.
    let needs_rebuild = verify.code != 0 || !root.join("data/store").exists();
    if verify.code != 0 {
        verify.expect_error(74, &["store"], &["'coordinator rebuild'"]);
    }
    if needs_rebuild {
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
    let of_no_account = |line: &&str| line.starts_with("store:") || line.contains("no high-water file");
    let said: Vec<String> = said
        .lines()
        .filter(|line| !of_no_account(line))
        .map(str::to_owned)
        .collect();
    (said, names_left, names(&root.join("data/journal")))
}

/// The seq up to which a repair says that it has kept the events.
fn kept_seq(said: &str) -> u64 {
    let (_, rest) = said.split_once("as they were at seq ").unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap()
}

/// Flips a bit in an entry behind the snapshot that has others behind it.
fn damage_journal(data: &Path) {
    let newest = segments(&data.join("journal")).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let at = bytes.windows(6).position(|window| window == b"ater-2").unwrap();
    bytes[at - 1] ^= 1;
    fs::write(newest, bytes).unwrap();
}
