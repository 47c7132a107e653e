//! What people see of the demo: a board that is redrawn on a terminal, and lines elsewhere.

use std::{
    future::Future,
    io::{self, IsTerminal as _},
    pin::pin,
    time::{Duration, Instant},
};

use swarm_proto::v1::{Event, SubmitTasksRequest};

use super::board::Board;
use crate::{
    call::{client::Client, names},
    output::event,
    program::terminal::{is_colored, note, terminal_size, write_stderr},
};

/// How often the board is drawn.
const REDRAW_INTERVAL: Duration = Duration::from_millis(50);

/// How often the agents' names are asked for; an agent that registers later is shown by its id.
const MAX_NAMINGS: usize = 20;

/// The demo for people, on stderr.
pub(super) enum Picture {
    /// On a terminal.
    Drawn {
        board: Box<Board>,
        /// Lines of the last drawing, over which the next one goes.
        lines: usize,
        drawn_at: Instant,
        namings: usize,
    },
    /// Elsewhere.
    Lines,
}

impl Picture {
    /// Chooses by the kind of stderr.
    pub(super) fn open(request: &SubmitTasksRequest) -> Picture {
        match io::stderr().is_terminal() && terminal_size(io::stderr()).is_some() {
            true => Picture::Drawn {
                board: Box::new(Board::new(request)),
                lines: 0,
                drawn_at: Instant::now(),
                namings: 0,
            },
            false => Picture::Lines,
        }
    }

    /// Waits for something, and draws the board meanwhile.
    pub(super) async fn drawn_until<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        let mut redraw = tokio::time::interval(REDRAW_INTERVAL);
        redraw.reset();
        loop {
            tokio::select! {
                happened = &mut awaited => return happened,
                _ = redraw.tick() => self.draw(),
            }
        }
    }

    /// Takes in what happened.
    pub(super) async fn see(&mut self, happened: &Event, client: &Client) {
        match self {
            Picture::Drawn {
                board,
                namings,
                drawn_at,
                ..
            } => {
                if board.wants_names(happened) && *namings < MAX_NAMINGS {
                    *namings += 1;
                    board.name(names::of_agents(client).await);
                }
                board.see(happened);
                if drawn_at.elapsed() >= REDRAW_INTERVAL {
                    self.draw();
                }
            }
            Picture::Lines => note(event::text(happened)),
        }
    }

    /// Draws the board over its last drawing, in one write, so that nothing flickers.
    pub(super) fn draw(&mut self) {
        let Picture::Drawn {
            board,
            lines,
            drawn_at,
            ..
        } = self
        else {
            return;
        };
        let Some(size) = terminal_size(io::stderr()) else {
            return;
        };
        let sheet = board.sheet(size);
        let up = match *lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        let shown = sheet.shown(is_colored(&io::stderr())).replace('\n', "\x1b[K\n");
        write_stderr(&format!("{up}\r{shown}\x1b[J"));
        *lines = sheet.height();
        *drawn_at = Instant::now();
    }
}
