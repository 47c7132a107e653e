//! On a full disk the journal first uses up its reserve, and nothing is lost.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    process::Command,
};

use tempfile::TempDir;

use super::*;

const SEGMENT_BYTES: u64 = 256 * 1024;

/// A file system in memory of 3 MiB, which is unmounted when this is dropped.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a line that says so, where mounting is not permitted.
    pub(crate) fn mount() -> Option<SmallDisk> {
        let dir = TempDir::new().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "swarm-test"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            Ok(output) => {
                println!(
                    "SKIPPED: cannot mount a small disk: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("SKIPPED: cannot run mount: {error}");
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let error = std::iter::repeat_with(|| ballast.write_all(&[1; 4096]))
            .find_map(Result::err)
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        if !thread::panicking() {
            assert!(unmounted.unwrap().success());
        }
    }
}

/// Appends until more than half of a segment is written and the next one is ready.
fn fill_half(journal: &mut Journal) {
    while !journal.reserve.is_spare_due() {
        append(journal, 20);
    }
    let upkeep = journal.upkeep();
    while upkeep.reserved_bytes() < SEGMENT_BYTES - 64 {
        thread::yield_now();
    }
}

#[test]
fn a_full_disk_ends_the_journal_only_after_all_that_was_prepared() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut journal = open(&disk.journal(), SEGMENT_BYTES);
    fill_half(&mut journal);
    let upkeep = journal.upkeep();
    let reserved = upkeep.reserved_bytes();
    disk.fill();

    let large = Bytes::from(vec![7; 3_000]);
    let mut appended = 0;
    let acknowledged = loop {
        let last = journal.last_seq();
        match journal.append(EPOCH, std::slice::from_ref(&large)) {
            Ok(_) => appended += large.len() as u64,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                break last;
            }
        }
        assert!(upkeep.reserved_bytes() <= reserved - appended);
        // A witness of fewer events is no reason to stop.
        if let Err(error) = upkeep.write_high_water() {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    };
    println!("with the disk full, {appended} bytes were appended of {reserved} in reserve");
    // All but the unused ends of two segments and the entries' own bytes.
    assert!(
        appended + 2 * 3_100 + appended / 40 > reserved,
        "{appended} of {reserved}"
    );
    assert!(upkeep.reserved_bytes() < 3_100);
    assert!(journal.append(EPOCH, &[event(1)]).is_err());
    drop(journal);

    // The disk is still full.
    let journal = open(&disk.journal(), SEGMENT_BYTES);
    assert_eq!(journal.last_seq(), acknowledged);
    assert_eq!(
        journal.reader().read(acknowledged, acknowledged, 1).unwrap(),
        [(acknowledged, large)]
    );
    drop(journal);
    disk.empty();
    let mut journal = open(&disk.journal(), SEGMENT_BYTES);
    append(&mut journal, 2_000);
    assert_eq!(journal.last_seq(), acknowledged + 2_000);
}

#[test]
fn the_next_segment_is_prepared_once_space_returns() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut journal = open(&disk.journal(), SEGMENT_BYTES);
    disk.fill();
    while !journal.reserve.is_spare_due() {
        append(&mut journal, 20);
    }
    let upkeep = journal.upkeep();
    let left = upkeep.reserved_bytes();
    assert!(left < SEGMENT_BYTES / 2);
    assert_eq!(upkeep.replenish().unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(!segment::temporary_path(&disk.journal(), "spare").exists());
    disk.empty();
    upkeep.replenish().unwrap();
    while upkeep.reserved_bytes() == left {
        thread::yield_now();
    }
    assert!(upkeep.reserved_bytes() > left + SEGMENT_BYTES - 64);
    drop(journal);
    assert!(!segment::temporary_path(&disk.journal(), "spare").exists());
    assert_eq!(upkeep.reserved_bytes(), left);
}

#[test]
fn a_failed_mark_leaves_the_one_before() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut journal = open(&disk.journal(), SEGMENT_BYTES);
    append(&mut journal, 1);
    let upkeep = journal.upkeep();
    upkeep.write_high_water().unwrap();
    disk.fill();
    append(&mut journal, 1);
    assert_eq!(
        upkeep.write_high_water().unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    drop(journal);
    let opened = Journal::open(
        &disk.journal(),
        Options {
            segment_bytes: SEGMENT_BYTES,
        },
        Floor::default(),
    )
    .unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_holds_events_through(&opened.journal, 2);
}
