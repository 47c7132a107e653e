//! A task of a file as it is read, with unresolved references.

use std::collections::BTreeSet;

use swarm_proto::v1::{Command, DependencyCondition, Prompt, TaskSpec, task_spec::Work};

use super::{fault::Position, series::Item};

/// A task as it is read.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) position: Position,
    pub(super) written_id: Option<(String, Position)>,
    pub(super) name: Option<(String, Position)>,
    pub(super) references: Vec<Reference>,
    /// A task for each of these in place of one.
    pub(super) series: Option<Vec<Item>>,
    /// Everything but `depends_on`, which the references become.
    pub(super) spec: TaskSpec,
    pub(super) command: Command,
    /// The text of a prompt, which replaces the command.
    pub(super) prompt: Option<String>,
    pub(super) model: Option<String>,
    pub(super) requires: Vec<Term>,
    /// Fields that mean something to people alone.
    pub(super) descriptive: BTreeSet<&'static str>,
    /// When false, at most one such task of the file runs at a time.
    pub(super) parallel_safe: bool,
}

/// A dependency as it is written.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) target: String,
    pub(super) condition: DependencyCondition,
    pub(super) position: Position,
}

/// A term of a job file, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) text: String,
    pub(super) position: Position,
}

impl Draft {
    /// The task in a sentence: its id, its name, or its line.
    pub(super) fn title(&self) -> String {
        match self.written_id.as_ref().or(self.name.as_ref()) {
            Some((title, _)) => format!("'{title}'"),
            None => format!("the task in line {}", self.position.line),
        }
    }

    /// The number of tasks that it becomes.
    pub(super) fn count(&self) -> usize {
        self.series.as_ref().map_or(1, Vec::len)
    }

    /// The place of its id, or else of its beginning.
    pub(super) fn place_of_id(&self) -> Position {
        self.written_id
            .as_ref()
            .map_or(self.position, |(_, position)| *position)
    }

    /// The work in its final form. A model without a prompt describes the task to people.
    pub(super) fn take_work(&mut self) -> Work {
        match (self.prompt.take(), self.model.take()) {
            (Some(text), model) => Work::Prompt(Prompt {
                text,
                model: model.unwrap_or_default(),
            }),
            (None, model) => {
                self.spec
                    .metadata
                    .extend(model.map(|model| ("model".to_owned(), model)));
                Work::Command(std::mem::take(&mut self.command))
            }
        }
    }

    /// A task without any fields.
    pub(super) fn at(position: Position) -> Draft {
        Draft {
            position,
            written_id: None,
            name: None,
            references: Vec::new(),
            series: None,
            spec: TaskSpec::default(),
            command: Command::default(),
            prompt: None,
            model: None,
            requires: Vec::new(),
            descriptive: BTreeSet::new(),
            parallel_safe: true,
        }
    }
}
