//! Damage that no interrupted write leaves is refused and named, and the files stay as they are.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::journal::{
    Flaw,
    error::After,
    format::{self, ENTRY_HEADER_BYTES, FILE_HEADER_BYTES},
    read::walk::Walk,
};

const SEGMENT_BYTES: u64 = 1024;

/// Entries of two events each; returns the files and offsets of all, in order.
fn journal_of_entries(dir: &Path, count: usize) -> Vec<(PathBuf, usize)> {
    let mut journal = open(dir, SEGMENT_BYTES);
    let mut places = Vec::new();
    for _ in 0..count {
        append(&mut journal, 2);
        let bytes = format::payload_bytes(&events(journal.last_seq() - 1, 2));
        let start = journal.active.end - format::entry_bytes(bytes);
        places.push((newest_segment(dir), start as usize));
    }
    places
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// The error of an opening that must be refused and must change nothing.
fn refusal(dir: &Path) -> OpenError {
    let before = Image::of(dir).0;
    let Err(error) = open_with(dir, SEGMENT_BYTES) else {
        panic!("a damaged journal was opened")
    };
    assert!(
        Image::of(dir).0 == before,
        "a refused opening changed the journal"
    );
    error
}

#[test]
fn a_flipped_bit_in_any_entry_but_the_last_is_refused_with_file_and_offset() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 20);
    let image = Image::of(dir.path());
    let (last, earlier) = places.split_last().unwrap();
    assert_ne!(last.0, earlier[0].0, "more than one segment");
    for (index, (file, start)) in earlier.iter().enumerate() {
        let seq = 1 + 2 * index as u64;
        let bytes = ENTRY_HEADER_BYTES + format::payload_bytes(&events(seq, 2));
        // Every byte, one bit after the other.
        for offset in 0..bytes {
            image.put_back(dir.path());
            change(file, |bytes| bytes[start + offset] ^= 1 << (offset % 8));
            match refusal(dir.path()) {
                OpenError::Damaged {
                    file: named,
                    offset: at,
                    ..
                } => {
                    assert_eq!((&named, at as usize), (file, *start));
                }
                error => panic!("byte {offset} of entry {index}: {error}"),
            }
        }
    }
}

#[test]
fn an_entry_that_has_become_zeros_is_refused() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 4);
    let (file, start) = &places[1];
    change(file, |bytes| bytes[*start..places[2].1].fill(0));
    let error = refusal(dir.path());
    assert!(
        matches!(error, OpenError::Damaged { offset, .. } if offset == *start as u64),
        "{error}"
    );
}

#[test]
fn damage_is_told_in_a_sentence_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 3);
    let (file, start) = &places[1];
    change(file, |bytes| bytes[start + ENTRY_HEADER_BYTES + 6] ^= 1);
    let error = refusal(dir.path());
    let expected = format!(
        "the journal is damaged at offset {start} of {}: the payload's checksum is wrong, \
         and a later entry (seq 5, offset {}) is intact",
        file.display(),
        places[2].1
    );
    assert_eq!(error.to_string(), expected);
    let directory = dir.path().display();
    assert!(
        error
            .help()
            .contains(&format!("'cp -a {directory} {directory}.kept'")),
        "{}",
        error.help()
    );
}

#[test]
fn damage_before_a_later_entry_whose_payload_is_damaged_too_is_no_tear() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 3);
    for (file, start) in &places[1..] {
        change(file, |bytes| bytes[start + ENTRY_HEADER_BYTES + 6] ^= 1);
    }
    let after = After::Entry {
        offset: places[2].1 as u64,
        seq: 5,
    };
    assert!(matches!(refusal(dir.path()), OpenError::Damaged { after: found, .. } if found == after));
}

#[test]
fn damage_before_a_segment_without_entries_is_no_tear() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 20);
    let newest = newest_segment(dir.path());
    let before = places.iter().rposition(|(file, _)| *file != newest).unwrap();
    change(&newest, |bytes| bytes[FILE_HEADER_BYTES..].fill(0));
    let (file, start) = &places[before];
    change(file, |bytes| bytes[start + ENTRY_HEADER_BYTES] ^= 1);
    let after = After::Segment {
        seq: 3 + 2 * before as u64,
    };
    assert!(matches!(refusal(dir.path()), OpenError::Damaged { after: found, .. } if found == after));
}

