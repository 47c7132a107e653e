//! Sorts a list in this program, because the coordinator sorts only by submission.

use std::cmp::Ordering;

use serde_json::Value;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::limits::MAX_PAGE_ITEMS;

use crate::{
    call::pages::{Paged, Pages},
    output::{Listing, Output, fields},
};

/// At most this many items are sorted: they are all in memory, and people look at the first few.
const MAX_SORTED: usize = 10_000;

/// The value by which an item is sorted.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    Number(f64),
    Text(String),
    Nothing,
}

impl Key {
    fn of_text(text: &str) -> Key {
        match text.parse() {
            _ if text.is_empty() || text == "-" => Key::Nothing,
            Ok(number) => Key::Number(number),
            Err(_) => Key::Text(text.trim_end_matches('Z').to_owned()),
        }
    }

    fn of_value(value: &Value, path: &str) -> Key {
        match fields::at(value, path) {
            Value::Number(number) => number.as_f64().map_or(Key::Nothing, Key::Number),
            // Without its Z, a time sorts before the same time with a fraction.
            Value::String(text) if !text.is_empty() => Key::Text(text.trim_end_matches('Z').to_owned()),
            _ => Key::of_text(&fields::cell(value, path)),
        }
    }

    /// Numbers, then texts. Items without a value come last in either direction.
    fn compare(&self, other: &Key, descending: bool) -> Ordering {
        let ascending = match (self, other) {
            (Key::Nothing, Key::Nothing) => return Ordering::Equal,
            (Key::Nothing, _) => return Ordering::Greater,
            (_, Key::Nothing) => return Ordering::Less,
            (Key::Number(one), Key::Number(other)) => one.total_cmp(other),
            (Key::Text(one), Key::Text(other)) => one.cmp(other),
            (Key::Number(_), Key::Text(_)) => Ordering::Less,
            (Key::Text(_), Key::Number(_)) => Ordering::Greater,
        };
        if descending {
            ascending.reverse()
        } else {
            ascending
        }
    }
}

/// All items of the list, sorted by a field; `-` before the field reverses the order.
///
/// # Errors
///
/// When the list is too long, there is no such field, or the coordinator cannot be asked.
pub(crate) async fn sorted<Q: Paged>(
    mut pages: Pages<'_, Q>,
    field: &str,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<Vec<Q::Item>> {
    let (descending, field) = match field.strip_prefix('-') {
        Some(field) => (true, field),
        None => (false, field),
    };
    describe(&[]).check_fields(&fields::Fields::new(&[field.to_owned()]))?;
    output.check_fields(&describe(&[]))?;
    let mut items = Vec::new();
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        items.extend(page);
        if items.len() > MAX_SORTED {
            let sentence = format!("more than {MAX_SORTED} {} cannot be sorted by {field}", Q::ITEMS);
            return Err(Failure::new(Exit::Usage, sentence)
                .help(
                    "list fewer of them, or leave --sort out: they come in the order of submission, \
                     the newest first with --newest",
                )
                .into());
        }
    }
    let listing = describe(&items);
    let column = listing.table.column_named(field);
    let mut keyed: Vec<(Key, Q::Item)> = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let key = match column {
            Some(column) => match listing.table.key(index, column) {
                Some(number) => Key::Number(number),
                None => Key::of_text(listing.table.cell(index, column)),
            },
            None => Key::of_value(&listing.values[index], field),
        };
        keyed.push((key, item));
    }
    keyed.sort_by(|(one, _), (other, _)| one.compare(other, descending));
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_sort_as_numbers_and_what_is_missing_comes_last() {
        let values = [
            json!({"a": 10, "t": "2026-01-02T03:04:05.5Z"}),
            json!({"a": 9, "t": "2026-01-02T03:04:05Z"}),
            json!({"a": null, "t": ""}),
            json!({"a": -1.5, "t": "2026-01-02T03:04:06Z"}),
        ];
        let order = |path: &str, descending| {
            let mut order: Vec<usize> = (0..values.len()).collect();
            let key = |index: usize| Key::of_value(&values[index], path);
            order.sort_by(|one, other| key(*one).compare(&key(*other), descending));
            order
        };
        assert_eq!(order("a", false), [3, 1, 0, 2]);
        assert_eq!(order("a", true), [0, 1, 3, 2]);
        assert_eq!(order("t", false), [1, 0, 3, 2]);
        assert_eq!(Key::of_text("12"), Key::Number(12.0));
        assert_eq!(Key::of_text("-"), Key::Nothing);
    }
}
