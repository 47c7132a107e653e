//! Manual pages from clap's description of a program: one for the program, one for each verb.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Command;

use crate::{exit::Exit, failure::Failure, words::nearest::nearest};

/// The verb's flags.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A verb, such as `submit` or `agent list`, or a topic whose page is printed; or else a directory, into which a
    /// page is written for the program and for each of these; a page of section 5 goes into man5 beside a man1
    #[arg(value_name = "VERB|DIR")]
    pub what: Vec<PathBuf>,
}

/// A page that no verb has.
#[derive(Clone, Debug)]
pub struct Topic {
    /// The word for it: `jobfile`.
    pub word: &'static str,
    /// The name of its file: `swarm-job.5`.
    pub file: &'static str,
    /// The page in roff.
    pub page: Vec<u8>,
}

/// Prints the page of a verb or topic, or of the program when none is named; or writes all into a directory and gives
/// their paths, one a line.
///
/// # Errors
///
/// When the directory cannot be written, or a word is like that of a verb and is none.
pub fn run(command: &Command, args: &Args, topics: &[Topic]) -> Result<Vec<u8>, Failure> {
    let words: Vec<&str> = args.what.iter().filter_map(|word| word.to_str()).collect();
    if let Some(topic) = topics.iter().find(|topic| words == [topic.word]) {
        return Ok(topic.page.clone());
    }
    let mut built = command.clone();
    built.build();
    if let Some((verb, name)) = verb(&built, &words) {
        return rendered(verb.clone().name(name)).map_err(|error| unwritten(&error));
    }
    let [dir] = args.what.as_slice() else {
        let sentence = format!("there is no verb '{}'", words.join(" "));
        return Err(
            Failure::new(Exit::Usage, sentence).help(format!("{} --help lists them", command.get_name()))
        );
    };
    refuse_slip(&built, topics, dir)?;
    let pages = write(command, dir, topics).map_err(|error| {
        let sentence = format!("cannot write manual pages into {}: {error}", dir.display());
        unwritten(&io::Error::new(error.kind(), sentence))
    })?;
    Ok(pages
        .iter()
        .flat_map(|page| format!("{}\n", page.display()).into_bytes())
        .collect())
}

/// The verb of these words, with the name of its page; without words, the program itself.
fn verb<'c>(command: &'c Command, words: &[&str]) -> Option<(&'c Command, String)> {
    let (mut verb, mut name) = (command, command.get_name().to_owned());
    for word in words {
        verb = verb.find_subcommand(word)?;
        name = format!("{name}-{}", verb.get_name());
    }
    Some((verb, name))
}

/// Refuses a mistyped verb, which would become a directory full of pages.
fn refuse_slip(command: &Command, topics: &[Topic], dir: &Path) -> Result<(), Failure> {
    let word = dir.to_string_lossy();
    if word.contains('/') || dir.is_dir() {
        return Ok(());
    }
    let verbs = command.get_subcommands().map(Command::get_name);
    match nearest(&word, verbs.chain(topics.iter().map(|topic| topic.word))) {
        Some(meant) => Err(
            Failure::new(Exit::Usage, format!("there is no verb '{word}'")).help(format!(
                "did you mean '{meant}'? To write all pages into a directory of that name: {} man ./{word}",
                command.get_name()
            )),
        ),
        None => Ok(()),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    let help = "is there room on the disk, and may this user write there?";
    Failure::new(Exit::Disk, error.to_string()).help(help)
}

/// Writes every page into a directory, which it makes if need be, and gives their paths.
fn write(command: &Command, dir: &Path, topics: &[Topic]) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    let mut command = command.clone();
    command.build();
    let mut pages = Vec::new();
    write_with_verbs(&command, command.get_name(), dir, &mut pages)?;
    for topic in topics {
        let path = place(dir, topic.file)?;
        fs::write(&path, &topic.page)?;
        pages.push(path);
    }
    Ok(pages)
}

/// The path of a topic's page. Beside `man1`, where man looks for section 1 alone, its section has a directory.
fn place(dir: &Path, file: &str) -> io::Result<PathBuf> {
    let section = Path::new(file).extension().filter(|section| *section != "1");
    let (Some(section), true) = (section, dir.ends_with("man1")) else {
        return Ok(dir.join(file));
    };
    let beside = dir.with_file_name(format!("man{}", section.display()));
    fs::create_dir_all(&beside)?;
    Ok(beside.join(file))
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
        let topic = Topic {
            word: "jobfile",
            file: "swarm-job.5",
            page: b".TH swarm-job 5\n".to_vec(),
        };
        let pages = write(&command, &dir.path().join("man"), std::slice::from_ref(&topic)).unwrap();
        let names: Vec<_> = pages
            .iter()
            .map(|page| page.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["prog.1", "prog-agent.1", "prog-agent-list.1", "swarm-job.5"]
        );
        let page = fs::read_to_string(&pages[0]).unwrap();
        assert!(page.contains("prog\\-agent"), "{page}");
        assert!(
            page.ends_with(".SH EXAMPLES\n.nf\n  prog \\-\\-it \\(aqx\\(aq\n.fi\n"),
            "{page}"
        );
        let pages = write(&command, &dir.path().join("man1"), &[topic]).unwrap();
        assert_eq!(pages[0], dir.path().join("man1/prog.1"));
        assert_eq!(pages[3], dir.path().join("man5/swarm-job.5"));
        assert!(pages[3].is_file());
    }

    #[test]
    fn a_verb_is_a_page_and_a_slip_is_no_directory() {
        let verb = Command::new("agent").subcommand(Command::new("list"));
        let command = Command::new("prog").subcommand(verb);
        let topic = Topic {
            word: "jobfile",
            file: "swarm-job.5",
            page: b"topic".to_vec(),
        };
        let said = |words: &[&str]| {
            let what = words.iter().map(PathBuf::from).collect();
            let said = run(&command, &Args { what }, std::slice::from_ref(&topic));
            said.map(|page| String::from_utf8(page).unwrap())
        };
        assert!(said(&[]).unwrap().contains("prog\\-agent"));
        assert!(said(&["agent", "list"]).unwrap().contains("prog\\-agent\\-list"));
        assert_eq!(said(&["jobfile"]).unwrap(), "topic");
        let slip = said(&["agnet"]).unwrap_err().to_string();
        assert!(slip.contains("did you mean 'agent'?"), "{slip}");
        assert!(said(&["agent", "nothing"]).is_err());
    }
}
