//! Numbers of bytes as people write them.

/// Reads a number of bytes: `1GiB`, `500MB`, `1048576`.
///
/// # Errors
///
/// A sentence when it is none.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: Option<u64> = match unit.trim_start() {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "TB" => Some(1_000_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| "write a number of bytes such as 500MB or 1GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_people_say_them() {
        for (text, number) in [
            ("1GiB", 1 << 30),
            ("500MB", 500_000_000),
            ("7", 7),
            ("64 MiB", 64 << 20),
        ] {
            assert_eq!(parse_bytes(text), Ok(number), "{text}");
        }
        for text in ["", "GiB", "1.5GiB", "-1", "1G", "99999999999TiB"] {
            assert!(parse_bytes(text).is_err(), "{text:?}");
        }
    }
}
