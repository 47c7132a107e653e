use std::fs;

use super::*;
use crate::{
    records::meta::STARTED,
    store::{Batch, key},
    testing::scene::Scene,
};

fn aside(scene: &Scene) -> std::path::PathBuf {
    scene.store().with_extension("set-aside")
}

#[test]
fn a_deleted_store_is_rebuilt_and_equal() {
    let scene = Scene::with_tasks(40);
    let before = scene.contents();
    fs::remove_dir_all(scene.store()).unwrap();
    assert!(scene.contents() == before);
    assert!(!aside(&scene).exists());
}

#[test]
fn a_deleted_store_is_rebuilt_and_equal_after_a_trim() {
    let scene = Scene::with_tasks(40);
    let mut work = scene.open();
    work.snapshot_and_trim();
    work.run_tasks(20);
    drop(work);
    let before = scene.contents();
    fs::remove_dir_all(scene.store()).unwrap();
    assert!(scene.contents() == before);
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let scene = Scene::with_tasks(40);
    let mut work = scene.open();
    work.snapshot_and_trim();
    work.run_tasks(20);
    let newest = work.snapshot();
    drop(work);
    let before = scene.contents();
    let whole = fs::read(newest.path()).unwrap();
    // Beginning, middle and end.
    for at in [4, whole.len() / 2, whole.len() - 9] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(newest.path(), bytes).unwrap();
        fs::remove_dir_all(scene.store()).unwrap();
        assert!(scene.contents() == before, "damaged at {at}");
    }
}

#[test]
fn a_store_behind_the_journals_beginning_is_set_aside_and_restored() {
    let scene = Scene::with_tasks(10);
    let old = scene.beside("old-store");
    copy(&scene.store(), &old);
    let mut work = scene.open();
    work.run_tasks(40);
    work.snapshot_and_trim();
    drop(work);
    let before = scene.contents();
    fs::remove_dir_all(scene.store()).unwrap();
    fs::rename(&old, scene.store()).unwrap();
    assert!(scene.contents() == before);
    assert!(aside(&scene).exists());
    // Without a snapshot nothing is set aside, for nothing could take its place.
    fs::remove_dir_all(scene.store()).unwrap();
    fs::rename(aside(&scene), scene.store()).unwrap();
    fs::remove_dir_all(scene.path().join("snapshot")).unwrap();
    let refused = scene.try_open().err().unwrap();
    assert_eq!(refused.exit, Exit::Disk);
    assert!(scene.store().exists() && !aside(&scene).exists());
}

#[test]
fn a_store_ahead_of_the_journal_is_a_loss_that_has_to_be_accepted() {
    let scene = Scene::with_tasks(40);
    let newest = scene.segments().pop().unwrap();
    fs::remove_file(&newest).unwrap();
    let refused = scene.try_open().err().unwrap();
    assert_eq!(refused.exit, Exit::Disk);
    assert!(refused.sentence.contains("but the store has seq"), "{refused}");
    assert!(
        refused.to_string().contains("'coordinator repair --accept-loss'"),
        "{refused}"
    );
    assert!(scene.store().exists() && !aside(&scene).exists());
}

#[test]
fn a_store_of_another_history_is_set_aside_and_built_anew() {
    let scene = Scene::with_tasks(40);
    let before = scene.contents();
    let other = Scene::new();
    let mut work = other.open();
    work.start_as("second");
    work.run_tasks(10);
    drop(work);
    fs::remove_dir_all(scene.store()).unwrap();
    copy(&other.store(), &scene.store());
    assert!(scene.contents() == before);
    assert!(aside(&scene).exists());
}

#[test]
fn a_store_that_does_not_know_its_start_is_set_aside_and_built_anew() {
    let scene = Scene::with_tasks(40);
    let before = scene.contents();
    let work = scene.open();
    let mut batch = Batch::default();
    batch.remove(key::meta(STARTED));
    work.store.apply(batch, work.store.applied_seq()).unwrap();
    drop(work);
    assert!(scene.contents() == before);
    assert!(aside(&scene).exists());
}

#[test]
fn a_start_that_is_killed_while_it_restores_is_begun_again() {
    let scene = Scene::with_tasks(40);
    let mut work = scene.open();
    work.snapshot_and_trim();
    drop(work);
    let before = scene.contents();
    // Set aside, and nothing restored yet; or half of it.
    for is_half_restored in [false, true] {
        let _ = fs::remove_dir_all(aside(&scene));
        fs::rename(scene.store(), aside(&scene)).unwrap();
        if is_half_restored {
            copy(&aside(&scene), &scene.store().with_extension("restoring"));
        }
        assert!(scene.contents() == before);
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
