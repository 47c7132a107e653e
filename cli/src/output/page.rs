//! A page about one thing: lines of `name: value`.

use std::fmt;

use swarm_program::words::{clean::clean_line, wrapped::wrapped};

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

    /// The lines, with long values wrapped below themselves.
    pub fn within(&self, terminal: Option<usize>) -> String {
        let Some(width) = terminal else {
            return self.to_string();
        };
        let lines = self.to_string();
        let indent = self.indent();
        let mut page = String::new();
        for (line, (name, value)) in lines.lines().zip(&self.0) {
            if line.chars().count() <= width {
                page.push_str(&format!("{line}\n"));
            } else {
                let first = format!("{:indent$}", format!("{name}:"));
                page.push_str(&wrapped(&first, value, terminal));
            }
        }
        page
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
