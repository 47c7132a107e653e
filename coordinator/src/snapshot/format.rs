//! The bytes of a snapshot file: the one place that knows their layout.
//!
//! Integers are little-endian. A file is a header, then the store's records in the
//! order of their keys, then a footer, and nothing behind it.
//!
//! ```text
//! header, 128 bytes                 record, 16 bytes, then the key, then the value
//!  0  magic "SWSN"                   0  u32 length of the key, at least 1
//!  4  u32 format version             4  u32 length of the value
//!  8  u64 seq                        8  u32 CRC32C of key and value
//! 16  u64 chain, or zero            12  u32 CRC32C of the record's offset, then bytes 0..12
//! 24  u32 1 if the chain is known
//! 28  u32 length of the history     footer, 32 bytes
//! 32  the history, then zeros        0  u32 zero
//! 124 u32 CRC32C of bytes 0..124     4  magic "SWSF"
//!                                    8  u64 count of records
//!                                   16  u64 XXH3-64 of everything before the footer
//!                                   24  u32 zero
//!                                   28  u32 CRC32C of the footer's offset, then bytes 0..28
//! ```
//!
//! Magic, version and CRC of the header keep their places in every later version, so
//! that a newer file is told from a damaged one. No length is believed before its CRC.

pub(super) const HEADER_BYTES: usize = 128;
pub(super) const RECORD_BYTES: usize = 16;
pub(super) const FOOTER_BYTES: usize = 32;
/// Far more than the length of a history id, which is one short name.
pub(super) const MAX_HISTORY_BYTES: usize = 64;

const MAGIC: [u8; 4] = *b"SWSN";
const FOOTER_MAGIC: [u8; 4] = *b"SWSF";
const FORMAT_VERSION: u32 = 1;

/// The seq and the history that a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The store's applied seq.
    pub seq: u64,
    /// The journal's chain after the entry that ends with `seq`, if one does.
    pub chain: Option<u64>,
    /// The id of the history that the journal tells; at most 64 bytes.
    pub history: String,
}

/// The fault of a header.
pub(super) enum BadHeader {
    Fault(&'static str),
    Version(u32),
}

impl Origin {
    /// # Panics
    /// When the history is too long.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let history = self.history.as_bytes();
        assert!(history.len() <= MAX_HISTORY_BYTES, "a history id is a short name");
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.seq.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.chain.unwrap_or(0).to_le_bytes());
        bytes[24..28].copy_from_slice(&u32::from(self.chain.is_some()).to_le_bytes());
        bytes[28..32].copy_from_slice(&(history.len() as u32).to_le_bytes());
        bytes[32..32 + history.len()].copy_from_slice(history);
        let crc = crc32c::crc32c(&bytes[..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Origin, BadHeader> {
        if bytes[0..4] != MAGIC {
            return Err(BadHeader::Fault("no snapshot begins there"));
        }
        if crc32c::crc32c(&bytes[..124]) != u32_at(bytes, 124) {
            return Err(BadHeader::Fault("the header's checksum is wrong"));
        }
        match u32_at(bytes, 4) {
            FORMAT_VERSION => {}
            version => return Err(BadHeader::Version(version)),
        }
        let length = u32_at(bytes, 28) as usize;
        let history = bytes[32..32 + MAX_HISTORY_BYTES]
            .get(..length)
            .and_then(|history| str::from_utf8(history).ok())
            .ok_or(BadHeader::Fault("the history is no short name"))?;
        Ok(Origin {
            seq: u64_at(bytes, 8),
            chain: (u32_at(bytes, 24) == 1).then(|| u64_at(bytes, 16)),
            history: history.to_owned(),
        })
    }
}

/// The header before a key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) key_bytes: u32,
    pub(super) value_bytes: u32,
    pub(super) crc: u32,
}

impl RecordHeader {
    pub(super) fn of(key: &[u8], value: &[u8]) -> RecordHeader {
        RecordHeader {
            key_bytes: length(key),
            value_bytes: length(value),
            crc: crc_of(key, value),
        }
    }

