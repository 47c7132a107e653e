//! The report of a doctor: a line for each check, and the fix of each fault.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    settings::Form,
    words::{clean::clean_line, wrapped::wrapped},
};

/// The arrow before a fix.
const FIX: &str = "    fix: ";

/// The findings, in the order of the checks.
#[derive(Clone, Debug, Default)]
pub struct Report(Vec<Finding>);

/// The result of one check.
#[derive(Clone, Debug)]
struct Finding {
    check: &'static str,
    grade: Grade,
    message: String,
    fix: String,
}

/// How well a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Well,
    Notable,
    Wrong,
}

impl Grade {
    fn glyph(self) -> char {
        match self {
            Grade::Well => '✔',
            Grade::Notable => '!',
            Grade::Wrong => '✘',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Grade::Well => "ok",
            Grade::Notable => "warning",
            Grade::Wrong => "wrong",
        }
    }
}

impl Report {
    /// Adds a check that went well.
    pub fn well(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, Grade::Well, message.into(), String::new());
    }

    /// Adds a warning: it works, and `fix` makes it better.
    pub fn notable(&mut self, check: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Grade::Notable, message.into(), fix.into());
    }

    /// Adds a fault: it does not work, and `fix` mends it.
    pub fn wrong(&mut self, check: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Grade::Wrong, message.into(), fix.into());
    }

    /// Whether no check found a fault.
    pub fn is_well(&self) -> bool {
        self.0.iter().all(|finding| finding.grade != Grade::Wrong)
    }

    /// The findings in the wanted form, with a line end.
    pub fn print(&self, form: Form) -> String {
        match form {
            Form::Table => self.to_string(),
            Form::Json => format!("{:#}\n", self.json()),
        }
    }

    /// The findings for people. On a terminal, lines are broken between words at its width. A command that does not
    /// fit gets a line of its own, so that it can be copied.
    pub fn page(&self, terminal: Option<usize>) -> String {
        let Some(width) = terminal else {
            return self.to_string();
        };
        let mut page = String::new();
        for finding in &self.0 {
            let said = format!("{}: {}", finding.check, finding.message);
            page.push_str(&wrapped(&format!("{} ", finding.grade.glyph()), &said, terminal));
            let has_room = FIX.len() + finding.fix.chars().count() <= width;
            match finding.fix.split_once(": ") {
                _ if finding.fix.is_empty() => {}
                Some((what, command)) if !has_room => {
                    page.push_str(&wrapped(FIX, &format!("{what}:"), terminal));
                    page.push_str(&wrapped(&" ".repeat(FIX.len()), command, terminal));
                }
                _ => page.push_str(&wrapped(FIX, &finding.fix, terminal)),
            }
        }
        page
    }

    /// The findings as one JSON value.
    pub fn json(&self) -> Value {
        let checks: Vec<Value> = self
            .0
            .iter()
            .map(|finding| {
                json!({
                    "check": finding.check,
                    "state": finding.grade.word(),
                    "message": finding.message,
                    "fix": finding.fix,
                })
            })
            .collect();
        json!({ "ok": self.is_well(), "checks": checks })
    }

    /// The names of the checks with a warning or a fault.
    pub fn troubled(&self) -> impl Iterator<Item = &'static str> {
        self.0
            .iter()
            .filter(|finding| finding.grade != Grade::Well)
            .map(|finding| finding.check)
    }

    fn add(&mut self, check: &'static str, grade: Grade, message: String, fix: String) {
        // What a coordinator or a file says may be a part of both.
        let (message, fix) = (clean_line(&message), clean_line(&fix));
        self.0.push(Finding {
            check,
            grade,
            message,
            fix,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            writeln!(
                f,
                "{} {}: {}",
                finding.grade.glyph(),
                finding.check,
                finding.message
            )?;
            if !finding.fix.is_empty() {
                writeln!(f, "{FIX}{}", finding.fix)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_how_it_is_and_what_mends_it() {
        let mut report = Report::default();
        report.well("address", "resolves");
        report.notable("clock", "3 s behind", "set it");
        assert!(report.is_well());
        report.wrong("agents", "none is online", "start one");
        assert!(!report.is_well());
        assert_eq!(
            report.to_string(),
            "✔ address: resolves\n! clock: 3 s behind\n    fix: set it\n✘ agents: none is online\n    fix: start one\n"
        );
        assert_eq!(report.json()["checks"][1]["state"], "warning");
    }

    #[test]
    fn a_narrow_terminal_breaks_lines_between_words_and_keeps_commands_whole() {
        let mut report = Report::default();
        report.well("address", "127.0.0.1:7 is 127.0.0.1");
        report.notable(
            "clock",
            "this machine's clock is 5s behind",
            "set it with: agent --clock now",
        );
        assert_eq!(
            report.page(Some(38)),
            "✔ address: 127.0.0.1:7 is 127.0.0.1\n! clock: this machine's clock is 5s\n  behind\n    \
             fix: set it with:\n         agent --clock now\n"
        );
        assert_eq!(report.page(None), report.to_string());
    }
}
