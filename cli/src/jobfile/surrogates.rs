//! The one thing that JSON writes and YAML does not read: a character as a pair of `\u` escapes.
//!
//! Python and others write every emoji so. YAML has `\U` with eight digits for it.

use std::borrow::Cow;

use super::fault::Position;

/// Characters of `\ud83d\ude00` less those of `\U0001f600`.
const SHORTER_BY: usize = 2;

/// A text without pairs.
pub(super) struct Joined<'t> {
    pub(super) text: Cow<'t, str>,
    /// Where in `text` pairs were joined, in its order.
    joints: Vec<Position>,
}

impl Joined<'_> {
    /// Where in the original text a place of `text` is.
    pub(super) fn original(&self, position: Position) -> Position {
        let line = self.joints.partition_point(|joint| joint.line < position.line);
        let before = self.joints[line..]
            .iter()
            .take_while(|joint| joint.line == position.line && joint.column < position.column);
        Position {
            column: position.column + SHORTER_BY * before.count(),
            ..position
        }
    }
}

/// Joins the pairs of a text that begins with `{` or `[`; any other is YAML, which has none.
pub(super) fn join(text: &str) -> Joined<'_> {
    let is_json = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(['{', '[']);
    if !is_json || !text.contains("\\u") {
        return Joined {
            text: Cow::Borrowed(text),
            joints: Vec::new(),
        };
    }
    let mut joined = Joined {
        text: Cow::Owned(String::with_capacity(text.len())),
        joints: Vec::new(),
    };
    let mut place = Position { line: 1, column: 1 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, written) = match pair(rest) {
            Some((taken, character)) => {
                joined.joints.push(place);
                (taken, Cow::Owned(format!("\\U{:08x}", u32::from(character))))
            }
            // What follows a backslash is not the beginning of another escape.
            None if first == '\\' => {
                let taken = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (taken, Cow::Borrowed(&rest[..taken]))
            }
            None => (first.len_utf8(), Cow::Borrowed(&rest[..first.len_utf8()])),
        };
        joined.text.to_mut().push_str(&written);
        place.column += written.chars().count();
        if first == '\n' {
            place = Position {
                line: place.line + 1,
                column: 1,
            };
        }
        rest = &rest[taken..];
    }
    joined
}

/// The pair that a text begins with: its length in bytes, and its character.
fn pair(text: &str) -> Option<(usize, char)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let character = char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok()?;
    // Two escapes that are a character each are no pair.
    (u32::from(character) > 0xffff).then_some((12, character))
}
