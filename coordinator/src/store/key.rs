//! Keys: which are valid, how they sort, and how messages name them. The records say what keys mean.

/// Facts about the store itself.
pub const META: &[u8] = b"meta/";

/// Bytes of a key. An id and a kind fit easily, an index page of 256 keys stays well under the size at which sled moves
/// a page into a file of its own, and a leaf has one byte for the length.
pub const MAX_KEY_BYTES: usize = 200;

/// Under this name, in `meta/`, is the seq that the store reflects.
pub(super) const APPLIED_SEQ: &str = "applied_seq";

/// The first byte of internal keys, chunks' among them, which sorts them behind all others. No kind begins so.
pub(super) const CHUNK: u8 = 0xFF;

/// Sorts before all chunks, for kinds begin with a letter, and behind all other internal keys.
pub(super) const FIRST_CHUNK: &[u8] = &[CHUNK, 1];

/// The kind of a key: its bytes through the first slash. The end of a range may have no slash and is all kind.
pub(super) fn kind_of(key: &[u8]) -> &[u8] {
    let slash = key.iter().position(|byte| *byte == b'/');
    slash.map_or(key, |slash| &key[..=slash])
}

/// The key of a fact about the store itself.
pub fn meta(name: &str) -> Vec<u8> {
    [META, name.as_bytes()].concat()
}

/// The key for a number, of this kind (slash included). Such keys sort like their numbers.
pub fn numbered(kind: &[u8], number: u64) -> Vec<u8> {
    [kind, &number.to_be_bytes()].concat()
}

/// A key as messages name it: `live/42`, `output/42/1`, `agent/north`. Numbers begin with a NUL, for none is so large
/// that it does not; names have no NUL.
pub fn name(key: &[u8]) -> String {
    let (kind, rest) = key.split_at(kind_of(key).len());
    let numbers = rest.split_first_chunk().filter(|(number, _)| number[0] == 0);
    if let Some((number, part)) = numbers {
        let numbered = format!("{}{}", kind.escape_ascii(), u64::from_be_bytes(*number));
        match part.try_into() {
            Ok(part) => return format!("{numbered}/{}", u32::from_be_bytes(part)),
            Err(_) if part.is_empty() => return numbered,
            Err(_) => {}
        }
    }
    key.escape_ascii().to_string()
}

/// Whether a key may be written. Another one would be lost among the leaves, or taken for a chunk's.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    key.len() <= MAX_KEY_BYTES && key.contains(&b'/') && key[0] != CHUNK
}

pub(super) fn assert_valid(key: &[u8]) {
    assert!(is_valid(key), "{} is no key", name(key));
}

/// The smallest key behind this one.
pub(crate) fn next(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The smallest key behind all keys that begin with `prefix`; all keys but internal ones begin with the empty prefix.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![CHUNK]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_keys_in_words() {
        assert_eq!(name(&numbered(b"live/", 42)), "live/42");
        assert_eq!(name(b"output/\0\0\0\0\0\0\0\x2A\0\0\0\x03"), "output/42/3");
        assert_eq!(name(b"agent/north"), "agent/north");
        assert_eq!(name(b"agent/northern"), "agent/northern");
        assert_eq!(name(&meta("history")), "meta/history");
        assert_eq!(name(b"odd\x00"), "odd\\x00");
    }

    #[test]
    fn a_prefix_ends_before_the_next_one_and_before_the_chunks() {
        assert_eq!(end_of(b"live/"), b"live0");
        assert_eq!(end_of(b"a\xFF"), b"b");
        assert_eq!(end_of(b""), [CHUNK]);
    }
}
