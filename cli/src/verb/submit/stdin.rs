//! The standard input of a task: a file's, or what is piped into swarmctl.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Seek as _},
    os::{fd::AsFd as _, unix::fs::FileTypeExt as _},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{duration::format_duration, limits::MAX_SPEC_BYTES};

use crate::{output::text, program::terminal::fault};

/// The input is a part of the spec.
const MAX_INPUT_BYTES: u64 = MAX_SPEC_BYTES as u64;

/// A longer input is read on until here, so that its size can be told.
const MAX_COUNTED_BYTES: u64 = 16 * 1024 * 1024;

/// A pipe that is open for so long without an end is told to a person, who may not know that it is read.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pipe from which nothing at all comes for so long is given up where nobody watches: some programs leave one open,
/// and a job of theirs would never end.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// The bytes of a file; `-` is standard input.
///
/// # Errors
///
/// When the file cannot be read, or is larger than a task may be.
pub(super) fn of_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let (name, input) = if path == Path::new("-") {
        let why = "reading standard input to its end, for --stdin-file - gives it to the command";
        let input = to_its_end(io::stdin(), why, None);
        let input = input.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        ("standard input".to_owned(), input)
    } else {
        let input = File::open(path).and_then(bounded);
        (path.display().to_string(), input)
    };
    checked(input, &name).map_err(|failure| Failure {
        sentence: format!("--stdin-file: {}", failure.sentence),
        ..failure
    })
}

/// What is piped into swarmctl; nothing from a terminal, a device such as /dev/null, or a file that somebody else has
/// begun to read: a shell's `while read` would lose its next lines.
///
/// # Errors
///
/// When the input cannot be read, or is larger than a task may be.
pub(super) fn piped() -> Result<Vec<u8>, Failure> {
    // Whatever cannot be looked at is no input that somebody meant.
    let Ok(mut stdin) = io::stdin().as_fd().try_clone_to_owned().map(File::from) else {
        return Ok(Vec::new());
    };
    let Ok(kind) = stdin.metadata().map(|metadata| metadata.file_type()) else {
        return Ok(Vec::new());
    };
    let is_whole_file = kind.is_file() && stdin.stream_position().is_ok_and(|position| position == 0);
    if !(kind.is_fifo() || kind.is_socket() || is_whole_file) {
        return Ok(Vec::new());
    }
    let bearable = (!io::stderr().is_terminal()).then_some(LONGEST_SILENCE);
    let why = "reading standard input to its end, for the command gets it; without input: --no-stdin";
    match to_its_end(stdin, why, bearable) {
        Some(input) => checked(input, "standard input"),
        None => Err(silent(LONGEST_SILENCE)),
    }
}

fn silent(waited: Duration) -> Failure {
    let waited = format_duration(waited);
    let sentence = format!("standard input is a pipe without an end, and nothing came from it for {waited}");
    Failure::new(Exit::Usage, sentence).help("without input: -n")
}

/// Reads to the end, and tells a person who waits why. Nothing when not a byte came for as long as is bearable.
fn to_its_end(
    input: impl Read + Send + 'static,
    why: &str,
    bearable: Option<Duration>,
) -> Option<io::Result<Input>> {
    let (begun, begins) = mpsc::channel();
    let (done, ends) = mpsc::channel();
    // Of a pipe that stays silent, the reader is left behind: it ends with the program.
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        // An error comes again below. Nobody may wait for the answers any more.
        let _ = input.fill_buf();
        let _ = begun.send(());
        let _ = done.send(bounded(input));
    });
    if let Ok(input) = ends.recv_timeout(PATIENCE) {
        return Some(input);
    }
    // Also with -q: otherwise nothing would happen, and nothing would say why.
    fault(why);
    if let Some(bearable) = bearable {
        begins.recv_timeout(bearable).ok()?;
    }
    ends.recv().ok()
}

/// As much of an input as a task may have, and the size of the whole.
struct Input {
    bytes: Vec<u8>,
    size: u64,
}

fn bounded(mut input: impl Read) -> io::Result<Input> {
    let mut bytes = Vec::new();
    input.by_ref().take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)?;
    let rest = io::copy(&mut input.take(MAX_COUNTED_BYTES), &mut io::sink())?;
    Ok(Input {
        size: bytes.len() as u64 + rest,
        bytes,
    })
}

fn checked(input: io::Result<Input>, name: &str) -> Result<Vec<u8>, Failure> {
    let input = input.map_err(|error| Failure::new(Exit::Usage, format!("cannot read {name}: {error}")))?;
    if input.size > MAX_INPUT_BYTES {
        let more = if input.size > MAX_COUNTED_BYTES {
            "more than "
        } else {
            ""
        };
        let size = text::bytes(input.size.min(MAX_COUNTED_BYTES));
        let most = text::bytes(MAX_INPUT_BYTES);
        let sentence = format!("{name} has {more}{size}; a task has at most {most} with its input");
        return Err(Failure::new(Exit::Usage, sentence).help("let the command fetch larger inputs"));
    }
    Ok(input.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_pipe_from_which_nothing_comes_is_given_up() {
        let (reader, _writer) = io::pipe().unwrap();
        assert!(to_its_end(reader, "", Some(Duration::from_millis(10))).is_none());
        let failure = silent(LONGEST_SILENCE).to_string();
        assert!(
            failure.contains("for 10m") && failure.ends_with("help: without input: -n"),
            "{failure}"
        );
    }

    #[test]
    fn a_pipe_that_has_begun_is_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"a").unwrap();
        let rest = thread::spawn(move || writer.write_all(b"b").unwrap());
        let input = to_its_end(reader, "", Some(LONGEST_SILENCE));
        rest.join().unwrap();
        assert_eq!(input.unwrap().unwrap().bytes, b"ab");
    }
}
