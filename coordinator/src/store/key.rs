//! Keys: which may be written, how they sort, and how messages name them. What they stand for is for the records.

/// Facts about the store itself.
pub const META: &[u8] = b"meta/";

/// Bytes of a key: an id and a prefix fit easily, and an index page of 256 keys stays well under the
/// size at which sled moves a page into a file of its own. A leaf says it in a byte.
pub const MAX_KEY_BYTES: usize = 200;

/// The name, in `meta/`, of the seq that the store reflects.
pub(super) const APPLIED_SEQ: &str = "applied_seq";

/// Begins the keys of chunks and sorts them behind all others; no name begins so.
pub(super) const CHUNK: u8 = 0xFF;

/// No chunk's key sorts before this one: names begin with a letter.
pub(super) const FIRST_CHUNK: &[u8] = &[CHUNK, 1];

/// What a key begins with, through its first slash. Where a range ends there may be none.
pub(super) fn kind_of(key: &[u8]) -> &[u8] {
    let slash = key.iter().position(|byte| *byte == b'/');
    slash.map_or(key, |slash| &key[..=slash])
}

/// The key of a fact about the store itself.
pub fn meta(name: &str) -> Vec<u8> {
    [META, name.as_bytes()].concat()
}

/// The key of a kind, slash included, for a number: such keys sort as the numbers do.
pub fn numbered(kind: &[u8], number: u64) -> Vec<u8> {
    [kind, &number.to_be_bytes()].concat()
}

/// A key as messages name it: `live/42`, `output/42/1`, `agent/north`. Numbers are told from names by their first byte:
/// no name has a NUL, and no number of ours is so large that it begins with another byte.
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

/// Whether a key may be written; any other would be lost among the leaves, or taken for a chunk's.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    key.len() <= MAX_KEY_BYTES && key.contains(&b'/') && key[0] != CHUNK
}

pub(super) fn assert_valid(key: &[u8]) {
    assert!(is_valid(key), "{} is no key", name(key));
}

/// The first key that could follow this one.
pub(crate) fn next(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The first key behind all that begin with `prefix`, chunks left out.
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
