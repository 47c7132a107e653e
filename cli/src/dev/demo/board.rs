//! The demo as a picture that is drawn again and again: agents as rows, tasks as cells, and a bar.

use std::collections::BTreeMap;

use swarm_proto::v1::{Event, StateCounts, SubmitTasksRequest, TaskState};

use crate::output::{
    counts,
    names::Names,
    sheet::{Ink, Sheet},
};

/// Characters of the bar of all tasks.
const BAR_WIDTH: usize = 20;

/// Characters of an agent's name.
const NAME_CHARS: usize = 12;

/// Of the width, the share that cells may take: the names of running tasks stand behind them.
const CELLS_SHARE: (usize, usize) = (1, 2);

/// What has become of the demo's tasks, as far as events have said.
pub(super) struct Board {
    rows: Vec<Row>,
    tasks: BTreeMap<String, Seen>,
    names: Names,
}

/// A task with its name and its state.
struct Seen {
    name: String,
    state: TaskState,
}

/// An agent with the attempts that it was given, in their order.
struct Row {
    agent_id: String,
    cells: Vec<Cell>,
}

struct Cell {
    task_id: String,
    ink: Ink,
}

impl Board {
    /// Nothing has happened to these tasks yet.
    pub(super) fn new(request: &SubmitTasksRequest) -> Board {
        let seen = |name: &str, waits: bool| Seen {
            name: name.to_owned(),
            state: if waits {
                TaskState::Blocked
            } else {
                TaskState::Queued
            },
        };
        let tasks = request.tasks.iter().map(|task| {
            let spec = task.spec.clone().unwrap_or_default();
            (
                task.task_id.clone(),
                seen(&spec.name, !spec.depends_on.is_empty()),
            )
        });
        Board {
            rows: Vec::new(),
            tasks: tasks.collect(),
            names: Names::default(),
        }
    }

    /// Whether the event is of an agent that has no name here yet.
    pub(super) fn wants_names(&self, event: &Event) -> bool {
        !event.agent_id.is_empty() && self.names.agent(&event.agent_id) == event.agent_id
    }

    /// Learns the agents' names.
    pub(super) fn name(&mut self, names: Names) {
        self.names = names;
    }

    /// Takes in what happened.
    pub(super) fn see(&mut self, event: &Event) {
        let (state, ink) = match event.kind.as_str() {
            "lease_granted" => (TaskState::Running, Ink::Busy),
            "task_succeeded" => (TaskState::Succeeded, Ink::Good),
            "task_failed" => (TaskState::Failed, Ink::Bad),
            "task_cancelled" => (TaskState::Cancelled, Ink::Notable),
            "task_skipped" => (TaskState::Skipped, Ink::Notable),
            "attempt_failed" | "lease_expired" | "lease_released" => (TaskState::Queued, Ink::Bad),
            "task_due" | "dependency_met" => (TaskState::Queued, Ink::Plain),
            _ => return,
        };
        let Some(seen) = self.tasks.get_mut(&event.task_id) else {
            return;
        };
        if event.kind != "dependency_met" {
            seen.state = state;
        }
        if event.agent_id.is_empty() {
            return;
        }
        let row = self.row(&event.agent_id);
        if state == TaskState::Running {
            row.cells.push(Cell {
                task_id: event.task_id.clone(),
                ink,
            });
        } else if let Some(cell) = row.cells.iter_mut().rfind(|cell| cell.task_id == event.task_id) {
            cell.ink = ink;
        }
    }

