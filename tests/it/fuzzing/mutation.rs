//! Changes inputs as fuzzers do, and the same for the same seed.

use crate::harness::seeded::Seeded;

/// Where mistakes live.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b' '];

/// Changes in one input.
const MAX_CHANGES: usize = 6;

/// What is put in or taken out at once, in bytes.
const MAX_RANGE: usize = 64;

/// One of the inputs with some changes.
pub(super) fn mutate(corpus: &[(String, Vec<u8>)], seeded: &mut Seeded) -> Vec<u8> {
    let mut bytes = corpus[seeded.index(corpus.len())].1.clone();
    for _ in 0..=seeded.index(MAX_CHANGES) {
        change(&mut bytes, &corpus[seeded.index(corpus.len())].1, seeded);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], seeded: &mut Seeded) {
    let at = seeded.index(bytes.len() + 1);
    let through = (at + seeded.index(MAX_RANGE)).min(bytes.len());
    match seeded.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
        1 if at < bytes.len() => bytes[at] = EDGES[seeded.index(EDGES.len())],
        2 => bytes.insert(at, EDGES[seeded.index(EDGES.len())]),
        3 => drop(bytes.drain(at..through)),
        4 => {
            let again = bytes[at..through].to_vec();
            let place = seeded.index(bytes.len() + 1);
            bytes.splice(place..place, again);
        }
        5 => {
            let from = seeded.index(other.len() + 1);
            let piece = &other[from..(from + seeded.index(MAX_RANGE)).min(other.len())];
            bytes.splice(at..through, piece.iter().copied());
        }
        // A number of one to eight bytes.
        _ => {
            let width = 1 << seeded.below(4);
            let number = seeded.below(u64::MAX) >> seeded.below(64);
            for (byte, new) in bytes.iter_mut().skip(at).zip(number.to_le_bytes()).take(width) {
                *byte = new;
            }
        }
    }
}
