//! Manual pages from clap's description of a program: one for the program, one for each verb.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Command;

/// The verb's flags.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Write a page for the program and one for each verb there, instead of the program's to standard output
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Writes the pages into the directory and gives their paths, one a line; or else gives the program's own page.
///
/// # Errors
///
/// When the directory cannot be written.
pub fn run(command: &Command, args: &Args) -> io::Result<Vec<u8>> {
    let Some(dir) = &args.dir else {
        return page(command);
    };
    let pages = write(command, dir).map_err(|error| {
        let sentence = format!("cannot write manual pages into {}: {error}", dir.display());
        io::Error::new(error.kind(), sentence)
    })?;
    Ok(pages
        .iter()
        .flat_map(|page| format!("{}\n", page.display()).into_bytes())
        .collect())
}

/// The program's own page, for `man -l -`.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut command = command.clone();
    command.build();
    rendered(command)
}

/// Writes every page into a directory, which it makes if need be, and gives their paths.
fn write(command: &Command, dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    let mut command = command.clone();
    command.build();
    let mut pages = Vec::new();
    write_with_verbs(&command, command.get_name(), dir, &mut pages)?;
    Ok(pages)
}

fn write_with_verbs(command: &Command, name: &str, dir: &Path, pages: &mut Vec<PathBuf>) -> io::Result<()> {
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, rendered(command.clone().name(name.to_owned()))?)?;
    pages.push(path);
    let verbs = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    for verb in verbs {
        write_with_verbs(verb, &format!("{name}-{}", verb.get_name()), dir, pages)?;
    }
    Ok(())
}

/// One page. Its examples, with which `--help` begins, are at the end, as in other manual pages.
fn rendered(command: Command) -> io::Result<Vec<u8>> {
    let examples = command.get_before_help().map(ToString::to_string);
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    let lines = examples.as_deref().unwrap_or_default();
    if let Some(lines) = lines.strip_prefix("Examples:\n") {
        page.extend_from_slice(b".SH EXAMPLES\n.nf\n");
        for line in lines.lines() {
            // A dash would become a hyphen, which no shell takes. The indentation keeps dots and quotes off the start.
            let line = line
                .replace('\\', "\\e")
                .replace('-', "\\-")
                .replace('\'', "\\(aq");
            page.extend_from_slice(format!("{line}\n").as_bytes());
        }
        page.extend_from_slice(b".fi\n");
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_page_and_hidden_ones_have_none() {
        let verb = Command::new("agent").subcommand(Command::new("list"));
        let hidden = Command::new("internal").hide(true);
        let command = Command::new("prog")
            .before_help("Examples:\n  prog --it 'x'")
            .subcommand(verb)
            .subcommand(hidden);
        let dir = tempfile::tempdir().unwrap();
        let pages = write(&command, &dir.path().join("man")).unwrap();
        let names: Vec<_> = pages
            .iter()
            .map(|page| page.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["prog.1", "prog-agent.1", "prog-agent-list.1"]);
        let page = fs::read_to_string(&pages[0]).unwrap();
        assert!(page.contains("prog\\-agent"), "{page}");
        assert!(
            page.ends_with(".SH EXAMPLES\n.nf\n  prog \\-\\-it \\(aqx\\(aq\n.fi\n"),
            "{page}"
        );
    }
}
