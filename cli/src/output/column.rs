//! A column of a table: its heading, and when it is shown.

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    pub(super) heading: String,
    /// Whether its text is cut for lack of room.
    pub(super) is_free_text: bool,
    /// Whether it is shown only with all columns, or where there is room for it.
    pub(super) is_extra: bool,
    /// Whether it is aligned to the right.
    pub(super) is_number: bool,
    /// Texts that say nothing: a column without any other is left out.
    pub(super) usual: &'static [&'static str],
    /// Whether it is never left out.
    pub(super) is_asked_for: bool,
    /// Whether it is left out because what it says stands elsewhere.
    pub(super) is_told_elsewhere: bool,
    /// Where the JSON says the same.
    pub(super) path: Option<&'static str>,
}

impl Column {
    /// A column that is never cut.
    pub fn new(heading: impl Into<String>) -> Column {
        Column {
            heading: heading.into(),
            is_free_text: false,
            is_extra: false,
            is_number: false,
            usual: &[],
            is_asked_for: false,
            is_told_elsewhere: false,
            path: None,
        }
    }

    /// A column whose text is cut for lack of room.
    #[must_use]
    pub fn free_text(mut self) -> Column {
        self.is_free_text = true;
        self
    }

    /// A column for a path of the JSON. Ids and states are never cut.
    pub(super) fn of_path(path: &str) -> Column {
        let column = Column::new(path.to_uppercase()).shown();
        match path.rsplit(['.', '_']).next() {
            Some("id" | "state") => column,
            _ => column.free_text(),
        }
    }

    /// The same column without the marks that hide it: it was asked for by name.
    pub(super) fn shown(&self) -> Column {
        Column {
            is_extra: false,
            is_asked_for: true,
            ..self.clone()
        }
    }

    /// Its name in `--fields`.
    pub(super) fn name(&self) -> String {
        self.heading.to_lowercase().replace(' ', "_")
    }
}
