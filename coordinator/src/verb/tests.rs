//! The verbs on real directories, of which every byte is compared.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use swarm_program::exit::Exit;

use super::*;
use crate::{
    journal::Live,
    records::{LAYOUT, agent, task::key},
    store::{Batch, Store},
    testing::scene::{Contents, Scene, Work},
};

/// Every file below a directory, but for the lock.
fn image(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for item in fs::read_dir(dir).unwrap() {
        let item = item.unwrap();
        if item.file_type().unwrap().is_dir() {
            files.extend(image(&item.path()));
        } else if item.file_name() != "lock" {
            files.insert(item.path(), fs::read(item.path()).unwrap());
        }
    }
    files
}

fn verify(scene: &Scene) -> Result<(), Failure> {
    let data = scene.path().into();
    Verb::Verify(verify::Verify { data }).run()
}

fn rebuild(scene: &Scene) -> Result<(), Failure> {
    let data = scene.path().into();
    Verb::Rebuild(rebuild::Rebuild { data }).run()
}

fn repair(scene: &Scene, accept_loss: bool) -> Result<(), Failure> {
    let data = scene.path().into();
    Verb::Repair(repair::Repair {
        data,
        accept_loss,
        set_time_back: false,
    })
    .run()
}

/// Repairs, after a try that must change nothing; the store's contents and the last seq.
fn repaired(scene: &Scene) -> (Contents, u64) {
    assert_eq!(scene.try_open().err().unwrap().exit, Exit::Disk);
    let before = image(&scene.path().join("journal"));
    let refused = repair(scene, false).unwrap_err();
    assert_eq!(refused.exit, Exit::Disk);
    assert!(refused.to_string().contains("--accept-loss"), "{refused}");
    assert!(image(&scene.path().join("journal")) == before);
    repair(scene, true).unwrap();
    verify(scene).unwrap();
    let contents = scene.contents();
    // It is a whole journal that goes on, and there is nothing more to repair.
    scene.open().run_tasks(5);
    repair(scene, false).unwrap();
    verify(scene).unwrap();
    contents
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn with_snapshot(scene: &Scene) -> Work {
    let mut work = scene.open();
    work.snapshot_and_trim();
    work.run_tasks(20);
    work
}

#[test]
fn what_is_whole_is_verified_and_nothing_is_changed() {
    let scene = Scene::with_tasks(40);
    for is_trimmed in [false, true] {
        if is_trimmed {
            drop(with_snapshot(&scene));
        }
        let before = image(&scene.path());
        verify(&scene).unwrap();
        assert!(image(&scene.path()) == before);
    }
}

#[test]
fn a_store_that_differs_is_named_record_by_record_and_rebuilt() {
    let scene = Scene::with_tasks(40);
    drop(with_snapshot(&scene));
    let expected = scene.contents();
    {
        let store = Store::open(&scene.store(), &LAYOUT).unwrap();
        let done: Vec<Vec<u8>> = store.keys(key::DONE).unwrap();
        let value = store.get(&done[1]).unwrap().unwrap();
        let mut batch = Batch::default();
        batch.put(done[0].clone(), value);
        batch.remove(done[1].clone());
        batch.put(key::live(9_999), b"x".to_vec());
        store.apply(batch, store.applied_seq()).unwrap();
        store.flush().unwrap();
    }
    let before = image(&scene.path());
    let refused = verify(&scene).unwrap_err();
    assert!(image(&scene.path()) == before);
    assert_eq!(refused.exit, Exit::Disk);
    // An unreadable live task is met before the comparison.
    assert!(refused.sentence.contains("task"), "{refused}");
    {
        let store = Store::open(&scene.store(), &LAYOUT).unwrap();
        let mut batch = Batch::default();
        batch.remove(key::live(9_999));
        batch.put(
            agent::key("nobody"),
            store.get(&agent::key("agent")).unwrap().unwrap(),
        );
        store.apply(batch, store.applied_seq()).unwrap();
        store.flush().unwrap();
    }
    let refused = verify(&scene).unwrap_err();
    for part in [
        "is different",
        "is missing",
        "agent/nobody should not be there",
        "the store is not what the journal says",
    ] {
        assert!(refused.sentence.contains(part), "{part}: {refused}");
    }
    assert!(refused.to_string().contains("coordinator rebuild"), "{refused}");
    rebuild(&scene).unwrap();
    verify(&scene).unwrap();
    assert!(scene.contents() == expected);
    assert!(scene.store().with_extension("set-aside").exists());
}

#[test]
fn a_damaged_journal_or_snapshot_is_not_verified() {
    let scene = Scene::with_tasks(40);
    drop(with_snapshot(&scene));
    let damaged = [
        scene.segments()[0].clone(),
        fs::read_dir(scene.path().join("snapshot"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path(),
    ];
    for file in damaged {
        flip(&file, 400);
        let refused = verify(&scene).unwrap_err();
        assert_eq!(refused.exit, Exit::Disk);
        assert!(
            refused.sentence.contains(&file.display().to_string()),
            "{refused}"
        );
        flip(&file, 400);
    }
    verify(&scene).unwrap();
}

#[test]
fn nothing_is_rebuilt_that_the_journal_does_not_have() {
    let scene = Scene::with_tasks(40);
    drop(with_snapshot(&scene));
    // Ahead of the journal: that is a loss, and the store its only witness.
    let newest = scene.segments().pop().unwrap();
    fs::rename(&newest, scene.beside("newest")).unwrap();
    assert!(
        rebuild(&scene)
            .unwrap_err()
            .sentence
            .contains("the store has seq")
    );
    fs::rename(scene.beside("newest"), &newest).unwrap();
    // No snapshot: the store is all there is.
    fs::rename(scene.path().join("snapshot"), scene.beside("snapshot")).unwrap();
    assert!(
        rebuild(&scene)
            .unwrap_err()
            .sentence
            .contains("the store is all there is")
    );
    assert!(scene.store().exists() && !scene.store().with_extension("set-aside").exists());
    fs::rename(scene.beside("snapshot"), scene.path().join("snapshot")).unwrap();
    rebuild(&scene).unwrap();
}

#[test]
fn no_task_is_lost_with_a_damaged_journal_when_the_store_is_whole() {
    let scene = Scene::with_tasks(40);
    let count = scene.segments().len();
    assert!(count > 3);
    for index in [0, 2, count - 1] {
        let scene = Scene::with_tasks(40);
        let before = scene.contents();
        flip(&scene.segments()[index], 500);
        assert!(repaired(&scene) == before, "segment {index}");
    }
}

#[test]
fn no_task_is_lost_with_a_missing_segment_when_the_store_is_whole() {
    let count = Scene::with_tasks(40).segments().len();
    for index in [1, count - 1] {
        let scene = Scene::with_tasks(40);
        let before = scene.contents();
        fs::remove_file(&scene.segments()[index]).unwrap();
        assert!(repaired(&scene) == before, "segment {index}");
    }
    let scene = Scene::with_tasks(40);
    let before = scene.contents();
    fs::remove_dir_all(scene.path().join("journal")).unwrap();
    repair(&scene, true).unwrap();
    assert!(scene.contents() == before);
}

#[test]
fn without_a_store_the_beginning_is_kept_or_what_the_snapshot_has() {
    // Damage behind the snapshot: the beginning is kept, up to the damage.
    let scene = Scene::with_tasks(40);
    drop(with_snapshot(&scene));
    let (_, last) = scene.contents();
    let segments = scene.segments();
    flip(&segments[segments.len() - 2], 500);
    fs::remove_dir_all(scene.store()).unwrap();
    let (_, kept) = repaired(&scene);
    let snapshot = crate::snapshot::list(&scene.path().join("snapshot")).unwrap()[0];
    assert!(snapshot < kept && kept < last, "{snapshot} {kept} {last}");

    // Nothing of the journal follows on the snapshot: the snapshot is kept.
    let scene = Scene::with_tasks(40);
    let mut work = scene.open();
    let snapshot = work.snapshot().origin().seq;
    work.run_tasks(40);
    drop(work);
    fs::remove_dir_all(scene.store()).unwrap();
    for segment in &scene.segments()[1..] {
        fs::remove_file(segment).unwrap();
    }
    let (_, kept) = repaired(&scene);
    assert_eq!(kept, snapshot);

    // Neither store nor snapshot.
    let scene = Scene::with_tasks(40);
    fs::remove_dir_all(scene.store()).unwrap();
    flip(&scene.segments()[2], 500);
    let (_, kept) = repaired(&scene);
    assert!(kept > 10 && kept < 120, "{kept}");
}

/// Where the entries of a segment stand, and the first seq of each.
fn entries(segment: &Path) -> Vec<(usize, u64)> {
    let bytes = fs::read(segment).unwrap();
    let places = (0..bytes.len())
        .step_by(8)
        .filter(|&at| bytes[at..].starts_with(b"SWJE"));
    places
        .map(|at| {
            (
                at,
                u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap()),
            )
        })
        .collect()
}

/// With a newest segment that has room for some tasks more.
fn with_young_segment() -> Scene {
    let scene = Scene::with_tasks(10);
    let mut work = scene.open();
    let before = scene.segments().len();
    while scene.segments().len() == before {
        work.run_tasks(1);
    }
    work.run_tasks(1);
    drop(work);
    scene
}

#[test]
fn everything_up_to_the_damage_is_kept_and_what_is_lost_is_named_by_seqs_and_offsets() {
    let scene = with_young_segment();
    let newest = scene.segments().pop().unwrap();
    let entries = entries(&newest);
    let (_, last) = scene.contents();
    fs::remove_dir_all(scene.store()).unwrap();
    for damaged in 1..entries.len() - 1 {
        let copy = Scene::new();
        crate::machine::disk::copy_directory(&scene.path(), &copy.path()).unwrap();
        let newest = copy.segments().pop().unwrap();
        let ((offset, first), (next, follows)) = (entries[damaged], entries[damaged + 1]);
        flip(&newest, offset + 50);
        let refused = repair(&copy, false).unwrap_err();
        for part in [
            format!("the tasks are kept as they were at seq {}", first - 1),
            format!(
                "what happened from seq {first} (offset {offset} of {})",
                newest.display()
            ),
            format!("to at least {last} is lost"),
            format!(
                "the entries from offset {next} on, with seq {follows} to {last}, are intact and cannot be kept"
            ),
        ] {
            assert!(refused.sentence.contains(&part), "{part}: {refused}");
        }
        let before = fs::read(&newest).unwrap();
        let (_, kept) = repaired(&copy);
        assert_eq!(kept, first - 1);
        let after = fs::read(&newest).unwrap();
        assert!(after[..offset] == before[..offset]);
    }
}

#[test]
fn what_stands_behind_damage_that_the_store_bridges_is_kept() {
    let scene = with_young_segment();
    let segments = scene.segments();
    // The store as a kill may leave it: behind the journal, and ahead of the damage.
    let behind = scene.beside("store");
    crate::machine::disk::copy_directory(&scene.store(), &behind).unwrap();
    scene.open().run_tasks(1);
    assert_eq!(scene.segments(), segments);
    let before = scene.contents();
    let lagging = || {
        fs::remove_dir_all(scene.store()).unwrap();
        crate::machine::disk::copy_directory(&behind, &scene.store()).unwrap();
    };
    lagging();
    let known = Store::open(&scene.store(), &LAYOUT).unwrap().applied_seq();
    assert!(known + 1 < before.1);
    let newest = segments.last().unwrap();
    let (offset, damaged) = entries(newest)[1];
    assert!(damaged <= known);
    flip(newest, offset + 50);
    assert!(repaired(&scene) == before);
}

#[test]
fn what_the_high_water_file_knows_is_said_to_be_lost() {
    let scene = Scene::with_tasks(40);
    let work = scene.open();
    work.journal.upkeep().write_high_water().unwrap();
    let last = work.journal.last_seq();
    drop(work);
    fs::remove_dir_all(scene.store()).unwrap();
    fs::remove_file(scene.segments().last().unwrap()).unwrap();
    let refused = repair(&scene, false).unwrap_err();
    assert!(
        refused.sentence.contains(&format!("to at least {last} is lost")),
        "{refused}"
    );
    repaired(&scene);
}

#[test]
fn every_cut_and_flip_near_the_end_is_repaired_or_needs_no_repair() {
    let whole = Scene::with_tasks(20);
    drop(whole.open());
    let newest = whole.segments().pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    let (mut cut, mut fine) = (0, 0);
    for at in (0..end + 200).step_by(37) {
        for is_cut in [false, true] {
            let mut damaged = bytes.clone();
            if is_cut {
                damaged.truncate(at);
            } else {
                damaged[at] ^= 4;
            }
            fs::write(&newest, damaged).unwrap();
            match whole.try_open() {
                Ok(_) => fine += 1,
                Err(_) => {
                    let scene = Scene::with_tasks(20);
                    let before = scene.contents();
                    let newest = scene.segments().pop().unwrap();
                    let mut bytes = fs::read(&newest).unwrap();
                    if is_cut {
                        bytes.truncate(at);
                    } else {
                        bytes[at] ^= 4;
                    }
                    fs::write(&newest, bytes).unwrap();
                    if scene.try_open().is_ok() {
                        continue;
                    }
                    repair(&scene, true).unwrap();
                    assert!(scene.contents() == before, "{at} {is_cut}");
                    cut += 1;
                }
            }
        }
    }
    println!("{cut} repaired, {fine} opened");
    assert!(cut > 50);
}

#[test]
fn a_copy_is_begun_again_when_segments_are_removed_meanwhile() {
    let scene = Scene::with_tasks(40);
    let mut work = scene.open();
    let live = Live::look(&scene.path().join("journal")).unwrap();
    assert_eq!(
        live.copy(&scene.beside("one")).unwrap(),
        Some(work.journal.last_seq())
    );
    work.run_tasks(5);
    work.snapshot_and_trim();
    assert!(live.has_been_trimmed());
    assert_eq!(live.copy(&scene.beside("two")).unwrap(), None);
}

#[test]
fn what_is_only_being_written_is_left_out_of_a_copy_and_damage_is_not() {
    let scene = Scene::with_tasks(40);
    let (_, last) = scene.contents();
    let newest = scene.segments().pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap();
    // The last entry is there in part.
    let mut bytes = whole.clone();
    bytes[end - 5..].fill(0);
    fs::write(&newest, bytes).unwrap();
    let live = Live::look(&scene.path().join("journal")).unwrap();
    let copied = live.copy(&scene.beside("one")).unwrap().unwrap();
    assert!(copied < last && copied + 3 > last, "{copied} of {last}");
    // An earlier one is damaged.
    fs::write(&newest, whole).unwrap();
    flip(&newest, 100);
    let refused = live.copy(&scene.beside("two")).unwrap_err();
    assert!(refused.to_string().contains("is intact"), "{refused}");
}

#[test]
fn a_directory_without_data_is_left_alone() {
    let scene = Scene::new();
    for refused in [verify(&scene), rebuild(&scene), repair(&scene, true)] {
        assert_eq!(refused.unwrap_err().exit, Exit::Configuration);
    }
    assert!(!scene.path().exists());
}
