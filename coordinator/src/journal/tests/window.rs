//! Cuts, zeros and flipped bits everywhere: an opening reports every difference, but in the one window, which is
//! measured here.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::journal::{
    After, Flaw, Opened,
    format::{ALIGNMENT, ENTRY_HEADER_BYTES, FILE_HEADER_BYTES, FileHeader},
    open::high_water,
};

pub(super) const SEGMENT_BYTES: u64 = 8192;

/// Bits that are flipped, one at a time: with those of snapshots and the store more than ten thousand.
const FLIPS: usize = 6_000;
/// How much of the journal's end is cut off byte by byte.
const CUT_BYTES: usize = 4096;

pub(super) fn open_on(dir: &Path, floor: Floor) -> Result<Opened, OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
    };
    Journal::open(dir, options, floor)
}

/// A journal of some segments with `confirmed` events, a high-water mark there, and
/// then `more` entries. Returns where the entries of the newest segment begin, and
/// where the last one ends.
pub(super) fn journal_with_mark(dir: &Path, entries: usize, more: usize) -> (u64, Vec<usize>) {
    let mut journal = open(dir, SEGMENT_BYTES);
    let mut starts = Vec::new();
    let mut add = |journal: &mut Journal| {
        append(journal, 3);
        let end = journal.active.end as usize;
        if starts.last().is_some_and(|&before| before > end) {
            starts.clear();
        }
        if starts.is_empty() {
            starts.push(FILE_HEADER_BYTES);
        }
        starts.push(end);
    };
    for _ in 0..entries {
        add(&mut journal);
    }
    let confirmed = journal.last_seq();
    journal.upkeep().write_high_water().unwrap();
    for _ in 0..more {
        add(&mut journal);
    }
    (confirmed, starts)
}

#[test]
fn a_journal_cut_off_at_any_byte_of_its_end_is_refused() {
    let dir = TempDir::new().unwrap();
    let (_, starts) = journal_with_mark(dir.path(), 80, 20);
    let newest = newest_segment(dir.path());
    let whole = fs::read(&newest).unwrap();
    let end = *starts.last().unwrap();
    assert!(end > CUT_BYTES);
    // The end of what was written, byte by byte, and then the zeros behind it.
    let cuts = (end - CUT_BYTES..end).chain((end..whole.len()).step_by(64));
    for length in cuts {
        fs::write(&newest, &whole[..length]).unwrap();
        match open_on(dir.path(), Floor::default()) {
            Err(OpenError::Damaged {
                file,
                offset,
                flaw: Flaw::CutShort,
                after: After::Length { bytes: SEGMENT_BYTES },
            }) => assert_eq!((file, offset), (newest.clone(), length as u64)),
            Err(error) => panic!("cut to {length} bytes: {error}"),
            Ok(_) => panic!("opened after a cut to {length} bytes"),
        }
    }
}

/// A file system may lose bytes that were not synced; and an older coordinator's file does not say how long it was
/// made.
#[test]
fn a_journal_that_is_zero_from_any_byte_on_holds_the_rest_or_is_refused() {
    let dir = TempDir::new().unwrap();
    let (confirmed, starts) = journal_with_mark(dir.path(), 80, 20);
    let last = confirmed + 20 * 3;
    let newest = newest_segment(dir.path());
    let mut whole = fs::read(&newest).unwrap();
    let header = FileHeader::decode(whole[..FILE_HEADER_BYTES].try_into().unwrap()).unwrap();
    let unsized_header = FileHeader {
        file_bytes: 0,
        ..header
    };
    whole[..FILE_HEADER_BYTES].copy_from_slice(&unsized_header.encode());
    let end = *starts.last().unwrap();
    let (mut refused, mut torn, mut silent) = (0, 0, 0);
    for cut in end - CUT_BYTES..=end {
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        // The padding of an entry is zero anyway.
        let changed = |entry: &&[usize]| whole[entry[0]..entry[1]] != bytes[entry[0]..entry[1]];
        let missing = starts.windows(2).filter(changed).count() as u64;
        let kept = last - 3 * missing;
        fs::write(&newest, bytes).unwrap();
        match open_on(dir.path(), Floor::default()) {
            Err(OpenError::EndsEarly { known, .. }) => {
                assert!(kept < confirmed && known == confirmed, "zeros from {cut} on");
                refused += 1;
            }
            Err(error) => panic!("zeros from {cut} on: {error}"),
            Ok(opened) => {
                assert!(kept >= confirmed, "zeros from {cut} on");
                assert_holds_events_through(&opened.journal, kept);
                torn += u32::from(opened.torn.is_some());
                silent += usize::from(opened.torn.is_none() && missing > 0);
            }
        }
        fs::write(&newest, &whole).unwrap();
    }
    println!(
        "zeros from a byte on: of {CUT_BYTES} places {refused} refused, {torn} reported as torn, \
         {silent} unnoticed (where an entry ends, behind the high-water mark)"
    );
    assert!(refused > 0 && torn > 0);
    // Only where an entry ends, padding counted, and only behind the mark: 20 entries.
    assert!(silent <= 20 * ALIGNMENT, "{silent} unnoticed");
}

