//! `swarmctl status`: everything on one page.

mod board;
mod details;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use swarm_program::exit::Exit;
use swarm_proto::v1::{GetServerInfoRequest, GetStatusRequest};

use self::board::{AtWork, Board};
use super::holds;
use crate::{
    call::{client::Client, clocks},
    output::Output,
    program::{
        globals::{Format, Globals},
        interrupt::unless_interrupted,
        terminal::{terminal_size, write_stdout},
    },
};

/// How often a watched page is drawn again.
const REDRAW_INTERVAL: Duration = Duration::from_secs(2);

/// Empties the screen before a page is drawn there again and again.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// Lines of a terminal that does not say how many it has.
const USUAL_HEIGHT: usize = 24;

const EXAMPLES: &str = "\
Examples:
  swarmctl status                              what runs where, what waits, and what is in the way
  swarmctl status -w                           drawn again every two seconds
  swarmctl status -o wide                      every figure of the coordinator
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
        clocks::compare(&client, &output).await;
        return Ok(Exit::Done);
    }
    let clear = io::stdout().is_terminal() && output.format.is_for_people();
    if clear {
        write_stdout(CLEAR)?;
    }
    let watching = async {
        let mut redraw = tokio::time::interval(REDRAW_INTERVAL);
        loop {
            redraw.tick().await;
            draw(&client, &output, clear).await?;
        }
    };
    match unless_interrupted(watching).await {
        Ok(result) => result,
        Err(signal) => Ok(signal),
    }
}

async fn draw(client: &Client, output: &Output, clear: bool) -> anyhow::Result<()> {
    let failed = || client.failure("cannot ask for the status");
    let mut status = client.call(GetStatusRequest {}).await.map_err(failed())?;
    status.tasks.get_or_insert_default();
    status.agents.get_or_insert_default();
    if !output.wants_page() {
        return output.one(&status, &client.address().to_string(), "");
    }
    let server = client.call(GetServerInfoRequest {}).await.map_err(failed())?;
    let holds = holds::by_name(client, &status.holds).await;
    let (width, height) = terminal_size(io::stdout()).unzip();
    let page = match output.format {
        Format::Wide => details::page(client, &status, &holds, &server, width),
        _ => {
            let at_work = AtWork::look(client).await?;
            let board = Board {
                client,
                status: &status,
                holds: &holds,
                server: &server,
                at_work: &at_work,
                width,
            };
            let unknown = if io::stdout().is_terminal() {
                USUAL_HEIGHT
            } else {
                usize::MAX
            };
            board.page(height.unwrap_or(unknown).saturating_sub(1))
        }
    };
    if clear {
        return Ok(output.redraw(&page)?);
    }
    output.one(&status, &client.address().to_string(), page)
}
