//! Makes the checksums and hashes of a changed segment right again: fuzzing would otherwise end at the first checksum.

use xxhash_rust::xxh3::xxh3_64;

use crate::journal::format::{
    ALIGNMENT, ENTRY_HEADER_BYTES, ENTRY_MAGIC, FILE_HEADER_BYTES, seal, u32_at, u64_at,
};

/// Reseals the file's header and its entries, one after the other.
pub fn reseal(segment: &mut [u8]) {
    let Some((header, mut rest)) = segment.split_at_mut_checked(FILE_HEADER_BYTES) else {
        return;
    };
    let crc = crc32c::crc32c(&header[..28]);
    header[28..32].copy_from_slice(&crc.to_le_bytes());
    let salt = u64_at(header, 16);
    let mut chain = salt;
    while rest.len() >= ENTRY_HEADER_BYTES && rest.starts_with(&ENTRY_MAGIC) {
        let (header, behind) = rest.split_at_mut(ENTRY_HEADER_BYTES);
        let payload_bytes = (u32_at(header, 36) as usize).min(behind.len());
        header[24..32].copy_from_slice(&chain.to_le_bytes());
        let crc = crc32c::crc32c(&behind[..payload_bytes]);
        header[40..44].copy_from_slice(&crc.to_le_bytes());
        seal(header, salt);
        let entry_bytes = ENTRY_HEADER_BYTES + payload_bytes;
        chain = xxh3_64(&rest[..entry_bytes]);
        let Some(next) = rest.get_mut(entry_bytes.next_multiple_of(ALIGNMENT)..) else {
            return;
        };
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tempfile::TempDir;

    use super::*;
    use crate::journal::{Floor, Journal, Options, write::segment};

    #[test]
    fn a_changed_event_is_believed_once_its_segment_is_resealed() {
        let dir = TempDir::new().unwrap();
        let options = Options { segment_bytes: 4096 };
        let open = || Journal::open(dir.path(), options, Floor::default());
        let mut journal = open().unwrap().journal;
        journal.append(1, &[Bytes::from_static(b"one")]).unwrap();
        journal.append(1, &[Bytes::from_static(b"two")]).unwrap();
        drop(journal);
        let path = segment::path(dir.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = FILE_HEADER_BYTES + ENTRY_HEADER_BYTES + 4;
        assert_eq!(&bytes[at..at + 3], b"one");
        bytes[at] = b'O';
        std::fs::write(&path, &bytes).unwrap();
        assert!(open().is_err());
        reseal(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let events = open().unwrap().journal.reader().read(1, 2, usize::MAX).unwrap();
        let events: Vec<&[u8]> = events.iter().map(|(_, event)| &**event).collect();
        assert_eq!(events, [b"One", b"two"]);
    }
}
