//! Lists on stdout: a limited number of rows for people, everything for scripts.

use swarm_proto::limits::MAX_PAGE_ITEMS;

use crate::{
    call::pages::{Paged, Pages},
    output::{Listing, Output, pages::PrintedPages},
    program::{
        globals::Format,
        terminal::{hint, note},
    },
};

/// Rows of a table without `--limit`.
const TABLE_ROWS: usize = 100;

/// Rows of a table that are laid out together; later rows continue the columns.
const LAID_OUT_ROWS: usize = 1_000;

/// At most this many hidden items are counted, because counting costs as much as showing.
const MAX_COUNTED: usize = 10_000;

/// The flag that limits a list.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Limit {
    /// At most this many; 0 is all [default: 100 in a table, all in every other format]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// The flag that shows the rest.
    #[arg(skip = "--limit 0")]
    rest: &'static str,
}

/// The flags of a list that people read: its order, and how much of it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Extent {
    #[command(flatten)]
    pub(crate) sorting: Sorting,
    #[command(flatten)]
    limit: Limit,
    /// All of them: the same as --limit 0
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Extent {
    /// The limit, which `--all` lifts.
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            limit: if self.all { Some(0) } else { self.limit.limit },
            rest: "--all",
        }
    }
}

/// The flags that sort a list.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sorting {
    /// The newest first
    #[arg(long)]
    pub(crate) newest: bool,
    /// The oldest first, as they were submitted [default for -q, -o json and the like; a table begins with those that
    /// have not ended, and goes on with the newest]
    #[arg(long, conflicts_with = "newest")]
    pub(crate) oldest: bool,
    /// Sorted by this field, a column or a path of the JSON; with - before it the largest first
    #[arg(
        long,
        value_name = "[-]FIELD",
        allow_hyphen_values = true,
        conflicts_with_all = ["newest", "oldest"]
    )]
    sort: Option<String>,
}

impl Limit {
    fn rows(self, format: Format) -> usize {
        match self.limit {
            Some(0) => usize::MAX,
            Some(limit) => limit,
            None if format.is_for_people() => TABLE_ROWS,
            None => usize::MAX,
        }
    }
}

/// Prints a sorted list, and tells on stderr how much is hidden. Returns the number of printed items.
///
/// # Errors
///
/// As `print`; also when the list is too long to sort.
pub(crate) async fn print_sorted<Q: Paged>(
    pages: Pages<'_, Q>,
    sorting: &Sorting,
    limit: Limit,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    let Some(field) = &sorting.sort else {
        return print(pages, limit, describe, output).await;
    };
    let mut items = crate::verb::look::sort::sorted(pages, field, describe, output).await?;
    let left_out = items.len().saturating_sub(limit.rows(output.format));
    items.truncate(limit.rows(output.format));
    output.list(&describe(&items))?;
    tell_rest::<Q>(items.len(), left_out, limit);
    Ok(items.len())
}

impl Sorting {
    /// Whether to begin with what has not ended: for people who ask for no other order.
    pub(crate) fn is_living_first(&self, output: &Output) -> bool {
        output.format.is_for_people() && !self.newest && !self.oldest && self.sort.is_none()
    }
}

/// Prints a list in an order of our own, into which the first items are put; later ones follow as they come. Returns
/// the number of printed items.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout cannot be written.
pub(crate) async fn print_ordered<Q: Paged>(
    mut pages: Pages<'_, Q>,
    order: fn(&mut [Q::Item]),
    limit: Limit,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    let mut first: Vec<Q::Item> = Vec::new();
    while first.len() < MAX_COUNTED
        && let Some(page) = pages.next(MAX_PAGE_ITEMS).await?
    {
        first.extend(page);
    }
    order(&mut first);
    let is_whole = first.len() < MAX_COUNTED;
    let printed = print_behind(first, pages, limit, describe, output).await?;
    if !is_whole {
        let items = Q::ITEMS;
        hint(format!(
            "only the first {MAX_COUNTED} {items} were put into this order"
        ));
    }
    Ok(printed)
}

/// Prints a whole list. Returns the number of items.
///
/// # Errors
///
/// As `print`.
pub(crate) async fn print_all<Q: Paged>(
    pages: Pages<'_, Q>,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    let limit = Limit {
        limit: Some(0),
        rest: "",
    };
    print(pages, limit, describe, output).await
}

/// Prints a list in the coordinator's order, and tells on stderr how much is hidden. Returns the number of printed
/// items.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout cannot be written.
pub(crate) async fn print<Q: Paged>(
    pages: Pages<'_, Q>,
    limit: Limit,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    print_behind(Vec::new(), pages, limit, describe, output).await
}

/// As `print`, with items that were read before the pages.
async fn print_behind<Q: Paged>(
    first: Vec<Q::Item>,
    mut pages: Pages<'_, Q>,
    limit: Limit,
    describe: &dyn Fn(&[Q::Item]) -> Listing,
    output: &Output,
) -> anyhow::Result<usize> {
    let most = limit.rows(output.format);
    let mut printed = PrintedPages::new(output);
    // Columns are laid out when many rows are known.
    let together = if output.format.is_for_people() {
        LAID_OUT_ROWS
    } else {
        1
    };
    let mut rows = first;
    let mut left_out = rows.len().saturating_sub(most);
    rows.truncate(most);
    let mut taken = rows.len();
    // One item beyond the limit tells whether there are more.
    while taken < most
        && let Some(mut page) = pages.next((most - taken).saturating_add(1)).await?
    {
        left_out += page.len().saturating_sub(most - taken);
        page.truncate(most - taken);
        taken += page.len();
        rows.append(&mut page);
        if rows.len() >= together {
            printed.print(&describe(&rows))?;
            rows.clear();
        }
    }
    if !rows.is_empty() || taken == 0 {
        printed.print(&describe(&rows))?;
    }
    printed.end()?;
    while left_out <= MAX_COUNTED
        && let Some(page) = pages.next(MAX_PAGE_ITEMS).await?
    {
        left_out += page.len();
    }
    tell_rest::<Q>(taken, left_out, limit);
    Ok(taken)
}

fn tell_rest<Q: Paged>(taken: usize, left_out: usize, limit: Limit) {
    if taken == 0 && left_out == 0 {
        note(format!("no {}", Q::ITEMS));
    }
    let rest = limit.rest;
    match left_out {
        0 => {}
        1..=MAX_COUNTED => hint(format!("{left_out} more; {rest} shows them")),
        _ => hint(format!("more than {MAX_COUNTED} more; {rest} shows them")),
    }
}
