//! Random ids and random durations, from the operating system.

use std::time::Duration;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Random characters of base32, with five bits each.
pub(crate) fn base32(characters: usize) -> String {
    let mut bytes = vec![0; characters];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

/// A random duration from nothing to `whole`.
pub(crate) fn part_of(whole: Duration) -> Duration {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    whole.mul_f64(f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}
