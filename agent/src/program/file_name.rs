//! Texts that may name a file of ours. A text from the coordinator is not trusted to be harmless.

/// Whether a text can be the name of a file of ours: one path component that is not hidden.
pub(crate) fn is_file_name(text: &str, max_bytes: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    text.len() <= max_bytes
        && text.chars().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}
