use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use super::*;
use crate::attempt_key::AttemptKey;

/// The patience of a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bounds that no test reaches.
const MUCH: Bounds = Bounds {
    bytes: u64::MAX,
    free: Some(0),
};

fn at(path: &Path) -> Arc<Workspace> {
    bounded(path, MUCH)
}

fn bounded(path: &Path, bounds: Bounds) -> Arc<Workspace> {
    Arc::new(Workspace::new(path.to_owned(), "agent", bounds))
}

fn key(task_id: &str) -> AttemptKey {
    AttemptKey {
        task_id: task_id.to_owned(),
        attempt: 1,
    }
}

#[test]
fn each_attempt_gets_fresh_directories_even_after_a_namesake() {
    let workspace = tempfile::tempdir().unwrap();
    let first = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
    let second = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
    assert_ne!(first.work(), second.work());
    assert!(second.work().is_dir() && second.inputs().is_dir());
}

fn keep(workspace: &Arc<Workspace>, name: &str) -> Option<PathBuf> {
    let kept = AttemptDirectory::make(workspace, &key(name), false).unwrap();
    fs::write(kept.work().join("printed"), [7; 100_000]).unwrap();
    kept.close(true).unwrap()
}

fn names(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_not_kept_is_gone_and_what_is_kept_is_bounded_by_number() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    let gone = AttemptDirectory::make(&workspace, &key("a"), true).unwrap();
    assert_eq!(gone.close(false).unwrap(), None);
    for n in 0..55 {
        keep(&workspace, &format!("t{n}"));
    }
    let kept = names(&place.path().join(KEPT));
    assert_eq!(kept.len(), 50);
    assert!(!kept.contains(&"t4.1".to_owned()) && kept.contains(&"t5.1".to_owned()));
    assert_eq!(names(place.path()), [KEPT]);
}

#[test]
fn what_is_kept_is_bounded_by_bytes_also_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        bytes: 250_000,
        ..MUCH
    };
    for name in ["a", "b", "c"] {
        assert!(keep(&bounded(place.path(), bounds), name).is_some());
    }
    assert_eq!(names(&place.path().join(KEPT)), ["b.1", "c.1"]);
    // What is larger than the bound alone is not kept at all.
    let tight = Bounds {
        bytes: 50_000,
        ..MUCH
    };
    assert_eq!(keep(&bounded(place.path(), tight), "d"), None);
    assert_eq!(names(&place.path().join(KEPT)), [""; 0]);
}

#[test]
fn nothing_is_kept_of_the_space_that_stays_free() {
    let place = tempfile::tempdir().unwrap();
    let bounds = Bounds {
        free: Some(u64::MAX),
        ..MUCH
    };
    assert!(keep(&at(place.path()), "a").is_some());
    assert_eq!(keep(&bounded(place.path(), bounds), "b"), None);
    assert_eq!(names(&place.path().join(KEPT)), [""; 0]);
}

#[test]
fn on_a_full_disk_the_oldest_give_way_until_it_works() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    for name in ["a", "b", "c"] {
        keep(&workspace, name);
    }
    let kept = place.path().join(KEPT);
    let full_until_two_are_left = || match names(&kept).len() {
        2 => Ok(()),
        _ => Err(io::Error::from(ErrorKind::StorageFull)),
    };
    workspace.kept().make_room_for(full_until_two_are_left).unwrap();
    assert_eq!(names(&kept), ["b.1", "c.1"]);
    let always_full = || Err::<(), _>(io::Error::from(ErrorKind::StorageFull));
    assert!(workspace.kept().make_room_for(always_full).is_err());
    assert_eq!(names(&kept), [""; 0]);
}

