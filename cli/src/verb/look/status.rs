//! `swarmctl status`: everything on one page.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use swarm_program::exit::Exit;
use swarm_proto::duration::format_duration;
use swarm_proto::v1::{
    AgentCounts, GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse, Hold,
    Rates, StateCounts,
};

use super::holds;
use crate::{
    call::client::Client,
    output::{Output, change, counts, hold, memory, page::Page, state, text},
    program::{
        globals::{Format, Globals},
        interrupt::unless_interrupted,
        terminal::write_stdout,
    },
};

/// How often a watched page is drawn again.
const REDRAW_INTERVAL: Duration = Duration::from_secs(2);

/// A coordinator whose time is ahead of the wall clock by more than this removes nothing.
const MAX_TIME_AHEAD_MS: u64 = 60_000;

/// The least difference of clocks that gets a line, in milliseconds.
const NOTABLE_CLOCK_DIFFERENCE_MS: i64 = 1_000;

const EXAMPLES: &str = "\
Examples:
  swarmctl status                              tasks, agents and the coordinator
  swarmctl status -w                           drawn again every two seconds
  swarmctl status -o json                      for a script";

/// How to show the page.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Draw it again every two seconds, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
}

/// Shows the page.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    if !args.watch {
        draw(&client, &output, false).await?;
        return Ok(Exit::Done);
    }
    let clear = io::stdout().is_terminal() && output.format.is_for_people();
    let watching = async {
        let mut redraw = tokio::time::interval(REDRAW_INTERVAL);
        loop {
            redraw.tick().await;
            draw(&client, &output, clear).await?;
        }
    };
    match unless_interrupted(watching).await {
        Some(result) => result,
        None => Ok(Exit::Interrupted),
    }
}

async fn draw(client: &Client, output: &Output, clear: bool) -> anyhow::Result<()> {
    let failed = || client.failure("cannot ask for the status");
    let mut status = client.call(GetStatusRequest {}).await.map_err(failed())?;
    status.tasks.get_or_insert_default();
    status.agents.get_or_insert_default();
    let page = match output.format {
        Format::Table | Format::Wide => {
            let server = client.call(GetServerInfoRequest {}).await.map_err(failed())?;
            let holds = holds::by_name(client, &status.holds).await;
            page(client, &status, &holds, &server, output.width())
        }
        Format::Json | Format::Jsonl | Format::Yaml | Format::Name => String::new(),
    };
    if clear {
        // The cursor goes home and the screen is cleared in the same write, so that nothing flickers.
        write_stdout(b"\x1b[H\x1b[J")?;
    }
    output.one(&status, &client.address().to_string(), &page)?;
    Ok(())
}

fn page(
    client: &Client,
    status: &GetStatusResponse,
    holds: &[Hold],
    server: &GetServerInfoResponse,
    width: Option<usize>,
) -> String {
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
        .add("oldest queued", oldest_queued(status))
        .add(
            "last minute",
            status.rates.as_ref().map(rates).unwrap_or_default(),
        );
    let mut page = page.within(width);
    if !holds.is_empty() {
        page.push_str("\nholds\n");
        for line in hold::table(holds)
            .within(width.map(|width| width.saturating_sub(2)))
            .lines()
        {
            page.push_str(&format!("  {line}\n"));
        }
        if status.more_holds > 0 {
            page.push_str(&format!(
                "  and {} more; see: {} and {}\n",
                status.more_holds,
                client.next("queue list"),
                client.next("agent list")
            ));
        }
    }

    page.push_str("\ntasks\n");
    for (state, count) in counts::by_state(&tasks) {
        page.push_str(&format!("  {:<13}{count:>8}\n", state::task(state)));
    }
    page.push_str("\nagents\n");
    for (shown, count) in [
        ("● online", agents.online),
        ("◑ draining", agents.draining),
        ("◫ paused", agents.paused),
        ("✘ lost", agents.lost),
    ] {
        page.push_str(&format!("  {shown:<13}{count:>8}\n"));
    }
    if agents.slowed > 0 {
        page.push_str(&format!(
            "  {:<13}{:>8}  online, and given nothing for a while: their machines fail. Which: {}\n",
            state::SLOWED,
            agents.slowed,
            client.next("agent list")
        ));
    }
    if agents.copied > 0 {
        page.push_str(&format!(
            "  {:<13}{:>8}  copies of them were refused, and need state directories of their own. Which: {}\n",
            state::COPIED,
            agents.copied,
            client.next("agent list")
        ));
    }
    page.push_str(&format!("  {:<13}{:>8}\n", "slots", status.slots));
    if agents.online == 0 && tasks.queued > 0 {
        page.push_str(&format!(
            "\n{} and no agent is online\n  start one: {}\n",
            text::counted(tasks.queued, "queued task"),
            change::start_agent(client.address())
        ));
    }
    if let Some(first) = status.holds.first() {
        let resume = change::resume(&hold::Scope::of(first), client.address());
        page.push_str(&format!("\nto give work again: {resume}\n"));
    }
    if status.unmatched > 0 {
        page.push_str(&format!(
            "\n{} that no live agent can run as things are\n  which: {}\n  why:   {}\n",
            text::counted(status.unmatched, "queued task"),
            client.next("list --state queued"),
            client.next("explain ID")
        ));
    }
    page
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
        behind => journal.push_str(&format!("; the store is {behind} behind")),
    }
    journal
}

/// That events are missing; `swarmctl doctor` says what mends it.
fn history(status: &GetStatusResponse) -> String {
    match status.agents_saw_seq {
        0 => String::new(),
        seen => format!("an agent has seen event {seen}, which the journal did not have: see doctor"),
    }
}

fn oldest_queued(status: &GetStatusResponse) -> String {
    let Some(oldest) = &status.oldest_queued_time else {
        return String::new();
    };
    let waits = text::span(Some(oldest), status.server_time.as_ref());
    format!("{}, {waits} ago", text::time(Some(oldest)))
}

fn rates(rates: &Rates) -> String {
    let parts = [
        (rates.submitted, "submitted"),
        (rates.granted, "granted"),
        (rates.succeeded, "succeeded"),
        (rates.failed, "failed or lost"),
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
fn clock(status: &GetStatusResponse) -> String {
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
