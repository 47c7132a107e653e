//! Changes inputs as fuzzers do, and the same for the same seed.

use super::wire::mutate_message;
use crate::harness::seeded::Seeded;

/// Numbers at which mistakes show.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b' '];

/// Changes in one input.
const MAX_CHANGES: usize = 6;

/// The most bytes that are put in or taken out at once.
const MAX_RANGE: usize = 64;

/// The layout of an input, for changes that keep to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Bytes,
    /// A message behind this many bytes.
    Message(usize),
    /// Calls, each with the number of its method and its length before it, two bytes each.
    Calls,
}

/// One of the inputs with some changes, half of which keep to its shape.
pub(super) fn mutate_shaped(corpus: &[(String, Vec<u8>)], shape: Shape, seeded: &mut Seeded) -> Vec<u8> {
    if seeded.below(2) == 0 {
        return mutate(corpus, seeded);
    }
    let input = &corpus[seeded.index(corpus.len())].1;
    let kept = match shape {
        Shape::Bytes => None,
        Shape::Message(head) => input.split_at_checked(head).and_then(|(head, message)| {
            let message = mutate_message(message, seeded)?;
            Some([head, &message].concat())
        }),
        Shape::Calls => Some(mutate_calls(input, corpus, seeded)),
    };
    kept.unwrap_or_else(|| mutate(corpus, seeded))
}

/// Some calls changed, left out, moved, or taken from another input.
fn mutate_calls(input: &[u8], corpus: &[(String, Vec<u8>)], seeded: &mut Seeded) -> Vec<u8> {
    let mut all = calls(input);
    for _ in 0..=seeded.index(MAX_CHANGES) {
        if all.is_empty() {
            break;
        }
        let at = seeded.index(all.len());
        match seeded.below(6) {
            0 => drop(all.remove(at)),
            1 => all.insert(at, all[seeded.index(all.len())].clone()),
            2 => {
                let other = calls(&corpus[seeded.index(corpus.len())].1);
                all.splice(at..at, other.into_iter().take(1 + seeded.index(3)));
            }
            _ => {
                if let Some(body) = mutate_message(&all[at].1, seeded) {
                    all[at].1 = body;
                }
            }
        }
    }
    let mut bytes = Vec::new();
    for (method, body) in all {
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        bytes.extend(method);
        bytes.extend(length.to_le_bytes());
        bytes.extend(&body[..usize::from(length)]);
    }
    bytes
}

fn calls(mut input: &[u8]) -> Vec<([u8; 2], Vec<u8>)> {
    let mut calls = Vec::new();
    while let Some((&[m, n, low, high], rest)) = input.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        calls.push(([m, n], body.to_vec()));
        input = rest;
    }
    calls
}

/// One of the inputs with some changes.
fn mutate(corpus: &[(String, Vec<u8>)], seeded: &mut Seeded) -> Vec<u8> {
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