    pub(super) fn encode(&self, offset: u64) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..4].copy_from_slice(&self.key_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.value_bytes.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.crc.to_le_bytes());
        let crc = placed_crc(offset, &bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; RECORD_BYTES], offset: u64) -> Result<RecordHeader, &'static str> {
        if placed_crc(offset, &bytes[..12]) != u32_at(bytes, 12) {
            return Err("the checksum of a record's header is wrong");
        }
        Ok(RecordHeader {
            key_bytes: u32_at(bytes, 0),
            value_bytes: u32_at(bytes, 4),
            crc: u32_at(bytes, 8),
        })
    }
}

/// The end of a snapshot, with the count and the hash of everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) count: u64,
    pub(super) hash: u64,
}

impl Footer {
    pub(super) fn encode(&self, offset: u64) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        bytes[4..8].copy_from_slice(&FOOTER_MAGIC);
        bytes[8..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.hash.to_le_bytes());
        let crc = placed_crc(offset, &bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES], offset: u64) -> Result<Footer, &'static str> {
        if bytes[..4] != [0; 4] || bytes[4..8] != FOOTER_MAGIC {
            return Err("no footer ends the file");
        }
        if placed_crc(offset, &bytes[..28]) != u32_at(bytes, 28) {
            return Err("the footer's checksum is wrong");
        }
        Ok(Footer {
            count: u64_at(bytes, 8),
            hash: u64_at(bytes, 16),
        })
    }
}

/// The checksum of a key and its value.
pub(super) fn crc_of(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// A checksum that is wrong at any other offset.
fn placed_crc(offset: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&offset.to_le_bytes()), bytes)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("what the store holds was given to it in one batch")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(
        bytes[at..at + 4]
            .try_into()
            .expect("the slice is four bytes long"),
    )
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(
        bytes[at..at + 8]
            .try_into()
            .expect("the slice is eight bytes long"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_part_keeps_its_bytes() {
        let origin = Origin {
            seq: 0x0102_0304,
            chain: Some(0x1122_3344_5566_7788),
            history: "h1".to_owned(),
        };
        let header = origin.encode();
        assert_eq!(
            hex(&header[..34]),
            "5357534e0100000004030201000000008877665544332211010000000200000068".to_owned() + "31"
        );
        assert_eq!(hex(&header[34..124]), "0".repeat(180));
        assert_eq!(hex(&header[124..]), "6444c917");
        assert_eq!(Origin::decode(&header).ok(), Some(origin));
        let record = RecordHeader::of(b"key", b"value");
        assert_eq!(hex(&record.encode(128)), "0300000005000000448900e8160d47f6");
        assert_eq!(RecordHeader::decode(&record.encode(128), 128), Ok(record));
        let footer = Footer {
            count: 3,
            hash: 0x99aa,
        };
        assert_eq!(
            hex(&footer.encode(128)),
            "00000000535753460300000000000000aa9900000000000000000000fb24f0fc"
        );
        assert_eq!(Footer::decode(&footer.encode(128), 128), Ok(footer));
    }

    #[test]
    fn what_stands_in_another_place_is_not_believed() {
        let record = RecordHeader::of(b"key", b"value");
        assert!(RecordHeader::decode(&record.encode(128), 144).is_err());
        let footer = Footer { count: 3, hash: 4 };
        assert!(Footer::decode(&footer.encode(128), 144).is_err());
    }

    #[test]
    fn a_newer_version_is_named() {
        let origin = Origin {
            seq: 1,
            chain: None,
            history: String::new(),
        };
        let mut header = origin.encode();
        assert_eq!(Origin::decode(&header).ok(), Some(origin));
        header[4] = 9;
        let crc = crc32c::crc32c(&header[..124]);
        header[124..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(Origin::decode(&header), Err(BadHeader::Version(9))));
    }
}
