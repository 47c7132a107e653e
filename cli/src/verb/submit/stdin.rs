//! The standard input of a task: a file's, or what is piped into swarmctl.

use std::{
    fs::File,
    io::{self, Read, Seek as _},
    os::{fd::AsFd as _, unix::fs::FileTypeExt as _},
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::limits::MAX_SPEC_BYTES;

use crate::{output::text, program::terminal::fault};

/// The input is a part of the spec.
const MAX_INPUT_BYTES: u64 = MAX_SPEC_BYTES as u64;

/// A longer input is read on until here, so that its size can be told.
const MAX_COUNTED_BYTES: u64 = 16 * 1024 * 1024;

/// A pipe that is open for so long without an end is told to a person, who may not know that it is read.
const PATIENCE: Duration = Duration::from_secs(2);

/// The bytes of a file; `-` is standard input.
///
/// # Errors
///
/// When the file cannot be read, or is larger than a task may be.
pub(super) fn of_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let (name, input) = if path == Path::new("-") {
        ("standard input".to_owned(), to_its_end(io::stdin().lock()))
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
    checked(to_its_end(stdin), "standard input")
}

/// Reads to the end, and tells a person who waits for it.
fn to_its_end(input: impl Read) -> io::Result<Input> {
    let (done, ended) = mpsc::channel::<()>();
    let teller = thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // Also with -q: otherwise nothing would happen, and nothing would say why.
            fault("reading standard input to its end, for the command gets it; without input: --no-stdin");
        }
    });
    let input = bounded(input);
    drop(done);
    // A thread that only prints has no result.
    let _ = teller.join();
    input
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
