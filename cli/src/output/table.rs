//! Columns without borders, as wide as the terminal bears.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width, presets::NOTHING};

use super::text;

/// The longest text that a cell takes at all, in characters.
const MAX_CELL_CHARS: usize = 1_000;

/// Free text that other columns follow, where no terminal says how wide it is, in characters.
const FREE_TEXT_CHARS: usize = 60;

/// Free text is not cut to less than this, in characters: below, other columns go.
const LEAST_FREE_TEXT_CHARS: usize = 12;

/// Spaces between two columns.
const GAP: usize = 2;

/// Columns for people; every cell is one clean line.
pub struct Table {
    table: comfy_table::Table,
    headings: Vec<&'static str>,
    free_text: &'static [&'static str],
    dispensable: &'static [&'static str],
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&'static str; N]) -> Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_truncation_indicator("…")
            .set_header(headings);
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP as u16));
        }
        Table {
            table,
            headings: headings.to_vec(),
            free_text: &[],
            dispensable: &[],
        }
    }

    /// Columns whose text is cut where there is no room for it.
    #[must_use]
    pub fn free_text(mut self, headings: &'static [&'static str]) -> Table {
        self.free_text = headings;
        self
    }

    /// Columns that are left out where there is still no room, the first one first.
    #[must_use]
    pub fn dispensable(mut self, headings: &'static [&'static str]) -> Table {
        self.dispensable = headings;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                text::clean_line(&cell).chars().take(MAX_CELL_CHARS).collect()
            }
        });
        let mut row = Row::from(cells);
        row.max_height(1);
        self.table.add_row(row);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The lines of the table, for a terminal of so many columns if there is one.
    pub fn within(&self, terminal: Option<usize>) -> String {
        let mut table = self.table.clone();
        for (column, width) in table.column_iter_mut().zip(self.widths(terminal)) {
            column.set_constraint(match width {
                None => ColumnConstraint::Hidden,
                Some(width) => ColumnConstraint::UpperBoundary(Width::Fixed(
                    u16::try_from(width + GAP).unwrap_or(u16::MAX),
                )),
            });
        }
        table.lines().fold(String::new(), |mut page, line| {
            page.push_str(line.trim_end());
            page.push('\n');
            page
        })
    }

    /// How wide each column may be; nothing for one that is left out.
    fn widths(&self, terminal: Option<usize>) -> Vec<Option<usize>> {
        let content = self.table.column_max_content_widths();
        let mut widths: Vec<Option<usize>> = content.iter().map(|width| Some((*width).into())).collect();
        let is_free: Vec<bool> = self
            .headings
            .iter()
            .map(|heading| self.free_text.contains(heading))
            .collect();
        let Some(terminal) = terminal else {
            let last = widths.len().saturating_sub(1);
            for (width, _) in widths[..last].iter_mut().zip(&is_free).filter(|(_, free)| **free) {
                *width = width.map(|width| width.min(FREE_TEXT_CHARS));
            }
            return widths;
        };

        let least = |index: usize, width: usize| match is_free[index] {
            true => width.min(LEAST_FREE_TEXT_CHARS.max(self.headings[index].len())),
            false => width,
        };
        for heading in self.dispensable {
            let narrowest = widths
                .iter()
                .enumerate()
                .map(|(index, width)| width.map(|width| least(index, width)));
            if total(narrowest) <= terminal {
                break;
            }
            if let Some(index) = self.headings.iter().position(|other| other == heading) {
                widths[index] = None;
            }
        }
        let excess = total(widths.iter().copied()).saturating_sub(terminal);
        for _ in 0..excess {
            let widest = (0..widths.len())
                .filter(|index| widths[*index].is_some_and(|width| width > least(*index, width)))
                .max_by_key(|index| widths[*index]);
            let Some(index) = widest else { break };
            widths[index] = widths[index].map(|width| width - 1);
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.within(None))
    }
}

/// The width of a whole line.
fn total(widths: impl Iterator<Item = Option<usize>>) -> usize {
    widths
        .flatten()
        .map(|width| width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "WHAT", "QUEUE", "WHY"])
            .free_text(&["WHAT", "WHY"])
            .dispensable(&["QUEUE"]);
        let what = "a sentence of more than seventy characters that says what is to be done here";
        table.row([
            "k3v7q2mzdh".to_owned(),
            what.to_owned(),
            "default".to_owned(),
            "w".repeat(100),
        ]);
        table
    }

    #[test]
    fn every_line_fits_the_terminal() {
        for width in [40, 60, 80, 120, 300] {
            let page = table().within(Some(width));
            assert_eq!(page.lines().count(), 2, "{page}");
            assert!(
                page.lines().all(|line| line.chars().count() <= width),
                "{width}:\n{page}"
            );
            assert!(page.contains("k3v7q2mzdh"), "{page}");
        }
    }

    #[test]
    fn what_has_room_is_not_cut() {
        let page = table().within(Some(300));
        assert!(!page.contains('…') && page.contains("default"), "{page}");
        assert!(!table().within(Some(40)).contains("QUEUE"));
        // Without a terminal, text that is followed by other columns has its bound.
        let page = table().to_string();
        assert!(page.contains('…') && page.contains(&"w".repeat(100)), "{page}");
    }

    #[test]
    fn a_cell_is_one_bounded_line() {
        let mut table = Table::new(["A"]);
        table.row(["a\nb".to_owned()]);
        table.row(["x".repeat(10_000)]);
        let page = table.to_string();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(
            (lines.len(), lines[1], lines[2].len()),
            (3, "a b", MAX_CELL_CHARS)
        );
    }
}
