//! A list printed page by page as it comes, so that a long one never stands in memory.

use std::io;

use serde_json::Value;

use super::{Listing, Output};
use crate::args::Format;

/// A list that is being printed.
pub struct PrintedPages<'o> {
    output: &'o Output,
    /// The key of the list in the JSON object, once a page has told it.
    key: Option<&'static str>,
    /// The JSON list has an element.
    has_element: bool,
}

impl<'o> PrintedPages<'o> {
    /// Nothing is printed yet.
    pub fn new(output: &'o Output) -> PrintedPages<'o> {
        PrintedPages {
            output,
            key: None,
            has_element: false,
        }
    }

    /// Prints a page. A table's columns are laid out for each page: give it one.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn print(&mut self, page: &Listing) -> io::Result<()> {
        match self.output.format {
            Format::Table | Format::Jsonl | Format::Name => self.output.list(page),
            Format::Json => {
                let mut text = match self.key.replace(page.key) {
                    Some(_) => String::new(),
                    None => format!("{{\n  \"{}\": [", page.key),
                };
                for value in &page.values {
                    let separator = if std::mem::replace(&mut self.has_element, true) {
                        ","
                    } else {
                        ""
                    };
                    text.push_str(&format!("{separator}\n{}", indented(value)));
                }
                self.output.json_text(&text)
            }
        }
    }

    /// Prints what stands behind the last page.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn end(self) -> io::Result<()> {
        match (self.output.format, self.key) {
            (Format::Json, Some(_)) => {
                let closing = if self.has_element { "\n  ]\n}\n" } else { "]\n}\n" };
                self.output.json_text(closing)
            }
            _ => Ok(()),
        }
    }
}

/// An element of the list as it stands inside the object. Line ends within strings are escaped.
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