/// Flips one bit after the other, spread over all files, and classifies each opening.
#[test]
fn a_flipped_bit_anywhere_leaves_the_same_events_or_a_torn_end_or_a_refusal() {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let (confirmed, starts) = journal_with_mark(dir.path(), 160, 1);
    let last = confirmed + 3;
    let newest = newest_segment(dir.path());
    let last_entry = starts[starts.len() - 2] * 8..starts[starts.len() - 1] * 8;
    let image = Image::of(dir.path());
    let mark = high_water::path(dir.path());
    let files = image.0.iter().map(|(path, bytes)| (path.clone(), bytes.clone()));
    let files: Vec<_> = files.chain([(mark.clone(), fs::read(&mark).unwrap())]).collect();
    let all_bits: usize = files.iter().map(|(_, bytes)| bytes.len() * 8).sum();
    // Odd, so that all bits of a byte get their turn; and no smaller than gives as many as are asked for.
    let step = ((all_bits / FLIPS).saturating_sub(1)) | 1;
    let (mut tried, mut same, mut torn, mut refused, mut lost) = (0, 0, 0, 0, 0);
    for (path, bytes) in &files {
        for bit in (0..bytes.len() * 8).step_by(step) {
            tried += 1;
            image.put_back(dir.path());
            fs::write(&mark, &files.last().unwrap().1).unwrap();
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path, bytes).unwrap();
            match open_on(dir.path(), Floor::default()) {
                Ok(opened) if opened.journal.last_seq() == last => {
                    assert_holds_events_through(&opened.journal, last);
                    same += 1;
                }
                Ok(opened) => {
                    assert!(
                        *path == newest && last_entry.contains(&bit),
                        "bit {bit} of {}",
                        path.display()
                    );
                    assert!(opened.torn.is_some());
                    assert_holds_events_through(&opened.journal, confirmed);
                    torn += 1;
                    lost += 1;
                }
                Err(OpenError::Damaged { file, .. }) => {
                    assert_eq!(file, *path);
                    refused += 1;
                }
                Err(error) => panic!("bit {bit} of {}: {error}", path.display()),
            }
        }
    }
    println!(
        "{tried} flipped bits: {same} the same events, {torn} torn ({lost} in the last entry), {refused} refused"
    );
    assert!(
        tried >= FLIPS && same > 0 && torn > 0 && refused > 0,
        "a kind never occurred"
    );
}

/// The window, bit by bit: with the mark at the last entry it is closed.
#[test]
fn only_the_last_entry_behind_the_high_water_mark_can_go_as_torn() {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let (confirmed, starts) = journal_with_mark(dir.path(), 20, 1);
    let newest = newest_segment(dir.path());
    let whole = fs::read(&newest).unwrap();
    let marked = fs::read(high_water::path(dir.path())).unwrap();
    let last = starts.len() - 1;
    let bits = |entry: usize| starts[entry - 1] * 8..starts[entry] * 8;
    let mut windows = Vec::new();
    for _mark in ["at the entry before", "at the last entry"] {
        let mut window = [0, 0];
        for (place, bits) in [bits(last - 1), bits(last)].into_iter().enumerate() {
            for bit in bits {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(&newest, bytes).unwrap();
                match open_on(dir.path(), Floor::default()) {
                    Ok(opened) if opened.journal.last_seq() == confirmed + 3 => {}
                    Ok(opened) => {
                        assert_eq!(
                            (opened.journal.last_seq(), opened.torn.is_some()),
                            (confirmed, true)
                        );
                        window[place] += 1;
                    }
                    Err(error) => {
                        assert!(
                            error.to_string().contains(&newest.display().to_string()),
                            "{error}"
                        );
                    }
                }
            }
        }
        windows.push(window);
        fs::write(&newest, &whole).unwrap();
        fs::write(high_water::path(dir.path()), &marked).unwrap();
        open(dir.path(), SEGMENT_BYTES)
            .upkeep()
            .write_high_water()
            .unwrap();
    }
    let entry_bits = bits(last).len();
    println!(
        "the window: {} of the last entry's {entry_bits} bits before the high-water mark covers it, {} after",
        windows[0][1], windows[1][1]
    );
    assert_eq!(windows[0][0], 0);
    assert_eq!(windows[1], [0, 0]);
    // The whole entry but its padding, whose loss changes nothing.
    assert!(windows[0][1] <= entry_bits && windows[0][1] >= entry_bits - 7 * 8 - ENTRY_HEADER_BYTES);
}
