//! The requirements of a task: terms that an agent's labels must meet.

use std::rc::Rc;

use swarm_proto::limits::{MAX_SELECTOR_TERMS, MAX_TERM_KEY_BYTES, MAX_TERM_VALUE_BYTES};

use super::{
    draft::{Draft, Term},
    fields,
    task::Reader,
    tree::{Content, Entry, Node},
};

/// Reads `k=v`, `k!=v`, `k>=n`, `k<=n`, `k` or `!k`. The result has no spaces around its parts.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse_term(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    for operator in [">=", "<="] {
        if let Some((key, number)) = trimmed.split_once(operator) {
            return comparison(text, key.trim(), operator, number.trim());
        }
    }
    let (before, key, operator, value) = match (trimmed.split_once("!="), trimmed.split_once('=')) {
        (Some((key, value)), _) => ("", key, "!=", value),
        // Many people write `==`, and a value cannot begin with `=`.
        (None, Some((key, value))) => ("", key, "=", value.strip_prefix('=').unwrap_or(value)),
        (None, None) => match trimmed.strip_prefix('!') {
            Some(key) => ("!", key, "", ""),
            None => ("", trimmed, "", ""),
        },
    };
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || !is_plain(key) || !is_plain(value) {
        return Err(format!(
            "'{text}' is none of k=v, k!=v, k and !k, with letters, digits and . _ / - in key and value"
        ));
    }
    if key.len() > MAX_TERM_KEY_BYTES || value.len() > MAX_TERM_VALUE_BYTES {
        return Err(format!(
            "'{text}' is too long: a key has at most {MAX_TERM_KEY_BYTES} characters, a value {MAX_TERM_VALUE_BYTES}"
        ));
    }
    Ok(format!("{before}{key}{operator}{value}"))
}

/// A term that asks for a number, or for a size such as `8GiB`.
fn comparison(text: &str, key: &str, operator: &str, number: &str) -> Result<String, String> {
    const UNITS: [&str; 5] = ["", "KiB", "MiB", "GiB", "TiB"];
    let unit = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = number.len() > unit.len() && UNITS.contains(&unit);
    if key.is_empty() || !is_plain(key) || key.len() > MAX_TERM_KEY_BYTES || !is_number {
        return Err(format!(
            "'{text}' asks for no number: write cpus{operator}4, or a size in KiB, MiB, GiB or TiB as in \
             memory{operator}8GiB"
        ));
    }
    Ok(format!("{key}{operator}{number}"))
}

/// The key of a term that only requires a label to exist.
pub(super) fn bare_key(term: &str) -> Option<&str> {
    (!term.contains(['=', '!', '<', '>'])).then_some(term)
}

fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
}

impl Reader<'_> {
    /// A list of terms, one text with commas between them, or a map of labels with their values.
    pub(super) fn read_requires(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        self.begin("spec.requirements.labels", field, entry);
        // A task's own terms replace those of the defaults.
        draft.requires.clear();
        match &entry.value.content {
            Content::Map(entries) => match entries.as_slice() {
                // As the protocol writes it: `requirements: {labels: [gpu]}`.
                [only] if only.key == "labels" && matches!(only.value.content, Content::List(_)) => {
                    self.read_terms(field, &only.value, draft);
                }
                entries => {
                    for entry in entries {
                        self.read_label(field, entry, draft);
                    }
                }
            },
            _ => self.read_terms(field, &entry.value, draft),
        }
        if draft.requires.len() > MAX_SELECTOR_TERMS {
            let message = format!(
                "`{field}` has {} terms; at most {MAX_SELECTOR_TERMS}",
                draft.requires.len()
            );
            self.faults.push(entry.value.position, message);
        }
    }

    fn read_terms(&mut self, field: &str, node: &Rc<Node>, draft: &mut Draft) {
        for item in fields::items(node) {
            let Some(text) = fields::text(item, field, self.faults) else {
                continue;
            };
            for term in text.split(',').filter(|term| !term.trim().is_empty()) {
                match parse_term(term) {
                    Ok(text) => draft.requires.push(Term {
                        text,
                        position: item.position,
                    }),
                    Err(fault) => self.faults.push(item.position, format!("`{field}`: {fault}")),
                }
            }
        }
    }

    /// Reads `gpu: a100` as `gpu=a100`, and `gpu:` alone as `gpu`.
    fn read_label(&mut self, field: &str, Entry { key, position, value }: &Entry, draft: &mut Draft) {
        let term = if value.is_null() {
            key.clone()
        } else {
            match fields::text(value, &format!("{field}.{key}"), self.faults) {
                Some(value) => format!("{key}={value}"),
                None => return,
            }
        };
        match parse_term(&term) {
            Ok(text) => draft.requires.push(Term {
                text,
                position: *position,
            }),
            Err(fault) => self.faults.push(*position, format!("`{field}`: {fault}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_people_write_them() {
        for (text, term) in [
            ("gpu=a100", "gpu=a100"),
            (" gpu != a100 ", "gpu!=a100"),
            ("gpu==a100", "gpu=a100"),
            ("docker", "docker"),
            ("!spot", "!spot"),
            ("a=", "a="),
            ("kubernetes.io/os=linux", "kubernetes.io/os=linux"),
            (" cpus >= 4", "cpus>=4"),
            ("memory<=8GiB", "memory<=8GiB"),
        ] {
            assert_eq!(parse_term(text).as_deref(), Ok(term), "{text}");
        }
        let long = format!("k={}", "v".repeat(201));
        for text in [
            "", "=v", "!", "!!k", "a b", "k=v w", "!k=v", "k>1", "k>=v", ">=1", "k<=1GB", "ä=1", &long,
        ] {
            assert!(parse_term(text).is_err(), "{text:?} was read");
        }
    }
}
