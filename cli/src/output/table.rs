//! Columns without borders.

use std::fmt;

use comfy_table::{ContentArrangement, presets::NOTHING};

use super::text;

/// Columns for people; every cell is cleaned and cut.
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(headings);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Table(table)
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                text::cell(&cell)
            }
        }));
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .lines()
            .try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// Lines of `name: value`, the values in one column.
#[derive(Default)]
pub struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a line, unless there is nothing to say.
    pub fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Fields {
        let value = text::clean_line(&value.into());
        if !value.is_empty() && value != "-" {
            self.0.push((name, value));
        }
        self
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len() + 1).max().unwrap_or(0);
        self.0
            .iter()
            .try_for_each(|(name, value)| writeln!(f, "{:width$}  {value}", format!("{name}:")))
    }
}
