//! Lines for people with ink. Widths are laid out before, so that escape bytes, which come last, count as no width.

use anstyle::{AnsiColor, Style};
use swarm_program::words::clean::{clean, clean_line};

use super::{
    state,
    table::{Layout, Table},
};

/// How a piece of a line looks where colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// As it is; states in it have their colours.
    Plain,
    /// As it is: what a task printed.
    Unpainted,
    /// Headings, names before values, hints.
    Faint,
    /// What a page is about.
    Strong,
    Good,
    Bad,
    Notable,
    Busy,
}

/// Lines of a page.
#[derive(Clone, Debug, Default)]
pub struct Sheet(Vec<Vec<(Ink, String)>>);

impl Ink {
    /// The style of a piece.
    pub fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        match self {
            Ink::Plain | Ink::Unpainted => Style::new(),
            Ink::Faint => Style::new().dimmed(),
            Ink::Strong => Style::new().bold(),
            Ink::Good => color(AnsiColor::Green),
            Ink::Bad => color(AnsiColor::Red),
            Ink::Notable => color(AnsiColor::Yellow),
            Ink::Busy => color(AnsiColor::Cyan),
        }
    }
}

impl Sheet {
    /// Adds a line of several pieces.
    pub fn line(&mut self, pieces: impl IntoIterator<Item = (Ink, String)>) -> &mut Sheet {
        let cleaned = |(ink, text): (Ink, String)| match ink {
            Ink::Unpainted => (ink, clean(&text)),
            _ => (ink, clean_line(&text)),
        };
        self.0.push(pieces.into_iter().map(cleaned).collect());
        self
    }

    /// Adds pieces on one line, or on several where they do not fit: a line breaks between pieces.
    pub fn broken(
        &mut self,
        pieces: impl IntoIterator<Item = (Ink, String)>,
        terminal: Option<usize>,
    ) -> &mut Sheet {
        const INDENT: &str = "  ";
        let (mut line, mut used) = (Vec::new(), 0);
        for (ink, text) in pieces {
            let text = clean_line(&text);
            let length = text.chars().count();
            if used > 0 && terminal.is_some_and(|width| used + length > width) {
                self.line(std::mem::take(&mut line));
                let text = text.trim_start_matches([',', ';', ':', ' ']);
                used = INDENT.len() + text.chars().count();
                line.push((ink, format!("{INDENT}{text}")));
            } else {
                used += length;
                line.push((ink, text));
            }
        }
        self.line(line)
    }

    /// Adds the lines of a text with one ink.
    pub fn lines(&mut self, ink: Ink, text: &str) -> &mut Sheet {
        for line in text.lines() {
            self.line([(ink, line.to_owned())]);
        }
        self
    }

    /// Adds the lines of a text as they are.
    pub fn text(&mut self, text: &str) -> &mut Sheet {
        self.lines(Ink::Plain, text)
    }

    /// Adds an empty line and a heading.
    pub fn section(&mut self, heading: &str) -> &mut Sheet {
        self.blank().lines(Ink::Faint, heading)
    }

    /// Adds an empty line, unless the sheet is empty.
    pub fn blank(&mut self) -> &mut Sheet {
        if !self.0.is_empty() {
            self.0.push(Vec::new());
        }
        self
    }

    /// Adds a table in its layout.
    pub fn table(&mut self, table: &Table, layout: &Layout) -> &mut Sheet {
        let lines = table.lines(layout, true);
        let (heading, rows) = lines.split_once('\n').unwrap_or((&lines, ""));
        self.lines(Ink::Faint, heading).text(rows)
    }

    /// Adds the lines of another sheet, further to the right.
    pub fn indented(&mut self, indent: usize, other: Sheet) -> &mut Sheet {
        let indent = " ".repeat(indent);
        for mut line in other.0 {
            if let Some((_, first)) = line.first_mut() {
                first.insert_str(0, &indent);
            }
            self.0.push(line);
        }
        self
    }

    /// Adds the lines of another sheet.
    pub fn append(&mut self, other: impl Into<Sheet>) -> &mut Sheet {
        self.0.append(&mut other.into().0);
        self
    }

    /// How many lines it has.
    pub fn height(&self) -> usize {
        self.0.len()
    }

    /// Leaves out the lines behind this many.
    pub fn truncate(&mut self, lines: usize) {
        self.0.truncate(lines);
    }

    /// The text for a terminal or a pipe. Nothing from outside steers a terminal: pieces were cleaned when added.
    pub fn shown(&self, colored: bool) -> String {
        let mut shown = String::new();
        for line in &self.0 {
            for (ink, text) in line {
                match (colored, ink) {
                    (false, _) | (true, Ink::Unpainted) => shown.push_str(text),
                    (true, Ink::Plain) => shown.push_str(&state::paint(text)),
                    (true, ink) => {
                        let style = ink.style();
                        shown.push_str(&format!("{style}{text}{style:#}"));
                    }
                }
            }
            shown.push('\n');
        }
        shown
    }
}

impl From<&str> for Sheet {
    fn from(text: &str) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.text(text);
        sheet
    }
}

impl From<&String> for Sheet {
    fn from(text: &String) -> Sheet {
        text.as_str().into()
    }
}

impl From<String> for Sheet {
    fn from(text: String) -> Sheet {
        text.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_is_for_terminals_and_text_from_outside_has_none() {
        let mut sheet = Sheet::default();
        sheet.section("tasks").line([
            (Ink::Faint, "name:  ".to_owned()),
            (Ink::Plain, "a\u{1b}[2J ✘ failed".to_owned()),
        ]);
        assert_eq!(sheet.shown(false), "tasks\nname:  a ✘ failed\n");
        assert_eq!(
            sheet.shown(true),
            "\u{1b}[2mtasks\u{1b}[0m\n\u{1b}[2mname:  \u{1b}[0ma \u{1b}[31m✘ failed\u{1b}[0m\n"
        );
        assert_eq!(sheet.height(), 2);
    }

    #[test]
    fn a_long_line_breaks_between_its_pieces() {
        let pieces = || ["12 ended", ": 10 good", ", 2 bad"].map(|piece| (Ink::Plain, piece.to_owned()));
        let within = |width| Sheet::default().broken(pieces(), width).shown(false);
        assert_eq!(within(None), "12 ended: 10 good, 2 bad\n");
        assert_eq!(within(Some(18)), "12 ended: 10 good\n  2 bad\n");
        assert_eq!(within(Some(5)), "12 ended\n  10 good\n  2 bad\n");
    }
}
