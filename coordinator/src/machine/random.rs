//! Randomness, drawn from the operating system here and nowhere else.

use swarm_engine::id::LeaseToken;

/// Fills an array with random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // A token that can be guessed would be worse than an end.
        crate::program::failure::abort(&format!("the system has no randomness: {error}"));
    }
    bytes
}

/// A random number, for delays.
pub(crate) fn number() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A fresh token for a lease.
pub(crate) fn token() -> LeaseToken {
    LeaseToken(bytes())
}

/// A name for data or a history: 16 random characters.
pub(crate) fn name() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    bytes::<16>()
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}