    fn row(&mut self, agent_id: &str) -> &mut Row {
        let place = self.rows.iter().position(|row| row.agent_id == agent_id);
        let place = place.unwrap_or_else(|| {
            self.rows.push(Row {
                agent_id: agent_id.to_owned(),
                cells: Vec::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    /// The picture for a terminal of this size.
    pub(super) fn sheet(&self, (width, height): (usize, usize)) -> Sheet {
        /// The row of tasks that wait, the bar, and the line of the prompt.
        const OTHER_LINES: usize = 3;
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| self.names.agent(&row.agent_id));
        let room = (width * CELLS_SHARE.0 / CELLS_SHARE.1)
            .saturating_sub(NAME_CHARS)
            .max(1);
        let mut sheet = Sheet::default();
        for row in rows.into_iter().take(height.saturating_sub(OTHER_LINES)) {
            self.add_row(&mut sheet, row, room, width);
        }
        let waiting =
            self.count(|state| matches!(state, TaskState::Queued | TaskState::Blocked | TaskState::Delayed));
        sheet.line([
            (Ink::Faint, format!("{:NAME_CHARS$}", "waiting")),
            (Ink::Faint, "·".repeat(waiting.min(room))),
            (
                Ink::Faint,
                if waiting > room {
                    format!(" {waiting}")
                } else {
                    String::new()
                },
            ),
        ]);
        sheet.broken(counts::bar(&self.counts(), BAR_WIDTH), Some(width));
        sheet
    }

    fn add_row(&self, sheet: &mut Sheet, row: &Row, room: usize, width: usize) {
        let name = self.names.agent(&row.agent_id);
        let name: String = name.chars().take(NAME_CHARS - 1).collect();
        let mut pieces = vec![(Ink::Strong, format!("{name:NAME_CHARS$}"))];
        let shown = &row.cells[row.cells.len().saturating_sub(room)..];
        pieces.extend(shown.iter().map(|cell| {
            let glyph = if cell.ink == Ink::Busy { "▶" } else { "■" };
            (cell.ink, glyph.to_owned())
        }));
        let running = row.cells.iter().filter(|cell| cell.ink == Ink::Busy);
        let names: Vec<&str> = running
            .filter_map(|cell| self.tasks.get(&cell.task_id))
            .map(|task| task.name.as_str())
            .collect();
        let left = width.saturating_sub(NAME_CHARS + shown.len() + 2);
        let names: String = names.join(", ").chars().take(left).collect();
        pieces.push((Ink::Faint, format!("  {names}")));
        sheet.line(pieces);
    }

    fn count(&self, is_meant: impl Fn(TaskState) -> bool) -> usize {
        self.tasks.values().filter(|task| is_meant(task.state)).count()
    }

    fn counts(&self) -> StateCounts {
        self.tasks.values().fold(StateCounts::default(), |sum, task| {
            counts::sum(&sum, &counts::of(task.state))
        })
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{Dependency, NewTask, TaskSpec};

    use super::*;

    fn board() -> Board {
        let task = |id: &str, waits: bool| NewTask {
            task_id: id.into(),
            spec: Some(TaskSpec {
                name: format!("{id}: lines"),
                depends_on: if waits {
                    vec![Dependency::default()]
                } else {
                    Vec::new()
                },
                ..TaskSpec::default()
            }),
        };
        let tasks = vec![
            task("a", false),
            task("b", false),
            task("c", false),
            task("end", true),
        ];
        let mut board = Board::new(&SubmitTasksRequest { job: None, tasks });
        let mut names = Names::default();
        names.know_agent("x1", "dev-1");
        names.know_agent("x2", "dev-2");
        board.name(names);
        board
    }

    fn event(kind: &str, task: &str, agent: &str) -> Event {
        Event {
            kind: kind.into(),
            task_id: task.into(),
            agent_id: agent.into(),
            ..Event::default()
        }
    }

    #[test]
    fn agents_are_rows_and_tasks_are_cells() {
        let mut board = board();
        for (kind, task, agent) in [
            ("lease_granted", "a", "x2"),
            ("lease_granted", "b", "x1"),
            ("attempt_failed", "b", "x1"),
            ("task_succeeded", "a", "x2"),
            ("lease_granted", "b", "x2"),
            ("lease_granted", "c", "x2"),
            ("task_submitted", "a", ""),
        ] {
            board.see(&event(kind, task, agent));
        }
        assert_eq!(
            board.sheet((80, 24)).shown(false),
            "\
dev-1       ■  
dev-2       ■▶▶  b: lines, c: lines
waiting     ·
█████░░░░░░░░░░░░░░░ 1 of 4 tasks ended: 1 succeeded; 1 blocked, 2 running
"
        );
        assert!(!board.wants_names(&event("lease_granted", "a", "x2")));
        assert!(board.wants_names(&event("lease_granted", "a", "x3")));
    }

    #[test]
    fn the_picture_fits_its_terminal() {
        let mut board = board();
        for n in 0..40 {
            board.see(&event("lease_granted", "a", &format!("agent-{n:02}")));
        }
        let sheet = board.sheet((40, 10));
        assert!(sheet.height() <= 10, "{}", sheet.height());
        let shown = sheet.shown(false);
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
    }
}
