//! A document as its sentences, each with its place in the whole text, where one space stands for any white space.

use std::{fs, ops::Range};

use crate::harness::workspace_root;

#[derive(Default)]
pub(super) struct Document {
    text: String,
    sentences: Vec<Range<usize>>,
}

/// What a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Sentences.
    Prose,
    /// What is typed, or a picture: one sentence, whatever is in it.
    Typed,
}

impl Document {
    /// The document of this name at the root of the workspace.
    pub(super) fn read(name: &str) -> Document {
        Document::of(&fs::read_to_string(workspace_root().join(name)).unwrap())
    }

    /// A text in Markdown. Headings are none of its sentences; a bullet and a row of a table begin one.
    pub(super) fn of(text: &str) -> Document {
        let mut document = Document::default();
        let (mut lines, mut part, mut is_fenced) = (Vec::new(), Part::Prose, false);
        for line in text.lines() {
            let is_fence = line.starts_with("```");
            is_fenced ^= is_fence;
            let is_indented = line.starts_with("    ") && (lines.is_empty() || part == Part::Typed);
            let is_typed = !is_fence && (is_fenced || is_indented || part == Part::Typed && line.is_empty());
            let begins =
                line.starts_with(['#', '|']) || line.starts_with("- ") || line.is_empty() || is_fence;
            if is_typed != (part == Part::Typed) || begins && !is_typed {
                document.add(part, &lines.join(" "));
                lines.clear();
            }
            part = if is_typed { Part::Typed } else { Part::Prose };
            if is_typed || !(line.starts_with('#') || is_fence || line.starts_with("| ---")) {
                lines.push(line);
            }
        }
        document.add(part, &lines.join(" "));
        document
    }

    /// Adds what is said elsewhere, as its sentences.
    pub(super) fn add_prose(&mut self, text: &str) {
        self.add(Part::Prose, text);
    }

    fn add(&mut self, part: Part, text: &str) {
        let text = one_spaced(text);
        let sentences = match part {
            Part::Prose => sentences(&text),
            Part::Typed => vec![text.as_str()],
        };
        for sentence in sentences.into_iter().filter(|sentence| !sentence.is_empty()) {
            let start = self.text.len();
            self.text.push_str(sentence);
            self.sentences.push(start..self.text.len());
            self.text.push(' ');
        }
    }

    /// Its sentences with their places.
    pub(super) fn sentences(&self) -> impl Iterator<Item = (Range<usize>, &str)> {
        let sentence = |place: &Range<usize>| (place.clone(), &self.text[place.clone()]);
        self.sentences.iter().map(sentence)
    }

    /// Whether a passage stands there.
    pub(super) fn says(&self, passage: &str) -> bool {
        !self.places(passage).is_empty()
    }

    /// Wherever a passage stands; ` … ` in it stands for anything.
    pub(super) fn places(&self, passage: &str) -> Vec<Range<usize>> {
        let passage = one_spaced(passage);
        let mut places = Vec::new();
        while let Some(place) = self.next_place(
            &passage,
            places.last().map_or(0, |place: &Range<usize>| place.end),
        ) {
            places.push(place);
        }
        places
    }

    fn next_place(&self, passage: &str, from: usize) -> Option<Range<usize>> {
        let mut ends = passage.split(" … ");
        let first = ends.next()?;
        let start = from + self.text[from..].find(first)?;
        let end = ends.try_fold(start + first.len(), |from, end| {
            let at = self.text[from..].find(end)?;
            Some(from + at + end.len())
        })?;
        Some(start..end)
    }
}

fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sentence ends with a full stop or a question mark before a word that may begin one.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        let before = text[start..at].trim_end_matches(')');
        let begins = |c: char| c.is_uppercase() || c.is_ascii_digit() || "`*$".contains(c);
        if before.ends_with(['.', '?']) && text[at + 1..].starts_with(begins) {
            sentences.push(&text[start..at]);
            start = at + 1;
        }
    }
    sentences.push(&text[start..]);
    sentences
}
