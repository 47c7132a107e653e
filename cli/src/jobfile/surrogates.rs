//! Characters as pairs of `\u` escapes: the only part of JSON that YAML does not read.
//!
//! Python and others write every emoji so. YAML writes `\U` with eight digits instead.

use std::borrow::Cow;

use super::fault::Position;

/// Characters of `\ud83d\ude00` less those of `\U0001f600`.
const SHORTER_BY: usize = 2;

/// A text without pairs.
pub(super) struct Joined<'t> {
    pub(super) text: Cow<'t, str>,
    /// The places of joined pairs in `text`, in order.
    joints: Vec<Position>,
}

impl Joined<'_> {
    /// The place in the original text of a place in `text`.
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

/// Joins the pairs of a text that begins with `{` or `[`. Any other text is YAML and has no pairs.
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
            // The character after a backslash does not begin another escape.
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

/// The pair at the beginning of a text: its length in bytes, and its character.
fn pair(text: &str) -> Option<(usize, char)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let character = char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok()?;
    // Two escapes with a character each are no pair.
    (u32::from(character) > 0xffff).then_some((12, character))
}
