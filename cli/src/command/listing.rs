//! Lists on stdout: of people a bounded number of rows, to scripts everything.

use crate::{
    args::Format,
    output::{Listing, Output, note, pages::PrintedPages},
    pages::{PAGE_SIZE, Paged, Pages},
};

/// Rows of a table that people get unless they ask for more.
const TABLE_ROWS: usize = 100;

/// What is not shown is counted up to this: counting costs as much as showing.
const MAX_COUNTED: usize = 10_000;

/// How much of a list is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Limit {
    /// At most this many; 0 is all [default: 100 in a table, all in every other format]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Limit {
    fn rows(&self, format: Format) -> usize {
        match (self.limit, format) {
            (Some(0), _) => usize::MAX,
            (Some(limit), _) => limit,
            (None, Format::Table) => TABLE_ROWS,
            (None, Format::Json | Format::Jsonl | Format::Name) => usize::MAX,
        }
    }
}

/// Prints a list, the oldest first, and says on stderr what is not shown. Gives the number of what was printed.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout cannot be written.
pub(super) async fn print<Q: Paged>(
    mut pages: Pages<'_, Q>,
    limit: Limit,
    describe: fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    let limit = limit.rows(output.format);
    let mut printed = PrintedPages::new(output);
    // The columns of a table are laid out once all rows are known.
    let mut rows = Vec::new();
    let (mut taken, mut left_out) = (0, 0);
    // One more than asked for tells whether there are more.
    while taken < limit
        && let Some(mut page) = pages.next((limit - taken).saturating_add(1)).await?
    {
        left_out += page.len().saturating_sub(limit - taken);
        page.truncate(limit - taken);
        taken += page.len();
        match output.format {
            Format::Table => rows.append(&mut page),
            Format::Json | Format::Jsonl | Format::Name => printed.print(&describe(&page))?,
        }
    }
    match output.format {
        Format::Table => printed.print(&describe(&rows))?,
        Format::Json | Format::Jsonl | Format::Name => printed.end()?,
    }
    if taken == 0 {
        note(format!("no {}", Q::ITEMS));
    }
    while left_out <= MAX_COUNTED
        && let Some(page) = pages.next(PAGE_SIZE).await?
    {
        left_out += page.len();
    }
    match left_out {
        0 => {}
        1..=MAX_COUNTED => note(format!("{left_out} more; --limit 0 shows all")),
        _ => note(format!("more than {MAX_COUNTED} more; --limit 0 shows all")),
    }
    Ok(taken)
}
