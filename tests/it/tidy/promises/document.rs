//! A document as its sentences, each with its place in the whole text, where one space stands for any white space.

use std::{fs, ops::Range};

use crate::{
    harness::workspace_root,
    markdown::{self, Kind},
};

#[derive(Default)]
pub(super) struct Document {
    text: String,
    sentences: Vec<Sentence>,
}

struct Sentence {
    place: Range<usize>,
    part: Part,
}

/// What a sentence is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Prose,
    /// What is typed, or a picture: one sentence, whatever is in it.
    Typed,
    /// What a program says of itself.
    Help,
}

impl Document {
    /// The document of this name at the root of the workspace.
    pub(super) fn read(name: &str) -> Document {
        Document::of(&fs::read_to_string(workspace_root().join(name)).unwrap())
    }

    /// What CHANGELOG.md says of the next release. Older releases are history, which nobody has to keep true.
    pub(super) fn unreleased() -> Document {
        let text = fs::read_to_string(workspace_root().join("CHANGELOG.md")).unwrap();
        let releases = text.match_indices("\n## ");
        let end = releases.map(|(at, _)| at).nth(1);
        Document::of(&text[..end.unwrap_or(text.len())])
    }

    /// A text in Markdown. Headings are none of its sentences; a bullet and a row of a table begin one.
    pub(super) fn of(text: &str) -> Document {
        let mut document = Document::default();
        for block in markdown::blocks(text) {
            match block.kind {
                Kind::Heading => {}
                Kind::Prose if block.lines[0].starts_with("| ---") => {}
                Kind::Prose => document.add(Part::Prose, &block.text()),
                Kind::Typed | Kind::Fenced(_) => document.add(Part::Typed, &block.text()),
            }
        }
        document
    }

    /// Adds what a program says of itself.
    pub(super) fn add_help(&mut self, text: &str) {
        self.add(Part::Help, text);
    }

    fn add(&mut self, part: Part, text: &str) {
        let text = one_spaced(text);
        let sentences = match part {
            Part::Prose | Part::Help => sentences(&text),
            Part::Typed => vec![text.as_str()],
        };
        for sentence in sentences.into_iter().filter(|sentence| !sentence.is_empty()) {
            let start = self.text.len();
            self.text.push_str(sentence);
            let place = start..self.text.len();
            self.sentences.push(Sentence { place, part });
            self.text.push(' ');
        }
    }

    /// Its sentences with their places.
    pub(super) fn sentences(&self) -> impl Iterator<Item = (Range<usize>, &str)> {
        let places = self.sentences.iter().map(|sentence| sentence.place.clone());
        places.map(|place| (place.clone(), &self.text[place]))
    }

    /// Whether a passage stands there.
    pub(super) fn says(&self, passage: &str) -> bool {
        !self.places(passage).is_empty()
    }

    /// Wherever a passage stands; ` … ` in it stands for anything.
    pub(super) fn places(&self, passage: &str) -> Vec<Range<usize>> {
        let parts = self.parts(passage);
        parts
            .iter()
            .map(|parts| parts[0].start..parts[parts.len() - 1].end)
            .collect()
    }

    /// Whether ` … ` in a passage stands for a whole sentence of the prose.
    pub(super) fn leaves_out_a_sentence(&self, passage: &str) -> bool {
        let parts = self.parts(passage);
        let gaps = parts
            .iter()
            .flat_map(|parts| parts.windows(2))
            .map(|pair| pair[0].end..pair[1].start);
        let mut prose = self
            .sentences
            .iter()
            .filter(|sentence| sentence.part == Part::Prose);
        let gaps: Vec<Range<usize>> = gaps.collect();
        prose.any(|Sentence { place, .. }| {
            gaps.iter()
                .any(|gap| gap.start <= place.start && place.end <= gap.end)
        })
    }

    /// Where the parts of a passage stand, wherever it does.
    fn parts(&self, passage: &str) -> Vec<Vec<Range<usize>>> {
        let passage = one_spaced(passage);
        let mut found: Vec<Vec<Range<usize>>> = Vec::new();
        let mut from = 0;
        while let Some(parts) = self.next_parts(&passage, from) {
            from = parts.last().map_or(from, |last| last.end);
            found.push(parts);
        }
        found
    }

    fn next_parts(&self, passage: &str, mut from: usize) -> Option<Vec<Range<usize>>> {
        let parts = passage.split(" … ").map(|part| {
            let start = from + self.text[from..].find(part)?;
            from = start + part.len();
            Some(start..from)
        });
        parts.collect()
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
