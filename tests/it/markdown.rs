//! The blocks of a document in Markdown, for all tests that read one: its prose, and what a reader types.

/// Columns before what is typed.
const INDENT: &str = "    ";

/// Between a command and its comment.
const COMMENT: &str = " # ";

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'text> {
    Heading,
    /// A paragraph, a bullet, or a row of a table.
    Prose,
    /// Indented lines.
    Typed,
    /// Lines between fences, with the word behind the first one.
    Fenced(&'text str),
}

/// Lines of a document that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'text> {
    pub(crate) kind: Kind<'text>,
    pub(crate) lines: Vec<&'text str>,
}

impl<'text> Block<'text> {
    /// All of it in one line.
    pub(crate) fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// What is typed, each with the comment behind it.
    pub(crate) fn typed_lines(&self) -> impl Iterator<Item = (&'text str, &'text str)> {
        let is_typed = self.kind == Kind::Typed;
        let lines = self.lines.iter().filter(move |line| is_typed && !line.is_empty());
        lines.map(|line| {
            let (command, comment) = line.split_once(COMMENT).unwrap_or((line, ""));
            (command.trim(), comment.trim())
        })
    }
}

/// The blocks of a text, in order.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut add = |kind, lines: &mut Vec<_>| {
        let mut lines = std::mem::take(lines);
        while lines.last().is_some_and(|line: &&str| line.is_empty()) {
            lines.pop();
        }
        if !lines.is_empty() {
            blocks.push(Block { kind, lines });
        }
    };
    let (mut kind, mut lines) = (Kind::Prose, Vec::new());
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            let begins = !matches!(kind, Kind::Fenced(_));
            add(kind, &mut lines);
            kind = if begins {
                Kind::Fenced(language)
            } else {
                Kind::Prose
            };
            continue;
        }
        if matches!(kind, Kind::Fenced(_)) {
            lines.push(line);
            continue;
        }
        // An indent within a paragraph is its own.
        if let Some(typed) = line
            .strip_prefix(INDENT)
            .filter(|_| kind == Kind::Typed || lines.is_empty())
        {
            kind = Kind::Typed;
            lines.push(typed);
            continue;
        }
        if line.is_empty() && kind == Kind::Typed {
            lines.push(line);
            continue;
        }
        let begins = line.is_empty() || line.starts_with(['#', '|']) || line.starts_with("- ");
        if begins || kind != Kind::Prose {
            add(kind, &mut lines);
            kind = Kind::Prose;
        }
        if line.starts_with('#') {
            add(Kind::Heading, &mut vec![line]);
        } else if !line.is_empty() {
            lines.push(line);
        }
    }
    add(kind, &mut lines);
    blocks
}

#[test]
fn a_text_is_its_headings_paragraphs_rows_commands_and_files() {
    let text = "# One\nIt says\n    all of it.\n- First\n  goes on\n- Second\n\n\
                \x20   typed --flag   # as told\n\n    again\n\n\
                | a |\n| - |\n\n```yaml\nname: x\n\n    deep: 1\n```\n    behind the fence\nEnd.\n";
    let block = |kind, lines: &[&'static str]| Block {
        kind,
        lines: lines.to_vec(),
    };
    let found = blocks(text);
    assert_eq!(
        found,
        [
            block(Kind::Heading, &["# One"]),
            block(Kind::Prose, &["It says", "    all of it."]),
            block(Kind::Prose, &["- First", "  goes on"]),
            block(Kind::Prose, &["- Second"]),
            block(Kind::Typed, &["typed --flag   # as told", "", "again"]),
            block(Kind::Prose, &["| a |"]),
            block(Kind::Prose, &["| - |"]),
            block(Kind::Fenced("yaml"), &["name: x", "", "    deep: 1"]),
            block(Kind::Typed, &["behind the fence"]),
            block(Kind::Prose, &["End."]),
        ]
    );
    let typed: Vec<(&str, &str)> = found[4].typed_lines().collect();
    assert_eq!(typed, [("typed --flag", "as told"), ("again", "")]);
    assert_eq!(found[7].typed_lines().count(), 0);
}