#[test]
fn a_removal_that_takes_long_holds_up_nobody_who_needs_room_while_another_directory_can_go() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    for name in ["a", "b"] {
        keep(&workspace, name);
    }
    let kept = place.path().join(KEPT);
    let slow = kept.join("a.1");
    let removals = &workspace.kept().removals;
    let going = removals.begin(&slow).unwrap();
    assert!(removals.begin(&slow).is_none());
    let (tell, told) = channel();
    let (there, directory) = (Arc::clone(&workspace), kept.clone());
    let until = move |left: &'static [&str]| {
        let full_until = || match names(&directory) == left {
            true => Ok(()),
            false => Err(ErrorKind::StorageFull.into()),
        };
        there.kept().make_room_for(full_until).is_ok()
    };
    thread::spawn(move || {
        tell.send(until(&["a.1"])).unwrap();
        // Now there is nothing but what is being removed.
        tell.send(until(&[])).unwrap();
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(true));
    // Only number and bytes are bounds while a removal goes on.
    workspace.kept().trim();
    assert_eq!(names(&kept), ["a.1"]);
    fs::remove_dir_all(&slow).unwrap();
    going.end(true);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn room_that_another_removal_has_just_made_is_used() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    let only = keep(&workspace, "a").unwrap();
    let kept = workspace.kept();
    let mut going = kept.removals.begin(&only);
    let full_until_it_is_gone = || match going.take() {
        None => Ok(()),
        Some(going) => {
            // It ends after this was refused, and before anybody asks what can be removed.
            fs::remove_dir_all(&only).unwrap();
            going.end(true);
            Err(io::Error::from(ErrorKind::StorageFull))
        }
    };
    kept.make_room_for(full_until_it_is_gone).unwrap();
    assert_eq!(names(kept.directory()), [""; 0]);
}

#[test]
fn a_removal_that_breaks_off_is_not_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    let broken = keep(&workspace, "a").unwrap();
    let kept = workspace.kept();
    drop(kept.removals.begin(&broken).unwrap());
    let always_full = || Err::<(), _>(io::Error::from(ErrorKind::StorageFull));
    assert!(kept.make_room_for(always_full).is_err());
    assert_eq!(names(kept.directory()), ["a.1"]);
}

#[test]
fn a_kept_directory_is_bounded_whatever_a_task_did_with_its_marker() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    let precious = place.path().join("precious");
    fs::write(&precious, "x").unwrap();
    let marker_of = |name: &str, change: &dyn Fn(&Path)| {
        let directory = AttemptDirectory::make(&workspace, &key(name), false).unwrap();
        let marker = directory.root.join(MARKER);
        fs::remove_file(&marker).unwrap();
        change(&directory.root);
        directory.close(true).unwrap().unwrap().join(MARKER)
    };
    let link = |at: PathBuf| std::os::unix::fs::symlink(&precious, at).unwrap();
    let markers = [
        marker_of("removed", &|_| {}),
        marker_of("directory", &|root| {
            fs::create_dir_all(root.join(MARKER).join("deep")).unwrap();
        }),
        marker_of("link", &|root| link(root.join(MARKER))),
        marker_of("link-to-the-new", &|root| link(root.join(".swarm-attempt.new"))),
        marker_of("directory-at-the-new", &|root| {
            fs::create_dir_all(root.join(".swarm-attempt.new/deep")).unwrap();
        }),
    ];
    for marker in &markers {
        let text = fs::read_to_string(marker).unwrap();
        assert!(text.trim().parse::<u64>().is_ok(), "{}: {text}", marker.display());
        assert!(fs::symlink_metadata(marker).unwrap().is_file());
    }
    let none = Bounds { bytes: 0, ..MUCH };
    bounded(place.path(), none).kept().trim();
    assert_eq!(names(&place.path().join(KEPT)), [""; 0]);
    assert_eq!(fs::read_to_string(precious).unwrap(), "x");
}

#[test]
fn namesakes_are_kept_side_by_side() {
    let place = tempfile::tempdir().unwrap();
    let workspace = at(place.path());
    for name in ["a-b", "a-b", "a-b"] {
        keep(&workspace, name);
    }
    assert_eq!(names(&place.path().join(KEPT)), ["a-b.1", "a-b.1-2", "a-b.1-3"]);
    assert_eq!(without_namesake("x-y.12-3"), "x-y.12");
}

#[test]
fn leftovers_of_a_crash_are_moved_to_the_kept_ones() {
    let place = tempfile::tempdir().unwrap();
    let left = AttemptDirectory::make(&at(place.path()), &key("a"), false).unwrap();
    fs::write(left.work().join("half"), b"done").unwrap();
    drop(left);
    assert_eq!(at(place.path()).keep_leftovers(), 1);
    assert_eq!(
        fs::read(place.path().join("kept/a.1/work/half")).unwrap(),
        b"done"
    );
    assert_eq!(at(place.path()).keep_leftovers(), 0);
}

