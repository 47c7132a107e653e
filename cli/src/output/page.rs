//! A page about one thing: lines of `name: value`.

use std::fmt;

use swarm_program::words::{clean::clean_line, wrapped::wrapped};

use super::sheet::{Ink, Sheet};

/// The lines of a page, with the values in one column.
#[derive(Default)]
pub struct Page(Vec<(String, String)>);

impl Page {
    /// Adds a line, unless its value is empty.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Page {
        let value = clean_line(&value.into());
        if !value.is_empty() && value != "-" {
            self.0.push((name.into(), value));
        }
        self
    }

    /// The lines with faint names, and long values wrapped below themselves.
    pub fn sheet(&self, terminal: Option<usize>) -> Sheet {
        let indent = self.indent();
        let mut sheet = Sheet::default();
        for (name, value) in &self.0 {
            let first = format!("{:indent$}", format!("{name}:"));
            let fits = |width| indent + value.chars().count() <= width;
            let lines = match terminal.is_none_or(fits) {
                true => format!("{first}{value}"),
                false => wrapped(&first, value, terminal),
            };
            let mut lines = lines.lines();
            let behind = lines.next().and_then(|line| line.strip_prefix(&first));
            sheet.line([
                (Ink::Faint, first.clone()),
                (Ink::Plain, behind.unwrap_or_default().to_owned()),
            ]);
            lines.for_each(|line| {
                sheet.text(line);
            });
        }
        sheet
    }

    /// The width of the names before the values.
    fn indent(&self) -> usize {
        let widths = self.0.iter().map(|(name, _)| name.len() + 3);
        widths.max().unwrap_or(0)
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = self.indent();
        self.0
            .iter()
            .try_for_each(|(name, value)| writeln!(f, "{:indent$}{value}", format!("{name}:")))
    }
}
