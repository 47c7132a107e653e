//! The bytes of a segment file: the one place that knows their layout.
//!
//! Integers are little-endian. A file is a header, then entries one after the
//! other, each starting at a multiple of eight, then zeros to its end.
//!
//! ```text
//! file header, 32 bytes             entry header, 48 bytes
//!  0  magic "SWJF"                   0  magic "SWJE"
//!  4  u32 format version             4  u32 format version
//!  8  u64 seq of the first event     8  u64 epoch of the coordinator that wrote it
//! 16  u64 chain at the start        16  u64 seq of the first event
//! 24  u32 length when made, or zero  24  u64 chain: the hash of the entry before
//! 28  u32 CRC32C of bytes 0..28     32  u32 count of events, at least 1
//!                                   36  u32 payload length in bytes
//! payload, then zeros up to a       40  u32 CRC32C of the payload
//! multiple of eight; per event:     44  u32 CRC32C of the file's chain, then bytes 0..44
//!  0  u32 length
//!  4  the event
//! ```
//!
//! The chain after an entry is the XXH3-64 of its header and payload. The first
//! file of a journal starts with a random chain. As each entry's CRC begins with
//! the chain of its file, nothing that a caller puts into a payload passes for an
//! entry, nor does an entry of another file or journal.
//!
//! Magic, version and CRC keep their places in every later version, so that a
//! newer file is told from a damaged one.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::error::Flaw;

pub(super) const FILE_HEADER_BYTES: usize = 32;
pub(super) const ENTRY_HEADER_BYTES: usize = 48;
/// Entries start at multiples of this, so that a search visits few places.
pub(super) const ALIGNMENT: usize = 8;
/// Bytes that an event takes in a payload at least: its length field.
pub(super) const MIN_EVENT_BYTES: usize = 4;
/// Far more than one group commit collects. A length beyond it is never believed.
pub(super) const MAX_PAYLOAD_BYTES: usize = 256 * 1024 * 1024;
pub(super) const ENTRY_MAGIC: [u8; 4] = *b"SWJE";

const FILE_MAGIC: [u8; 4] = *b"SWJF";
const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(super) first_seq: u64,
    /// The hash of the entry before this file; it also salts the entries' CRCs.
    pub(super) chain: u64,
    /// The length that the file was made with, in bytes; 0 when it does not fit. No interrupted write makes the file
    /// shorter.
    pub(super) file_bytes: u32,
}

impl FileHeader {
    /// The header of a file of `file_bytes`.
    pub(super) fn new(first_seq: u64, chain: u64, file_bytes: u64) -> FileHeader {
        FileHeader {
            first_seq,
            chain,
            file_bytes: u32::try_from(file_bytes).unwrap_or(0),
        }
    }

