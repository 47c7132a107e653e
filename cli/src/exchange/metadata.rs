//! Foreign fields without a meaning here: import keeps them in a task's metadata, and export puts them back.
//!
//! A text is kept as it is, any other value as JSON; a text that would be read as JSON is kept in quotes. A value that
//! is too long goes on under `KEY#2`, `KEY#3` and so on.

use std::collections::BTreeMap;

use serde_json::Value;
use swarm_proto::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Bytes of the longest number after a key: a value has at most 64 KiB, and so 64 pieces.
const NUMBER_BYTES: usize = "#64".len();

/// The pairs that hold a value under a key, in order.
///
/// # Errors
///
/// A sentence when the key is too long.
pub(super) fn pairs(key: &str, value: &Value) -> Result<Vec<(String, String)>, String> {
    if key.len() > MAX_KEY_BYTES - NUMBER_BYTES {
        return Err(format!(
            "its name has {} bytes in metadata; at most {} are kept",
            key.len(),
            MAX_KEY_BYTES - NUMBER_BYTES
        ));
    }
    let pieces = pieces(&encode(value));
    let named = (1..).zip(pieces).map(|(number, piece)| match number {
        1 => (key.to_owned(), piece),
        _ => (format!("{key}#{number}"), piece),
    });
    Ok(named.collect())
}

/// Takes the kept values out whose keys begin with a prefix. Returns the rest of each key with its value. Pairs in
/// another form are a person's, and stay.
pub(super) fn take(metadata: &mut BTreeMap<String, String>, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<String> = metadata
        .keys()
        .filter(|key| key.starts_with(prefix))
        .cloned()
        .collect();
    let mut taken = Vec::new();
    for key in keys {
        // The key may have continued an earlier one.
        let Some(first) = metadata.get(&key) else { continue };
        let mut text = first.clone();
        let mut names = vec![key.clone()];
        for number in 2.. {
            let name = format!("{key}#{number}");
            let Some(piece) = metadata.get(&name) else { break };
            text.push_str(piece);
            names.push(name);
        }
        let value = decode(&text);
        let held = pairs(&key, &value).unwrap_or_default();
        let is_ours =
            held.len() == names.len() && held.iter().all(|(name, piece)| metadata.get(name) == Some(piece));
        if is_ours {
            for name in &names {
                metadata.remove(name);
            }
            taken.push((key[prefix.len()..].to_owned(), value));
        }
    }
    taken
}

fn encode(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        value => value.to_string(),
    }
}

fn decode(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The text in pieces of at most the longest length, cut between characters; at least one piece.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > MAX_VALUE_BYTES {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_VALUE_BYTES));
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(key: &str, value: &Value) -> BTreeMap<String, String> {
        pairs(key, value).unwrap().into_iter().collect()
    }

    #[test]
    fn every_value_comes_back_as_it_was() {
        let long = "añ".repeat(2_000);
        for value in [
            json!("medium"),
            json!("0.05"),
            json!("null"),
            json!(""),
            json!(" 7 "),
            json!("[1]"),
            json!("\"quoted\""),
            json!(0.05),
            json!(0.1 + 0.2),
            json!(true),
            json!(-3),
            json!(["a", {"b": null}]),
            json!(long),
            json!([long, 1.5]),
        ] {
            let mut metadata = kept("seed.x", &value);
            assert!(metadata.values().all(|piece| piece.len() <= MAX_VALUE_BYTES));
            metadata.insert("seed.y".into(), "other".into());
            metadata.insert("own".into(), "1".into());
            let taken = take(&mut metadata, "seed.");
            assert_eq!(taken, [("x".to_owned(), value), ("y".to_owned(), json!("other"))]);
            assert_eq!(
                metadata.into_iter().collect::<Vec<_>>(),
                [("own".into(), "1".into())]
            );
        }
    }

    #[test]
    fn what_a_person_wrote_in_another_form_stays() {
        let written = BTreeMap::from([
            ("seed.a".to_owned(), "0.050".to_owned()),
            ("seed.b".to_owned(), "short".to_owned()),
            ("seed.b#2".to_owned(), "pieces".to_owned()),
        ]);
        let mut metadata = written.clone();
        assert_eq!(
            take(&mut metadata, "seed."),
            [("b#2".to_owned(), json!("pieces"))]
        );
        assert_eq!(metadata.len(), 2, "{metadata:?}");
    }

    #[test]
    fn a_key_that_would_be_too_long_is_refused() {
        assert!(pairs(&"k".repeat(126), &json!(1)).is_err());
    }
}
