//! Tables without borders, fitted to the terminal's width.

use std::{collections::BTreeMap, fmt};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Width, presets::NOTHING};
use serde_json::Value;
use swarm_program::words::clean::clean_line;

use super::column::Column;

/// The longest text of a cell in any layout, in characters.
const MAX_CELL_CHARS: usize = 1_000;

/// Width of free text before other columns when no terminal sets a width, in characters.
const FREE_TEXT_CHARS: usize = 60;

/// Width of free text that can be read, in characters; before it gets narrower, other columns are left out.
const READABLE_CHARS: usize = 18;

/// Least width of free text when no column can be left out, in characters.
const LEAST_FREE_TEXT_CHARS: usize = 12;

/// In place of an empty cell.
const NOTHING_TO_SAY: &str = "-";

/// Spaces between two columns.
const GAP: usize = 2;

/// A table for people; every cell is one clean line.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Numbers to sort by in place of the text, by row and column.
    keys: BTreeMap<(usize, usize), f64>,
    /// Whether an empty cell has a dash.
    has_dashes: bool,
    /// Columns to leave out for lack of room, in this order.
    dispensable: &'static [&'static str],
    /// Columns to leave out behind those, in this order.
    last_to_go: &'static [&'static str],
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
            keys: BTreeMap::new(),
            has_dashes: true,
            dispensable: &[],
            last_to_go: &[],
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

    /// Marks columns that are shown only with all columns, or where there is room for them.
    #[must_use]
    pub fn extra(mut self, headings: &'static [&'static str]) -> Table {
        for column in &mut self.columns {
            column.is_extra |= headings.contains(&column.heading.as_str());
        }
        self
    }

    /// Marks columns of numbers and lengths, which are aligned to the right.
    #[must_use]
    pub fn numbers(mut self, headings: &'static [&'static str]) -> Table {
        for column in &mut self.columns {
            column.is_number |= headings.contains(&column.heading.as_str());
        }
        self
    }

    /// Marks a column that is left out when every row has one of these texts or none.
    #[must_use]
    pub fn usual(mut self, heading: &str, texts: &'static [&'static str]) -> Table {
        for column in &mut self.columns {
            if column.heading == heading {
                column.usual = texts;
            }
        }
        self
    }

    /// Says where the JSON has what columns say. A column without such a path has its text there.
    #[must_use]
    pub fn paths(mut self, paths: &[(&str, &'static str)]) -> Table {
        for column in &mut self.columns {
            let path = paths.iter().find(|(heading, _)| column.heading == *heading);
            column.path = path.map(|(_, path)| *path);
        }
        self
    }

    /// Marks columns that are not shown: what they say stands elsewhere.
    #[must_use]
    pub fn without(mut self, headings: &[&str]) -> Table {
        for column in &mut self.columns {
            column.is_told_elsewhere |= headings.contains(&column.heading.as_str());
        }
        self
    }

    /// Marks columns that are left out, in this order, when free text is as narrow as it may get.
    #[must_use]
    pub fn last_to_go(mut self, headings: &'static [&'static str]) -> Table {
        self.last_to_go = headings;
        self
    }

    /// Leaves empty cells empty, where no headings say what is missing.
    #[must_use]
    pub fn without_dashes(mut self) -> Table {
        self.has_dashes = false;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.add(cells.to_vec());
    }

    /// Adds a row with a cell for each column.
    pub fn add(&mut self, cells: Vec<String>) {
        let clean = |cell: String| match cell.as_str() {
            "" | NOTHING_TO_SAY if !self.has_dashes => String::new(),
            "" => NOTHING_TO_SAY.to_owned(),
            cell => clean_line(cell).chars().take(MAX_CELL_CHARS).collect(),
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// Gives the last row's cell in a column a number to sort by, because its text sorts otherwise.
    pub fn sort_by(&mut self, heading: &str, key: Option<f64>) {
        let column = self.columns.iter().position(|column| column.heading == heading);
        if let (Some(column), Some(key), Some(row)) = (column, key, self.rows.len().checked_sub(1)) {
            self.keys.insert((row, column), key);
        }
    }

    /// The number to sort a cell by, if it has one.
    pub fn key(&self, row: usize, column: usize) -> Option<f64> {
        self.keys.get(&(row, column)).copied()
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

    /// What a cell says, as JSON.
    pub(super) fn value(&self, row: usize, column: usize) -> Value {
        let text = self.rows.get(row).and_then(|cells| cells.get(column));
        match (self.key(row, column), text.map(String::as_str)) {
            (Some(number), _) => number.into(),
            (None, None | Some("" | NOTHING_TO_SAY)) => Value::Null,
            (None, Some(text)) => match text.parse::<u64>() {
                Ok(number) if self.columns[column].is_number => number.into(),
                _ => text.into(),
            },
        }
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

    /// The layout for a terminal's width. Columns that say nothing are left out, and extra ones without room for them.
    pub fn layout(&self, terminal: Option<usize>) -> Layout {
        let content = self.content_widths();
        let is_shown = |index: usize| {
            let is_extra = terminal.is_none() && self.columns[index].is_extra;
            !is_extra && self.says_something(index)
        };
        let mut widths: Vec<Option<usize>> = content
            .into_iter()
            .enumerate()
            .map(|(index, width)| is_shown(index).then_some(width))
            .collect();
        let Some(terminal) = terminal else {
            return Layout(self.with_bounded_text(widths));
        };

        let comfortable = |index: usize, width: usize| match self.columns[index].is_free_text {
            true => width.min(FREE_TEXT_CHARS),
            false => width,
        };
        for index in (0..widths.len())
            .rev()
            .filter(|index| self.columns[*index].is_extra)
        {
            if total(each(&widths, comfortable)) <= terminal {
                break;
            }
            widths[index] = None;
        }
        let narrow = |index: usize, width: usize, least: usize| match self.columns[index].is_free_text {
            true => width.min(least.max(self.columns[index].heading.len())),
            false => width,
        };
        let least = |index, width| narrow(index, width, LEAST_FREE_TEXT_CHARS);
        for (headings, chars) in [
            (self.dispensable, READABLE_CHARS),
            (self.last_to_go, LEAST_FREE_TEXT_CHARS),
        ] {
            for heading in headings {
                if total(each(&widths, |index, width| narrow(index, width, chars))) <= terminal {
                    break;
                }
                if let Some(index) = self.columns.iter().position(|column| column.heading == *heading) {
                    widths[index] = None;
                }
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

    /// Whether a column has a text that is worth a column.
    fn says_something(&self, index: usize) -> bool {
        let column = &self.columns[index];
        let is_news = |row: &Vec<String>| {
            !["", NOTHING_TO_SAY].contains(&row[index].as_str())
                && !column.usual.contains(&row[index].as_str())
        };
        let is_worth_it = column.is_asked_for || self.rows.is_empty() || self.rows.iter().any(is_news);
        is_worth_it && !column.is_told_elsewhere
    }

    /// The layout of rows that continue another table. Only free text is cut. Nothing when a column that the other
    /// table left out for having nothing to say has something now.
    pub fn continue_layout(&self, before: &Layout, left_out: &[usize]) -> Option<Layout> {
        if left_out.iter().any(|index| self.says_something(*index)) {
            return None;
        }
        let content = self.content_widths();
        let columns = self.columns.iter().zip(content).zip(&before.0);
        let widths = columns.map(|((column, content), before)| {
            before.map(|width| match column.is_free_text {
                true => width,
                false => width.max(content),
            })
        });
        Some(Layout(widths.collect()))
    }

    /// The columns that are no extra ones and say nothing.
    pub fn silent(&self) -> Vec<usize> {
        let indices = 0..self.columns.len();
        indices
            .filter(|index| !self.columns[*index].is_extra && !self.says_something(*index))
            .collect()
    }

    /// The rows in a layout, below the headings if `with_headings`.
    pub fn lines(&self, layout: &Layout, with_headings: bool) -> String {
        let mut table = self.laid_out();
        let columns = table.column_iter_mut().zip(&layout.0).zip(&self.columns);
        for ((column, width), ours) in columns {
            column.set_padding((0, GAP as u16));
            if ours.is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
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

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.within(None))
    }
}

/// The widths of the shown columns, each changed.
fn each<'w>(
    widths: &'w [Option<usize>],
    change: impl Fn(usize, usize) -> usize + 'w,
) -> impl Iterator<Item = Option<usize>> + 'w {
    let indexed = widths.iter().enumerate();
    indexed.map(move |(index, width)| width.map(|width| change(index, width)))
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
    fn what_is_extra_is_shown_where_everything_is_or_has_room() {
        assert!(table().within(Some(300)).contains("nightly"));
        assert!(!table().within(Some(120)).contains("nightly"));
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
        let page = next.lines(&next.continue_layout(&layout, &[]).unwrap(), false);
        assert_eq!(page.lines().count(), 1, "{page}");
        assert!(page.starts_with("a-much-longer-id  a sentence"), "{page}");
        let same = table();
        let expected = same.within(Some(80));
        let page = same.lines(&same.continue_layout(&layout, &[]).unwrap(), false);
        assert_eq!(expected.lines().nth(1), page.lines().next());
    }

    #[test]
    fn columns_that_say_nothing_are_left_out_until_one_does() {
        let of = |queue: &str, tries: &str| {
            let mut table = Table::new(["ID", "QUEUE", "TRIES"])
                .numbers(&["TRIES"])
                .usual("QUEUE", &["default"]);
            table.row(["a".to_owned(), queue.to_owned(), tries.to_owned()]);
            table
        };
        assert_eq!(of("default", "").within(None), "ID\na\n");
        assert_eq!(
            of("slow", "7").within(None),
            "ID  QUEUE  TRIES\na   slow       7\n"
        );
        assert_eq!(of("", "7").within(Some(40)), "ID  TRIES\na       7\n");
        let (first, next) = (of("default", "7"), of("slow", "8"));
        let layout = first.layout(Some(80));
        assert_eq!(first.silent(), [1]);
        assert!(next.continue_layout(&layout, &first.silent()).is_none());
        assert!(
            of("default", "9")
                .continue_layout(&layout, &first.silent())
                .is_some()
        );
        let all = first.lines(&first.wide_layout(), true);
        assert!(all.contains("default"), "{all}");
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
