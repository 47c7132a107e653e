//! A watched status on a terminal: each page fits the screen, whatever there is to show.

use std::{
    fs::File,
    io::Read as _,
    process::{Child, Stdio},
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use swarm_proto::v1::{Agent, AgentState, TaskState};

use crate::fake::{Fake, World};

const ROWS: u16 = 24;

/// What begins a page, and what ends it.
const HOME: &str = "\u{1b}[H";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// More agents and running tasks than a screen has lines, and tasks that no agent can run.
fn a_busy_swarm(world: &mut World) {
    for number in 0..40 {
        world.agents.push(Agent {
            agent_id: format!("agent{number:02}"),
            name: format!("a-machine-with-a-long-name-{number:02}"),
            slots: 16,
            state: AgentState::Online.into(),
            ..Agent::default()
        });
    }
    for number in 0..300 {
        let task = world.task(&format!("t{number:03}"), TaskState::Running);
        task.spec.as_mut().unwrap().name =
            format!("frame {number:03} of a film whose name needs a line of its own");
    }
    world.task("waits", TaskState::Queued);
    world.held.status.unmatched = 1;
}

/// A watched status on a terminal, and what it draws.
struct Watched {
    child: Child,
    screen: File,
    drawn: String,
}

impl Watched {
    fn start(fake: &Fake, columns: u16) -> Watched {
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).unwrap();
        let child = fake
            .command(&["status", "-w", "--color", "never"])
            .stdin(Stdio::null())
            .stdout(pty.slave)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Watched {
            child,
            screen: File::from(pty.master),
            drawn: String::new(),
        }
    }

    /// The lines of the next whole page.
    fn page(&mut self) -> Vec<String> {
        loop {
            if let Some(end) = self.drawn.find(CLEAR_BELOW) {
                let page: String = self.drawn.drain(..end + CLEAR_BELOW.len()).collect();
                let page = page.replace("\u{1b}[K", "").replace('\r', "");
                let page = page.strip_suffix(CLEAR_BELOW).unwrap();
                let page = page.strip_prefix(HOME).unwrap();
                // The first of all empties the screen and shows nothing.
                if page.is_empty() {
                    continue;
                }
                return page.lines().map(str::to_owned).collect();
            }
            let mut bytes = [0; 4096];
            let read = self.screen.read(&mut bytes).unwrap();
            self.drawn.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watched_status_fits_the_screen_and_shows_what_runs_where() {
    let fake = Fake::start(a_busy_swarm);
    for columns in [80, 200] {
        let mut watched = Watched::start(&fake, columns);
        for _ in 0..2 {
            let page = watched.page();
            let shown = page.join("\n");
            // The cursor stands on a line of its own below the page.
            assert!(
                page.len() < usize::from(ROWS),
                "{columns}: {}\n{shown}",
                page.len()
            );
            let longest = page.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(columns), "{columns}: {longest}\n{shown}");
            for what in [
                "agents",
                "a-machine-with-a-long-name-00",
                "more: swarmctl",
                "running",
                "frame 00",
                "1 queued task that no live agent can run as things are",
            ] {
                assert!(shown.contains(what), "{columns}: no {what:?}\n{shown}");
            }
        }
        kill(
            Pid::from_raw(watched.child.id().try_into().unwrap()),
            Signal::SIGINT,
        )
        .unwrap();
        assert_eq!(watched.child.wait().unwrap().code(), Some(130));
    }
}
