//! The reference as a manual page: swarm-job(5).

use std::io;

use roff::{Roff, bold, italic, roman};

use super::{
    sections,
    text::{INTRODUCTION, MORE},
};

/// The file of the page.
pub(crate) const FILE_NAME: &str = "swarm-job.5";

/// The page in roff.
///
/// # Errors
///
/// None that is known: it is written into memory.
pub(crate) fn page() -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    page.control("TH", ["swarm-job", "5"]);
    page.control("SH", ["NAME"]);
    page.text([roman("swarm-job - the job file of swarmctl submit -f")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(INTRODUCTION)]);
    for (line, what) in MORE {
        page.control("TP", []);
        page.text([bold(line)]);
        page.text([roman(what)]);
    }
    for section in sections() {
        page.control("SH", [section.title.to_uppercase().as_str()]);
        page.text([roman(section.about)]);
        for field in section.fields {
            page.control("TP", []);
            page.text([bold(field.names()), roman(": "), italic(field.form.words())]);
            page.text([roman(field.meaning)]);
            if !field.default.is_empty() {
                page.text([roman(format!("[default: {}]", field.default))]);
            }
            page.control("br", []);
            page.text([bold(format!("{}: {}", field.name, field.example))]);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("swarmctl-submit"), roman("(1)")]);
    let mut bytes = Vec::new();
    page.to_writer(&mut bytes)?;
    Ok(bytes)
}