#[test]
fn a_flipped_bit_in_a_file_header_is_refused() {
    let dir = TempDir::new().unwrap();
    journal_of_entries(dir.path(), 20);
    let image = Image::of(dir.path());
    for file in image.0.keys() {
        for bit in 0..FILE_HEADER_BYTES * 8 {
            image.put_back(dir.path());
            change(file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            match refusal(dir.path()) {
                OpenError::Damaged {
                    file: named,
                    offset: 0,
                    after: After::Header,
                    ..
                } => assert_eq!(named, *file),
                error => panic!("bit {bit} of {}: {error}", file.display()),
            }
        }
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let dir = TempDir::new().unwrap();
    journal_of_entries(dir.path(), 30);
    let image = Image::of(dir.path());
    let first_seqs = segment::list(dir.path()).unwrap();
    for missing in 0..first_seqs.len() - 1 {
        image.put_back(dir.path());
        fs::remove_file(segment::path(dir.path(), first_seqs[missing])).unwrap();
        match refusal(dir.path()) {
            OpenError::Gap {
                offset: 0,
                expected,
                found,
                ..
            } => {
                assert_eq!((expected, found), (first_seqs[missing], first_seqs[missing + 1]));
            }
            error => panic!("segment {missing}: {error}"),
        }
    }
}

#[test]
fn a_segment_of_another_journal_breaks_the_chain() {
    let dir = TempDir::new().unwrap();
    let other = TempDir::new().unwrap();
    journal_of_entries(dir.path(), 20);
    journal_of_entries(other.path(), 20);
    let second = segment::list(dir.path()).unwrap()[1];
    fs::copy(
        segment::path(other.path(), second),
        segment::path(dir.path(), second),
    )
    .unwrap();
    let error = refusal(dir.path());
    assert!(
        matches!(error, OpenError::WrongChain { offset: 0, seq, .. } if seq == second),
        "{error}"
    );
}

#[test]
fn an_entry_that_was_not_written_after_the_one_before_breaks_the_chain() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 2);
    let (file, start) = &places[1];
    let salt = Walk::open(file).map(|(_, header)| header.chain).ok().unwrap();
    let mut entry = Vec::new();
    format::encode_entry(&mut entry, salt, EPOCH, 3, 99, &events(3, 2));
    change(file, |bytes| {
        bytes[*start..start + entry.len()].copy_from_slice(&entry)
    });
    let error = refusal(dir.path());
    assert!(
        matches!(error, OpenError::WrongChain { offset, seq: 3, .. } if offset == *start as u64),
        "{error}"
    );
}

#[test]
fn an_unknown_version_is_refused_by_its_number_and_never_cut() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 2);
    let image = Image::of(dir.path());
    let file = &places[0].0;

    change(file, |bytes| {
        bytes[4] = 9;
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(
        refusal(dir.path()),
        OpenError::UnknownVersion {
            offset: 0,
            version: 9,
            ..
        }
    ));

    image.put_back(dir.path());
    let last = places[1].1;
    change(file, |bytes| {
        bytes[last + 4] = 2;
        let salt = crc32c::crc32c(&bytes[16..24]);
        let crc = crc32c::crc32c_append(salt, &bytes[last..last + 44]);
        bytes[last + 44..last + 48].copy_from_slice(&crc.to_le_bytes());
    });
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::UnknownVersion { version: 2, offset, .. } if offset == last as u64));
}

#[test]
fn a_segment_with_another_name_is_refused() {
    let dir = TempDir::new().unwrap();
    journal_of_entries(dir.path(), 2);
    let image = Image::of(dir.path());
    for name in ["00000000000000000007.seg", "1.seg", "copy of 1.seg"] {
        image.put_back(dir.path());
        fs::rename(segment::path(dir.path(), 1), dir.path().join(name)).unwrap();
        let Err(error) = open_with(dir.path(), SEGMENT_BYTES) else {
            panic!("{name} was opened")
        };
        assert!(
            matches!(&error, OpenError::Misnamed { file } if file.ends_with(name)),
            "{error}"
        );
        fs::remove_file(dir.path().join(name)).unwrap();
    }
}

#[test]
fn a_reader_refuses_what_has_been_damaged_since_the_start() {
    let dir = TempDir::new().unwrap();
    let places = journal_of_entries(dir.path(), 3);
    let journal = open(dir.path(), SEGMENT_BYTES);
    let (file, start) = &places[1];
    change(file, |bytes| bytes[start + ENTRY_HEADER_BYTES + 6] ^= 1);
    let reader = journal.reader();
    assert_eq!(reader.read(1, 2, 1000).unwrap().len(), 2);
    assert_eq!(reader.read(5, 6, 1000).unwrap().len(), 2);
    match reader.read(1, 6, 1000).unwrap_err() {
        ReadError::Damaged {
            file: named,
            offset,
            flaw,
        } => {
            assert_eq!(
                (&named, offset as usize, flaw),
                (file, *start, Flaw::PayloadChecksum)
            );
        }
        error => panic!("{error}"),
    }
}
