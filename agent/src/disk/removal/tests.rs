use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::fs::{fchmod, mkdirat};

use super::*;

/// A directory in memory, where there is one: on a slow disk each directory takes milliseconds.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    place.unwrap()
}

fn deep(top: &Path, levels: usize) {
    fs::create_dir(top).unwrap();
    let mut directory = OwnedFd::from(File::open(top).unwrap());
    for _ in 0..levels {
        mkdirat(&directory, "d", Mode::RWXU).unwrap();
        directory = openat(&directory, "d", DIRECTORY, Mode::empty()).unwrap();
    }
    openat(&directory, "file", NEW_FILE, Mode::RUSR).unwrap();
}

/// A bind mount, for as long as this lives.
struct Bind<'a>(&'a Path);

impl Bind<'_> {
    /// `None`, with a line that says so, where mounting is not permitted.
    fn mount<'a>(what: &Path, place: &'a Path) -> Option<Bind<'a>> {
        let mounted = Command::new("mount").arg("--bind").arg(what).arg(place).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Bind(place)),
            other => {
                println!("SKIPPED: cannot mount: {other:?}");
                None
            }
        }
    }
}

impl Drop for Bind<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn thirty_thousand_levels_are_removed_with_few_open_directories() {
    let place = place();
    let top = place.path().join("top");
    deep(&top, 30_000);
    remove_tree(&top).unwrap();
    assert!(!top.exists());
    remove_tree(&top).unwrap();
}

#[test]
fn wide_trees_with_deep_branches_are_removed() {
    let place = place();
    let top = place.path().join("top");
    fs::create_dir(&top).unwrap();
    for n in 0..20 {
        deep(&top.join(n.to_string()), 2 * MAX_OPEN);
    }
    for n in 0..2000 {
        fs::write(top.join(format!("file{n}")), "").unwrap();
    }
    remove_tree(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn links_are_removed_and_never_followed() {
    let place = place();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("x"), "").unwrap();
    let top = place.path().join("top");
    fs::create_dir_all(top.join("a")).unwrap();
    symlink(&precious, top.join("a/link")).unwrap();
    remove_tree(&top).unwrap();
    symlink(&precious, &top).unwrap();
    remove_tree(&top).unwrap();
    assert!(precious.join("x").exists() && !top.exists());
}

#[test]
fn what_is_mounted_is_left_and_named_and_all_else_is_removed() {
    let place = place();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("x"), "").unwrap();
    let top = place.path().join("top");
    let mounted = top.join("a/m");
    fs::create_dir_all(&mounted).unwrap();
    fs::write(top.join(MARKER), "").unwrap();
    fs::write(top.join("a/file"), "").unwrap();
    {
        let Some(_bind) = Bind::mount(&precious, &mounted) else {
            return;
        };
        let left = remove_tree(&top).unwrap_err().to_string();
        assert!(
            left.contains("top/a/m\" is left: something is mounted there"),
            "{left}"
        );
        assert!(precious.join("x").exists());
        assert!(!top.join("a/file").exists() && top.join(MARKER).exists());
        // The same where `openat2` is missing.
        let parent = File::open(top.join("a")).unwrap();
        let found = below::find_by_mount(parent.as_fd(), c"m");
        assert_eq!(found.err(), Some(Errno::XDEV));
        let parent = File::open(place.path()).unwrap();
        assert!(below::find_by_mount(parent.as_fd(), c"precious").is_ok());
    }
    remove_tree(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn of_a_mounted_file_nothing_is_asked() {
    let place = place();
    let (precious, mounted) = (place.path().join("precious"), place.path().join("m"));
    fs::write(&precious, "x").unwrap();
    fs::write(&mounted, "").unwrap();
    std::os::unix::fs::symlink("nowhere", place.path().join("link")).unwrap();
    let Some(_bind) = Bind::mount(&precious, &mounted) else {
        return;
    };
    let parent = File::open(place.path()).unwrap();
    let stat = |name: &CStr| below::stat_below(parent.as_fd(), name);
    assert_eq!(stat(c"m").err(), Some(Errno::XDEV));
    assert_eq!(stat(c"precious").unwrap().st_size, 1);
    assert!(stat(c"link").is_ok());
}

#[test]
fn directories_that_are_swapped_for_links_meanwhile_lead_nowhere() {
    let place = place();
    let precious = place.path().join("precious");
    fs::create_dir(&precious).unwrap();
    for n in 0..10 {
        fs::write(precious.join(n.to_string()), "").unwrap();
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Somebody who has the names swaps them without pause.
            while !is_over.load(Ordering::Relaxed) {
                for n in 0..20 {
                    let victim = place.path().join(format!("top/{n}"));
                    if fs::rename(&victim, place.path().join("aside")).is_ok() {
                        let _ = symlink(&precious, &victim);
                        let _ = fs::remove_dir_all(place.path().join("aside"));
                    }
                }
            }
        });
        for _ in 0..50 {
            for n in 0..20 {
                let _ = fs::create_dir_all(place.path().join(format!("top/{n}/x/y")));
            }
            // What is made meanwhile may be left.
            let _ = remove_tree(&place.path().join("top"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for n in 0..10 {
        assert!(precious.join(n.to_string()).exists(), "{n}");
    }
}

#[test]
fn an_inner_directory_that_was_moved_away_ends_the_removal() {
    let place = place();
    let (top, elsewhere) = (place.path().join("top"), place.path().join("elsewhere"));
    deep(&top, 2 * MAX_OPEN);
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("x"), "").unwrap();
    let mut left = Left::default();
    let mut removal = Removal::new(&top, &mut left);
    let (_, name) = begin(&top).unwrap();
    let opened = OwnedFd::from(File::open(&top).unwrap());
    removal.enter(name, opened).unwrap();
    // Down to the level above which all are closed.
    while removal.levels.len() < MAX_OPEN + 2 {
        let (name, kind) = removal.next_entry().unwrap();
        removal.take(name, kind).unwrap();
    }
    removal.levels.truncate(3);
    assert!(removal.levels[1].directory.is_none());
    let inner = removal.levels[2].name.clone();
    assert_eq!(inner.as_c_str(), c"d");
    removal.levels[2].directory = Some(Dir::new(File::open(top.join("d/d")).unwrap()).unwrap());
    fs::rename(top.join("d/d"), elsewhere.join("d")).unwrap();
    assert_eq!(removal.open_above(), Err(Errno::STALE));
    assert!(elsewhere.join("x").exists());
}

#[test]
fn a_directory_that_its_owner_may_not_read_is_removed() {
    let place = place();
    let top = place.path().join("top");
    fs::create_dir_all(top.join("a/b")).unwrap();
    for closed in ["a/b", "a"] {
        fchmod(File::open(top.join(closed)).unwrap(), Mode::empty()).unwrap();
    }
    remove_tree(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn a_path_that_is_too_deep_or_strange_is_shown_without_harm() {
    let names = vec![c"\x1b[31m"; 100];
    let mut left = Left::default();
    for _ in 0..10 {
        left.note(
            left::path_of(Path::new("/w"), names.iter().copied()),
            Errno::ACCESS,
        );
    }
    let said = left.to_string();
    assert!(
        said.len() < 5000 && !said.contains('\x1b') && said.contains("and 5 more"),
        "{said}"
    );
}
