//! Reading single fields. proto3 has no required fields, so they are checked here.

use bytes::Bytes;

use super::error::Fault;

/// A message that is always written.
pub(super) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or(Fault::Missing { field })
}

/// A text that is never empty, such as an id.
pub(super) fn filled<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Fault> {
    optional(text).ok_or(Fault::Missing { field })
}

/// A text whose absence is written as the empty one.
pub(super) fn optional(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// A token or hash.
pub(super) fn sixteen_bytes(field: &'static str, bytes: &Bytes) -> Result<[u8; 16], Fault> {
    if bytes.is_empty() {
        return Err(Fault::Missing { field });
    }
    <[u8; 16]>::try_from(bytes.as_ref()).map_err(|_| Fault::OutOfRange {
        field,
        value: format!("{} bytes instead of 16", bytes.len()),
    })
}

/// A value of an enum of the schema.
pub(super) fn known<E: TryFrom<i32>>(field: &'static str, value: i32) -> Result<E, Fault> {
    E::try_from(value).map_err(|_| Fault::UnknownValue { field, value })
}