    pub(super) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&FILE_MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.chain.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.file_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; FILE_HEADER_BYTES]) -> Result<FileHeader, Flaw> {
        if bytes[0..4] != FILE_MAGIC {
            return Err(Flaw::Magic);
        }
        if crc32c::crc32c(&bytes[..28]) != u32_at(bytes, 28) {
            return Err(Flaw::HeaderChecksum);
        }
        match u32_at(bytes, 4) {
            FORMAT_VERSION => Ok(FileHeader {
                first_seq: u64_at(bytes, 8),
                chain: u64_at(bytes, 16),
                file_bytes: u32_at(bytes, 24),
            }),
            version => Err(Flaw::Version(version)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) epoch: u64,
    pub(super) first_seq: u64,
    /// The hash of the entry before.
    pub(super) chain: u64,
    pub(super) count: u32,
    pub(super) payload_bytes: u32,
    pub(super) payload_crc: u32,
}

impl EntryHeader {
    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }

    /// Bytes that the whole entry takes in its file.
    pub(super) fn entry_bytes(&self) -> u64 {
        entry_bytes(self.payload_bytes as usize)
    }

    pub(super) fn encode(&self, salt: u64) -> [u8; ENTRY_HEADER_BYTES] {
        let mut bytes = [0; ENTRY_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&ENTRY_MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.chain.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        seal(&mut bytes, salt);
        bytes
    }

    /// Nothing in the header is believed before its CRC is right.
    pub(super) fn decode(bytes: &[u8; ENTRY_HEADER_BYTES], salt: u64) -> Result<EntryHeader, Flaw> {
        if bytes[0..4] != ENTRY_MAGIC {
            return Err(Flaw::Magic);
        }
        if entry_crc(bytes, salt) != u32_at(bytes, 44) {
            return Err(Flaw::HeaderChecksum);
        }
        match u32_at(bytes, 4) {
            FORMAT_VERSION => {}
            version => return Err(Flaw::Version(version)),
        }
        let header = EntryHeader {
            epoch: u64_at(bytes, 8),
            first_seq: u64_at(bytes, 16),
            chain: u64_at(bytes, 24),
            count: u32_at(bytes, 32),
            payload_bytes: u32_at(bytes, 36),
            payload_crc: u32_at(bytes, 40),
        };
        let payload_bytes = header.payload_bytes as usize;
        let least = header.count as usize * MIN_EVENT_BYTES;
        let seqs_fit = header.first_seq.checked_add(u64::from(header.count)).is_some();
        if header.count == 0 || payload_bytes < least || payload_bytes > MAX_PAYLOAD_BYTES || !seqs_fit {
            return Err(Flaw::Length);
        }
        Ok(header)
    }
}

/// Writes one whole entry into `buffer`, replacing what was there, and returns
/// the chain after it.
pub(super) fn encode_entry(
    buffer: &mut Vec<u8>,
    salt: u64,
    epoch: u64,
    first_seq: u64,
    chain: u64,
    events: &[Bytes],
) -> u64 {
    buffer.clear();
    buffer.resize(ENTRY_HEADER_BYTES, 0);
    for event in events {
        buffer.extend_from_slice(&length(event.len()).to_le_bytes());
        buffer.extend_from_slice(event);
    }
    let payload = &buffer[ENTRY_HEADER_BYTES..];
    let header = EntryHeader {
        epoch,
        first_seq,
        chain,
        count: length(events.len()),
        payload_bytes: length(payload.len()),
        payload_crc: crc32c::crc32c(payload),
    };
    buffer[..ENTRY_HEADER_BYTES].copy_from_slice(&header.encode(salt));
    let chain = xxh3_64(buffer);
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
    chain
}

/// Bytes that these events take as a payload.
pub(super) fn payload_bytes(events: &[Bytes]) -> usize {
    events.iter().map(|event| MIN_EVENT_BYTES + event.len()).sum()
}

/// Bytes that an entry with a payload of this length takes in its file.
pub(super) fn entry_bytes(payload_bytes: usize) -> u64 {
    (ENTRY_HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT) as u64
}

/// Splits a payload into its events, which share its memory.
pub(super) fn split_events(payload: &Bytes, count: u32) -> Result<Vec<Bytes>, Flaw> {
    let mut events = Vec::with_capacity(count as usize);
    let mut rest = payload.clone();
    while rest.len() >= MIN_EVENT_BYTES {
        let bytes = u32_at(&rest.split_to(MIN_EVENT_BYTES), 0) as usize;
        if bytes > rest.len() {
            return Err(Flaw::Length);
        }
        events.push(rest.split_to(bytes));
    }
    if !rest.is_empty() || events.len() != count as usize {
        return Err(Flaw::Length);
    }
    Ok(events)
}

/// Writes an entry header's checksum into it.
pub(super) fn seal(header: &mut [u8], salt: u64) {
    let crc = entry_crc(header, salt);
    header[44..48].copy_from_slice(&crc.to_le_bytes());
}

fn entry_crc(header: &[u8], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &header[..44])
}

fn length(count: usize) -> u32 {
    u32::try_from(count).expect("an entry is at most MAX_PAYLOAD_BYTES long")
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(
        bytes[at..at + 4]
            .try_into()
            .expect("the slice is four bytes long"),
    )
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
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
        let words: Vec<String> = bytes
            .chunks(8)
            .map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_file_header_keeps_its_bytes() {
        let header = FileHeader {
            first_seq: 0x0102_0304,
            chain: 0x1122_3344_5566_7788,
            file_bytes: 0x0100_0000,
        };
        let golden = "53574a4601000000 0403020100000000 8877665544332211 00000001e4dabc65";
        assert_eq!(hex(&header.encode()), golden);
        assert_eq!(FileHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn an_entry_keeps_its_bytes() {
        let mut entry = Vec::new();
        let events = [
            Bytes::from_static(b"first"),
            Bytes::new(),
            Bytes::from_static(b"third"),
        ];
        let chain = encode_entry(
            &mut entry,
            0x1122_3344_5566_7788,
            7,
            42,
            0x99aa_bbcc_ddee_ff00,
            &events,
        );
        let golden = "53574a4501000000 0700000000000000 2a00000000000000 00ffeeddccbbaa99 \
                      0300000016000000 cbf34455cc4d6fcc \
                      0500000066697273 7400000000050000 0074686972640000";
        assert_eq!(hex(&entry), golden);
        assert_eq!(chain, 11_999_673_770_738_963_412);
    }

    #[test]
    fn an_entry_of_another_file_is_not_believed() {
        let mut entry = Vec::new();
        encode_entry(&mut entry, 1, 1, 1, 1, &[Bytes::from_static(b"event")]);
        let header: [u8; ENTRY_HEADER_BYTES] = entry[..ENTRY_HEADER_BYTES].try_into().unwrap();
        assert!(EntryHeader::decode(&header, 1).is_ok());
        assert_eq!(EntryHeader::decode(&header, 2), Err(Flaw::HeaderChecksum));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let payload = Bytes::from_static(&[2, 0, 0, 0, b'a', b'b', 9, 0, 0, 0, b'c']);
        assert_eq!(split_events(&payload, 2), Err(Flaw::Length));
        assert_eq!(split_events(&payload.slice(..6), 2), Err(Flaw::Length));
        assert_eq!(split_events(&payload.slice(..7), 1), Err(Flaw::Length));
        assert_eq!(
            split_events(&payload.slice(..6), 1),
            Ok(vec![Bytes::from_static(b"ab")])
        );
    }
}
