//! The whole status: every figure, on as many lines as that takes.

use std::time::Duration;

use swarm_proto::{
    duration::format_duration,
    v1::{AgentCounts, GetServerInfoResponse, GetStatusResponse, Hold, Rates, StateCounts},
};

use crate::{
    call::client::Client,
    output::{counts, hold, memory, page::Page, sheet::Sheet, state, text},
};

/// A coordinator whose time is ahead of the wall clock by more than this removes nothing.
const MAX_TIME_AHEAD_MS: u64 = 60_000;

/// The least difference of clocks that gets a line, in milliseconds.
const NOTABLE_CLOCK_DIFFERENCE_MS: i64 = 1_000;

/// Every figure.
pub(super) fn page(
    client: &Client,
    status: &GetStatusResponse,
    holds: &[Hold],
    server: &GetServerInfoResponse,
    width: Option<usize>,
) -> Sheet {
    let tasks: StateCounts = status.tasks.unwrap_or_default();
    let agents: AgentCounts = status.agents.unwrap_or_default();

    let mut page = Page::default();
    page.add("coordinator", client.address().to_string())
        .add("version", &server.version)
        .add("cluster", &server.cluster_id)
        .add(
            "up for",
            status.uptime.as_ref().map(text::duration).unwrap_or_default(),
        )
        .add("time", text::time(status.server_time.as_ref()))
        .add("clock", clock(status))
        .add("disk", disk(status))
        .add("process", process(status))
        .add("memory", memory::all(status))
        .add("journal", journal(status))
        .add("history", history(status))
        .add(
            "lease",
            server.lease_ttl.as_ref().map(text::duration).unwrap_or_default(),
        )
        .add("jobs", status.jobs.to_string())
        .add(
            "oldest queued",
            text::time_and_age(status.oldest_queued_time.as_ref()),
        )
        .add(
            "last minute",
            status.rates.as_ref().map(rates).unwrap_or_default(),
        );
    let mut sheet = page.sheet(width);
    if !holds.is_empty() {
        let table = hold::table(holds);
        let mut inner = Sheet::default();
        inner.table(&table, &table.layout(width.map(|width| width.saturating_sub(2))));
        sheet.section("holds").indented(2, inner);
        if status.more_holds > 0 {
            sheet.text(&format!(
                "  and {} more; see: {} and {}",
                status.more_holds,
                client.next("queue list"),
                client.next("agent list")
            ));
        }
    }
    sheet.section("tasks");
    for (state, count) in counts::by_state(&tasks) {
        sheet.text(&format!("  {:<13}{count:>8}", state::task(state)));
    }
    sheet.section("agents");
    for (shown, count) in [
        ("● online", agents.online),
        (state::SLOWED, agents.slowed),
        (state::COPIED, agents.copied),
        ("◑ draining", agents.draining),
        ("◫ paused", agents.paused),
        ("  of these silent", agents.silent),
        ("✘ lost", agents.lost),
        ("slots", status.slots),
    ] {
        sheet.text(&format!("  {shown:<13}{count:>8}"));
    }
    sheet
}

fn disk(status: &GetStatusResponse) -> String {
    if status.journal_bytes == 0 {
        return String::new();
    }
    let left = status
        .free_bytes
        .map(|free| format!(", {} left", text::bytes(free)));
    format!(
        "journal {}, store {}{}",
        text::bytes(status.journal_bytes),
        text::bytes(status.store_bytes),
        left.unwrap_or_default()
    )
}

fn process(status: &GetStatusResponse) -> String {
    let Some(process) = &status.process else {
        return String::new();
    };
    format!(
        "{} of memory, {} at most, {} of processor time",
        text::bytes(process.resident_bytes),
        text::bytes(process.peak_resident_bytes),
        process.cpu_time.as_ref().map(text::duration).unwrap_or_default()
    )
}

/// The journal's last event, and the lag of disk and store.
fn journal(status: &GetStatusResponse) -> String {
    let as_of = status.as_of.as_ref().map_or(0, |as_of| as_of.seq);
    let last = status.journal_seq.max(as_of);
    let mut journal = format!("event {last}");
    if status.journal_lag > 0 {
        journal.push_str(&format!(", {} not yet on disk", status.journal_lag));
    }
    match last.saturating_sub(status.store_seq) {
        0 => journal.push_str("; the store is in step"),
        behind => journal.push_str(&format!(
            "; the store has yet to take {}",
            text::counted(behind, "event")
        )),
    }
    journal
}

/// That events are missing; `swarmctl doctor` says what mends it.
pub(super) fn history(status: &GetStatusResponse) -> String {
    match status.agents_saw_seq {
        0 => String::new(),
        seen => format!("an agent has seen event {seen}, which the journal did not have: see doctor"),
    }
}

pub(super) fn rates(rates: &Rates) -> String {
    let parts = [
        (rates.submitted, "submitted"),
        (rates.granted, "granted"),
        (rates.succeeded, "succeeded"),
        (rates.failed, "failed"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(rate, _)| *rate > 0.0)
        .map(|(rate, what)| format!("{}/s {what}", per_second(rate)))
        .collect();
    if parts.is_empty() {
        "nothing happened".to_owned()
    } else {
        parts.join(", ")
    }
}

/// A rate with about two digits: 0.017, 1.2, 340.
fn per_second(rate: f64) -> String {
    match rate {
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate if rate >= 1.0 => format!("{rate:.1}"),
        rate if rate >= 0.1 => format!("{rate:.2}"),
        rate => format!("{rate:.3}"),
    }
}

/// What is wrong with the clock; `swarmctl doctor` says what mends it.
pub(super) fn clock(status: &GetStatusResponse) -> String {
    if status.clock_doubt_ms > 0 {
        let ahead = length(status.clock_doubt_ms);
        return format!(
            "this coordinator's clock is {ahead} ahead of its last event and not believed: see doctor"
        );
    }
    if status.time_ahead_ms > MAX_TIME_AHEAD_MS {
        let ahead = length(status.time_ahead_ms);
        return format!("this coordinator's time is {ahead} ahead of its machine's clock: see doctor");
    }
    clock_difference(status.wall_clock_ahead_ms)
}

fn length(millis: u64) -> String {
    format_duration(Duration::from_secs(millis / 1_000))
}

fn clock_difference(ahead_ms: i64) -> String {
    if ahead_ms.abs() < NOTABLE_CLOCK_DIFFERENCE_MS {
        return String::new();
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    format!(
        "the machine's wall clock is {} s {direction} the coordinator's",
        ahead_ms.abs() / 1_000
    )
}
