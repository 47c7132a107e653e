//! The work of a task: a command, or a text for a language model.

use super::{
    draft::Draft,
    fields,
    reference::PROMPT,
    task::Reader,
    tree::{Content, Entry},
};

impl Reader<'_> {
    /// A text, or `{text: …, model: …}`.
    pub(super) fn read_prompt(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        self.has_work = true;
        let Content::Map(entries) = &entry.value.content else {
            return self.read_prompt_text(field, entry, draft);
        };
        let position = entry.position;
        for entry in entries {
            let field = format!("{field}.{}", entry.key);
            match entry.key.as_str() {
                "text" => self.read_prompt_text(&field, entry, draft),
                "model" => self.read_model(&field, entry, draft),
                key => fields::unknown(key, entry.position, &[&PROMPT], self.faults),
            }
        }
        if draft.prompt.is_none() {
            self.faults.push(position, format!("`{field}` has no `text`"));
        }
    }

    fn read_prompt_text(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        self.begin("spec.prompt.text", field, entry);
        let text = fields::text(&entry.value, field, self.faults).unwrap_or_default();
        if text.trim().is_empty() {
            self.faults
                .push(entry.value.position, format!("`{field}` is empty"));
        }
        draft.prompt = Some(text.to_owned());
    }

    pub(super) fn read_model(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        self.begin("spec.prompt.model", field, entry);
        draft.model = fields::text(&entry.value, field, self.faults).map(str::to_owned);
    }

    /// Refuses fields of a command in a prompt.
    pub(super) fn check_work(&mut self, draft: &Draft) {
        if draft.prompt.is_none() {
            return;
        }
        for (path, fault) in [
            (
                "spec.command.argv",
                "is another kind of work than `prompt`: keep one of them",
            ),
            (
                "spec.command.cwd",
                "goes with a command, and this task is a prompt",
            ),
            (
                "spec.command.stdin",
                "goes with a command, and this task is a prompt",
            ),
            (
                "spec.command.env",
                "goes with a command, and this task is a prompt",
            ),
        ] {
            if let Some((field, position)) = self.given(path) {
                self.faults.push(position, format!("`{field}` {fault}"));
            }
        }
    }
}