#[test]
fn what_no_agent_made_is_neither_moved_nor_removed() {
    let place = tempfile::tempdir().unwrap();
    let others = ["photos", "a.1", "kept/photos", "kept/b.1"];
    for other in others {
        fs::create_dir_all(place.path().join(other).join("work")).unwrap();
    }
    fs::create_dir(place.path().join("photos").join(MARKER)).unwrap();
    let precious = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(precious.path(), place.path().join("c.1")).unwrap();
    fs::write(precious.path().join(MARKER), "").unwrap();
    let tight = Bounds {
        bytes: 0,
        free: Some(u64::MAX),
    };
    let workspace = bounded(place.path(), tight);
    assert_eq!(workspace.keep_leftovers(), 0);
    for n in 0..55 {
        keep(&workspace, &format!("t{n}"));
    }
    for other in others {
        assert!(place.path().join(other).join("work").exists(), "{other}");
    }
    assert!(place.path().join("c.1").join(MARKER).exists());
    for name in ["a.1", "a.b.12", "a.1-2"] {
        assert!(is_attempt_name(name), "{name}");
    }
    for name in ["a", "a.", "a.1-", "a.1-2-3", ".1", "a.x", ".spare-a.1", "a b.1"] {
        assert!(!is_attempt_name(name), "{name}");
    }
}

/// Root may do anything. While this value lives, this thread has the file rights of another user.
#[cfg(target_os = "linux")]
struct Commoner(nix::unistd::Uid);

#[cfg(target_os = "linux")]
impl Commoner {
    fn owning(directories: &[&Path]) -> Commoner {
        use nix::unistd::{Uid, chown, setfsuid};
        if !Uid::effective().is_root() {
            return Commoner(Uid::effective());
        }
        let nobody = Uid::from_raw(65534);
        for directory in directories {
            chown(*directory, Some(nobody), None).unwrap();
        }
        Commoner(setfsuid(nobody))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Commoner {
    fn drop(&mut self) {
        nix::unistd::setfsuid(self.0);
    }
}

#[cfg(target_os = "linux")]
fn forbid(directory: &Path, mode: u32) {
    fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_task_forbade_itself_is_removed_and_kept_all_the_same() {
    let workspace = tempfile::tempdir().unwrap();
    let _commoner = Commoner::owning(&[workspace.path()]);
    for keep in [false, true] {
        let directory = AttemptDirectory::make(&at(workspace.path()), &key("a"), false).unwrap();
        let deep = directory.work().join("x/y");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/", deep.join("link")).unwrap();
        forbid(&deep, 0o555);
        forbid(&directory.work().join("x"), 0o000);
        forbid(&directory.root, 0o555);
        let root = directory.root.clone();
        let kept = directory.close(keep).unwrap();
        assert!(!root.exists());
        assert_eq!(kept.is_some_and(|kept| kept.exists()), keep);
    }
    let none = Bounds { bytes: 0, ..MUCH };
    bounded(workspace.path(), none).kept().trim();
    assert_eq!(fs::read_dir(workspace.path().join(KEPT)).unwrap().count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_removed_stops_nothing_else() {
    let workspace = tempfile::tempdir().unwrap();
    let kept = workspace.path().join(KEPT);
    for name in ["a", "b", "c"] {
        keep(&at(workspace.path()), name);
    }
    // As root, the files of the oldest belong to another user.
    let commoner = Commoner::owning(&[workspace.path(), &kept, &kept.join("b.1"), &kept.join("b.1/work")]);
    let theirs = if commoner.0.is_root() {
        vec!["a.1", "c.1"]
    } else {
        Vec::new()
    };
    let none = Bounds { bytes: 0, ..MUCH };
    let workspace = bounded(workspace.path(), none);
    workspace.kept().trim();
    assert_eq!(names(&kept), theirs);
    assert!(workspace.kept().make_room_for(|| Ok(())).is_ok());
}

#[test]
#[cfg(target_os = "linux")]
fn a_workspace_is_made_and_proved_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let _commoner = Commoner::owning(&[place.path()]);
    let workspace = place.path().join("new/one");
    prove(&workspace).unwrap();
    assert_eq!(fs::read_dir(&workspace).unwrap().count(), 1);
    forbid(&workspace, 0o555);
    assert_eq!(prove(&workspace).unwrap_err().kind(), ErrorKind::PermissionDenied);
}
