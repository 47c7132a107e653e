//! Changes the values of a protobuf message and leaves its lengths right: bytes that are changed anywhere seldom are
//! a message any more.

use bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use crate::harness::seeded::Seeded;

/// Messages in messages, beyond which bytes are taken for bytes.
const MAX_DEPTH: usize = 6;

/// Numbers that are the first or last of something.
const NUMBERS: [u64; 10] = [
    0,
    1,
    2,
    100,
    101,
    i32::MAX as u64,
    u32::MAX as u64,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Texts that are too little, too much, or something else.
const TEXTS: [&str; 10] = [
    "",
    "a",
    "b",
    "agent",
    "job-1",
    "../../etc/passwd",
    "k=v",
    "ä\u{0}\u{202e}",
    "1-00000000",
    "999999999999999999999999999999",
];

/// A field as it travels.
#[derive(Clone)]
struct Field {
    number: u32,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

/// The same message with some of its values changed; `None` when it is no message.
pub(super) fn mutate_message(bytes: &[u8], seeded: &mut Seeded) -> Option<Vec<u8>> {
    let mut fields = read(bytes, 0)?;
    for _ in 0..=seeded.index(3) {
        change(&mut fields, seeded);
    }
    let mut written = Vec::new();
    write(&fields, &mut written);
    Some(written)
}

fn read(mut bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while bytes.has_remaining() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut bytes).ok()?),
            WireType::SixtyFourBit => {
                let (value, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed64(*value)
            }
            WireType::ThirtyTwoBit => {
                let (value, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed32(*value)
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                match read(value, depth + 1) {
                    Some(fields) if depth < MAX_DEPTH && !fields.is_empty() => Value::Message(fields),
                    _ => Value::Bytes(value.to_vec()),
                }
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

fn write(fields: &[Field], bytes: &mut Vec<u8>) {
    for Field { number, value } in fields {
        match value {
            Value::Varint(value) => {
                encode_key(*number, WireType::Varint, bytes);
                encode_varint(*value, bytes);
            }
            Value::Fixed64(value) => {
                encode_key(*number, WireType::SixtyFourBit, bytes);
                bytes.extend(value);
            }
            Value::Fixed32(value) => {
                encode_key(*number, WireType::ThirtyTwoBit, bytes);
                bytes.extend(value);
            }
            Value::Bytes(value) => write_bytes(*number, value, bytes),
            Value::Message(fields) => {
                let mut value = Vec::new();
                write(fields, &mut value);
                write_bytes(*number, &value, bytes);
            }
        }
    }
}

fn write_bytes(number: u32, value: &[u8], bytes: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend(value);
}

fn change(fields: &mut Vec<Field>, seeded: &mut Seeded) {
    if fields.is_empty() {
        let value = Value::Varint(NUMBERS[seeded.index(NUMBERS.len())]);
        let number = 1 + seeded.index(15) as u32;
        fields.push(Field { number, value });
        return;
    }
    let at = seeded.index(fields.len());
    match seeded.below(8) {
        0 => drop(fields.remove(at)),
        1 => fields.push(fields[at].clone()),
        2 => fields[at].number = 1 + seeded.index(15) as u32,
        _ => change_value(&mut fields[at].value, seeded),
    }
}

fn change_value(value: &mut Value, seeded: &mut Seeded) {
    match value {
        Value::Varint(number) => {
            *number = match seeded.below(3) {
                0 => NUMBERS[seeded.index(NUMBERS.len())],
                1 => number.wrapping_add(1),
                _ => seeded.below(20),
            }
        }
        Value::Fixed64(bytes) => *bytes = NUMBERS[seeded.index(NUMBERS.len())].to_le_bytes(),
        Value::Fixed32(bytes) => *bytes = (NUMBERS[seeded.index(NUMBERS.len())] as u32).to_le_bytes(),
        Value::Bytes(bytes) => match seeded.below(3) {
            0 => *bytes = bytes.repeat(1 + seeded.index(200)),
            1 => bytes.truncate(seeded.index(bytes.len() + 1)),
            _ => *bytes = TEXTS[seeded.index(TEXTS.len())].as_bytes().to_vec(),
        },
        // A text can look like a message.
        Value::Message(_) if seeded.below(8) == 0 => {
            *value = Value::Bytes(TEXTS[seeded.index(TEXTS.len())].as_bytes().to_vec());
        }
        Value::Message(fields) => change(fields, seeded),
    }
}
