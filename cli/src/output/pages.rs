//! A list printed page by page, so that a long list is never in memory as a whole.

use serde_json::{Value, json};

use super::{
    Listing, Output,
    sheet::Sheet,
    table::{Layout, Table},
    yaml,
};
use crate::program::globals::Format;

/// A list that is being printed.
pub struct PrintedPages<'o> {
    output: &'o Output,
    /// The key of the list in the JSON object, once a page has told it.
    key: Option<&'static str>,
    /// Whether an element was printed.
    has_element: bool,
    /// The table's columns, once they are laid out, and those that had nothing to say.
    layout: Option<(Layout, Vec<usize>)>,
}

impl<'o> PrintedPages<'o> {
    /// Nothing is printed yet.
    pub fn new(output: &'o Output) -> PrintedPages<'o> {
        PrintedPages {
            output,
            key: None,
            has_element: false,
            layout: None,
        }
    }

    /// Prints a page. The first page lays out the table's columns, so it should have many rows.
    ///
    /// # Errors
    ///
    /// When a chosen field cannot be there, or stdout cannot be written.
    pub fn print(&mut self, page: &Listing) -> anyhow::Result<()> {
        if self.key.is_none() {
            self.output.check_fields(page)?;
        }
        let is_first = self.key.replace(page.key).is_none();
        let output = self.output;
        match output.format {
            Format::Table | Format::Wide if output.fields.is_everything() => self.rows(&page.table)?,
            Format::Table | Format::Wide => self.rows(&output.chosen_table(page))?,
            Format::Name => page.names.iter().try_for_each(|name| output.line(name))?,
            Format::Jsonl => page
                .chosen(&output.fields)
                .iter()
                .try_for_each(|value| output.json_line(value))?,
            Format::Json => {
                let mut text = if is_first {
                    format!("{{\n  \"{}\": [", page.key)
                } else {
                    String::new()
                };
                for value in page.chosen(&output.fields) {
                    let separator = if std::mem::replace(&mut self.has_element, true) {
                        ","
                    } else {
                        ""
                    };
                    text.push_str(&format!("{separator}\n{}", indented(&value)));
                }
                output.json_text(&text)?;
            }
            Format::Yaml => {
                let mut text = String::new();
                for value in page.chosen(&output.fields) {
                    if !std::mem::replace(&mut self.has_element, true) {
                        text.push_str(&format!("{}:\n", page.key));
                    }
                    text.push_str(&element(&value));
                }
                crate::program::terminal::write_stdout(text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Prints the end of the list.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn end(self) -> anyhow::Result<()> {
        match (self.output.format, self.key) {
            (Format::Json, Some(_)) => {
                let closing = if self.has_element { "\n  ]\n}\n" } else { "]\n}\n" };
                self.output.json_text(closing)?;
            }
            (Format::Yaml, Some(key)) if !self.has_element => self.output.yaml(&json!({ key: [] }))?,
            _ => {}
        }
        Ok(())
    }

    fn rows(&mut self, table: &Table) -> anyhow::Result<()> {
        if table.is_empty() {
            return Ok(());
        }
        let next = self
            .layout
            .as_ref()
            .and_then(|(before, silent)| table.continue_layout(before, silent));
        let mut sheet = Sheet::default();
        match (next, &mut self.layout) {
            (Some(next), Some((layout, _))) => {
                sheet.text(&table.lines(&next, false));
                *layout = next;
            }
            (_, before) => {
                let is_first = before.is_none();
                let layout = self.output.layout(table);
                if !is_first {
                    sheet.text("\n");
                }
                sheet.table(table, &layout);
                *before = Some((layout, table.silent()));
            }
        }
        self.output.sheet(&sheet)?;
        Ok(())
    }
}

/// An element of a YAML list below its key.
fn element(value: &Value) -> String {
    let list = yaml::text(&Value::Array(vec![value.clone()]));
    list.lines()
        .fold(String::new(), |text, line| format!("{text}  {line}\n"))
}

/// An element of the list, indented as inside the object. Line ends within strings are escaped already.
fn indented(value: &Value) -> String {
    format!("    {}", format!("{value:#}").replace('\n', "\n    "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_is_written_as_within_its_object() {
        let element = json!({ "a": [1, "x\ny"], "b": {} });
        let whole = format!("{:#}", json!({ "list": [element] }));
        assert_eq!(
            format!("{{\n  \"list\": [\n{}\n  ]\n}}", indented(&element)),
            whole
        );
    }
}
