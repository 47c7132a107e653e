//! Tables without borders, fitted to the terminal's width.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width, presets::NOTHING};
use swarm_program::words::clean::clean_line;

/// The longest text of a cell in any layout, in characters.
const MAX_CELL_CHARS: usize = 1_000;

/// Width of free text before other columns when no terminal sets a width, in characters.
const FREE_TEXT_CHARS: usize = 60;

/// Least width of free text, in characters; before it gets narrower, other columns are left out.
const LEAST_FREE_TEXT_CHARS: usize = 12;

/// Spaces between two columns.
const GAP: usize = 2;

/// A table for people; every cell is one clean line.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Columns to leave out for lack of room, in this order.
    dispensable: &'static [&'static str],
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    heading: String,
    /// Whether its text is cut for lack of room.
    is_free_text: bool,
    /// Whether it is shown only with all columns.
    is_extra: bool,
}

impl Column {
    /// A column that is never cut.
    pub fn new(heading: impl Into<String>) -> Column {
        Column {
            heading: heading.into(),
            is_free_text: false,
            is_extra: false,
        }
    }

    /// A column whose text is cut for lack of room.
    #[must_use]
    pub fn free_text(mut self) -> Column {
        self.is_free_text = true;
        self
    }
}

/// The width of each column; `None` for a column that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<Option<usize>>);

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&'static str; N]) -> Table {
        Table::of(headings.map(Column::new).to_vec())
    }

    /// A table with these columns.
    pub fn of(columns: Vec<Column>) -> Table {
        Table {
            columns,
            rows: Vec::new(),
            dispensable: &[],
        }
    }

    /// Marks columns whose text is cut for lack of room.
    #[must_use]
    pub fn free_text(mut self, headings: &'static [&'static str]) -> Table {
        for column in &mut self.columns {
            column.is_free_text |= headings.contains(&column.heading.as_str());
        }
        self
    }

    /// Marks columns that are left out for lack of room, in this order.
    #[must_use]
    pub fn dispensable(mut self, headings: &'static [&'static str]) -> Table {
        self.dispensable = headings;
        self
    }

    /// Marks columns that are shown only with all columns.
    #[must_use]
    pub fn extra(mut self, headings: &'static [&'static str]) -> Table {
        for column in &mut self.columns {
            column.is_extra |= headings.contains(&column.heading.as_str());
        }
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.add(cells.to_vec());
    }

    /// Adds a row with a cell for each column.
    pub fn add(&mut self, cells: Vec<String>) {
        let clean = |cell: String| match cell.as_str() {
            "" => "-".to_owned(),
            cell => clean_line(cell).chars().take(MAX_CELL_CHARS).collect(),
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The index of a column by its name in `--fields`.
    pub fn column_named(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name() == name)
    }

    /// The text of a cell.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    /// The lines of the table, fitted to a terminal's width.
    pub fn within(&self, terminal: Option<usize>) -> String {
        self.lines(&self.layout(terminal), true)
    }

    /// A layout with all columns, however wide they are.
    pub fn wide_layout(&self) -> Layout {
        let content = self.content_widths().into_iter().map(Some).collect();
        Layout(self.with_bounded_text(content))
    }

    /// The layout for a terminal's width.
    pub fn layout(&self, terminal: Option<usize>) -> Layout {
        let content = self.content_widths();
        let shown = self.columns.iter().zip(content);
        let mut widths: Vec<Option<usize>> = shown
            .map(|(column, width)| (!column.is_extra).then_some(width))
            .collect();
        let Some(terminal) = terminal else {
            return Layout(self.with_bounded_text(widths));
        };

        let least = |index: usize, width: usize| match self.columns[index].is_free_text {
            true => width.min(LEAST_FREE_TEXT_CHARS.max(self.columns[index].heading.len())),
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
            if let Some(index) = self.columns.iter().position(|column| column.heading == *heading) {
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
        Layout(widths)
    }

    /// The layout of rows that continue another table. Only free text is cut.
    pub fn continue_layout(&self, before: &Layout) -> Layout {
        let content = self.content_widths();
        let columns = self.columns.iter().zip(content).zip(&before.0);
        let widths = columns.map(|((column, content), before)| {
            before.map(|width| match column.is_free_text {
                true => width,
                false => width.max(content),
            })
        });
        Layout(widths.collect())
    }

    /// The rows in a layout, below the headings if `with_headings`.
    pub fn lines(&self, layout: &Layout, with_headings: bool) -> String {
        let mut table = self.laid_out();
        for (column, width) in table.column_iter_mut().zip(&layout.0) {
            column.set_padding((0, GAP as u16));
            column.set_constraint(match width {
                None => ColumnConstraint::Hidden,
                Some(width) => {
                    ColumnConstraint::Absolute(Width::Fixed(u16::try_from(width + GAP).unwrap_or(u16::MAX)))
                }
            });
        }
        let skipped = usize::from(!with_headings);
        table.lines().skip(skipped).fold(String::new(), |mut page, line| {
            page.push_str(line.trim_end());
            page.push('\n');
            page
        })
    }

    fn laid_out(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_truncation_indicator("…")
            .set_header(self.columns.iter().map(|column| &column.heading));
        for cells in &self.rows {
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        table
    }

    fn content_widths(&self) -> Vec<usize> {
        let widths = self.laid_out().column_max_content_widths();
        widths.into_iter().map(usize::from).collect()
    }

    /// Bounds free text before other columns, so that the eye finds these.
    fn with_bounded_text(&self, mut widths: Vec<Option<usize>>) -> Vec<Option<usize>> {
        let last = widths.iter().rposition(Option::is_some).unwrap_or(0);
        for (width, column) in widths[..last].iter_mut().zip(&self.columns) {
            if column.is_free_text {
                *width = width.map(|width| width.min(FREE_TEXT_CHARS));
            }
        }
        widths
    }
}

impl Column {
    /// A column for a path of the JSON. Ids and states are never cut.
    pub(super) fn of_path(path: &str) -> Column {
        let column = Column::new(path.to_uppercase());
        match path.rsplit(['.', '_']).next() {
            Some("id" | "state") => column,
            _ => column.free_text(),
        }
    }

    /// The same column without the marks that hide it: it was asked for by name.
    pub(super) fn shown(&self) -> Column {
        Column {
            is_extra: false,
            ..self.clone()
        }
    }

    /// Its name in `--fields`.
    pub(super) fn name(&self) -> String {
        self.heading.to_lowercase().replace(' ', "_")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.within(None))
    }
}

/// The width of a line with all its gaps.
fn total(widths: impl Iterator<Item = Option<usize>>) -> usize {
    widths
        .flatten()
        .map(|width| width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "WHAT", "QUEUE", "JOB", "WHY"])
            .free_text(&["WHAT", "WHY"])
            .dispensable(&["QUEUE"])
            .extra(&["JOB"]);
        let what = "a sentence of more than seventy characters that says what is to be done here";
        table.row([
            "k3v7q2mzdh".to_owned(),
            what.to_owned(),
            "default".to_owned(),
            "nightly".to_owned(),
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
    fn what_is_extra_is_shown_where_everything_is() {
        assert!(!table().within(Some(300)).contains("nightly"));
        assert!(!table().to_string().contains("JOB"));
        let everything = table();
        let page = everything.lines(&everything.wide_layout(), true);
        assert!(page.contains("nightly") && page.contains("default"), "{page}");
    }

    #[test]
    fn rows_that_follow_keep_the_columns_and_are_whole() {
        let layout = table().layout(Some(80));
        let mut next = table();
        next.rows[0][0] = "a-much-longer-id".to_owned();
        let page = next.lines(&next.continue_layout(&layout), false);
        assert_eq!(page.lines().count(), 1, "{page}");
        assert!(page.starts_with("a-much-longer-id  a sentence"), "{page}");
        let same = table();
        let expected = same.within(Some(80));
        let page = same.lines(&same.continue_layout(&layout), false);
        assert_eq!(expected.lines().nth(1), page.lines().next());
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
