//! Lines for a reader that may be slow, stuck or gone: who writes one never waits and never fails.
//!
//! ```text
//! push → waiting, at most WAITING_BYTES → a thread of its own → the reader
//! ```
//!
//! Lines that find no room, or that the reader does not take, are counted, and the count is told once the reader
//! takes lines again.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Some thousand lines: enough for a reader that is slow for a moment, and little memory for one that is stuck.
const WAITING_BYTES: usize = 1 << 20;
/// Bytes of whole lines that are written at once: a pipe takes so many without mixing them with another writer's.
const PIECE_BYTES: usize = 4096;

/// See the module.
pub struct Lines(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There are lines to write.
    pushed: Condvar,
    /// Everything is written.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    is_writing: bool,
    /// Lines that nobody got, and that nobody was told of.
    lost: u64,
}

impl Lines {
    /// Starts the thread of this name, which writes to `reader`. It calls `tell_lost` with the number of lost lines
    /// when the reader takes lines again.
    ///
    /// # Errors
    ///
    /// When the machine has no more threads.
    pub fn start(
        name: &str,
        reader: impl Write + Send + 'static,
        tell_lost: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Lines> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            pushed: Condvar::new(),
            drained: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || of_thread.write(reader, tell_lost))?;
        Ok(Lines(shared))
    }

    /// Adds whole lines, each with its end.
    pub fn push(&self, lines: &str) {
        let mut state = self.0.lock();
        if state.waiting.len() + lines.len() > WAITING_BYTES {
            state.lost += count(lines);
            return;
        }
        state.waiting.push_str(lines);
        drop(state);
        self.0.pushed.notify_one();
    }

    /// Waits until the reader has everything, or until this time is over.
    pub fn flush(&self, limit: Duration) {
        let state = self.0.lock();
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let _ = self.0.drained.wait_timeout_while(state, limit, is_busy);
    }
}

impl Shared {
    fn write(&self, mut reader: impl Write, tell_lost: impl Fn(u64)) -> ! {
        // The rest of a line that was cut must not become the beginning of the next one.
        let mut is_cut = false;
        loop {
            let (lines, lost_before) = self.take();
            let mut lost = 0;
            for piece in pieces(&lines) {
                let end = if is_cut { "\n" } else { "" };
                match write_whole(&mut reader, end, piece) {
                    Ok(()) => is_cut = false,
                    Err(written) => {
                        is_cut = written || is_cut;
                        lost += count(piece);
                    }
                }
            }
            if lost == 0 && lost_before > 0 {
                tell_lost(lost_before);
            } else {
                self.lock().lost += lost + lost_before;
            }
        }
    }

    /// All lines that wait, as soon as there are some, and the number of lost ones.
    fn take(&self) -> (String, u64) {
        let mut state = self.lock();
        state.is_writing = false;
        while state.waiting.is_empty() {
            self.drained.notify_all();
            state = self.pushed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.lost),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a piece. After a failure says whether a part of it was written.
fn write_whole(reader: &mut impl Write, end: &str, piece: &str) -> Result<(), bool> {
    let text = [end, piece].concat();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match reader.write(rest) {
            Ok(0) => return Err(rest.len() < text.len()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(rest.len() < text.len()),
        }
    }
    Ok(())
}

/// Whole lines of at most [`PIECE_BYTES`] together; a longer line is a piece of its own.
fn pieces(lines: &str) -> impl Iterator<Item = &str> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let head = &rest.as_bytes()[..rest.len().min(PIECE_BYTES)];
        let end = head
            .iter()
            .rposition(|byte| *byte == b'\n')
            .or_else(|| rest.bytes().position(|byte| byte == b'\n'))
            .map_or(rest.len(), |last| last + 1);
        let piece;
        (piece, rest) = rest.split_at(end);
        (!piece.is_empty()).then_some(piece)
    })
}

fn count(lines: &str) -> u64 {
    lines.bytes().filter(|byte| *byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG_ENOUGH: Duration = Duration::from_secs(30);

    /// Takes a piece when the test says so: whole, or not at all.
    struct Reader {
        allowed: Receiver<bool>,
        taken: Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.allowed.recv().unwrap_or(true) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let text = str::from_utf8(bytes).map_err(io::Error::other)?;
            let _ = self.taken.send(text.to_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Rig {
        lines: Lines,
        allow: Sender<bool>,
        taken: Receiver<String>,
        lost: Receiver<u64>,
    }

    fn rig() -> Rig {
        let (allow, allowed) = channel();
        let (taken_by, taken) = channel();
        let (lost_to, lost) = channel();
        let reader = Reader {
            allowed,
            taken: taken_by,
        };
        let lines = Lines::start("lines", reader, move |count| lost_to.send(count).unwrap()).unwrap();
        Rig {
            lines,
            allow,
            taken,
            lost,
        }
    }

    #[test]
    fn who_writes_to_a_stuck_reader_never_waits_and_what_is_lost_is_counted_when_it_reads_on() {
        let rig = rig();
        let line = format!("{}\n", "x".repeat(PIECE_BYTES - 1));
        let room = WAITING_BYTES / PIECE_BYTES;
        // The thread may take some of these before the room is full, or when some were lost already.
        for _ in 0..3 * room {
            rig.lines.push(&line);
        }
        rig.lines.flush(Duration::ZERO);
        drop(rig.allow);
        rig.lines.flush(LONG_ENOUGH);
        let lost: u64 = rig.lost.try_iter().sum();
        let taken = rig.taken.try_iter().count() as u64;
        assert!(lost >= room as u64, "{lost}");
        assert_eq!(lost + taken, 3 * room as u64);
    }

    #[test]
    fn a_reader_that_is_gone_is_told_nothing_until_it_is_there_again() {
        let rig = rig();
        for text in ["one\ntwo\n", "three\n"] {
            rig.allow.send(false).unwrap();
            rig.lines.push(text);
            rig.lines.flush(LONG_ENOUGH);
        }
        assert!(rig.lost.try_recv().is_err());
        rig.allow.send(true).unwrap();
        rig.lines.push("four\n");
        assert_eq!(rig.lost.recv_timeout(LONG_ENOUGH), Ok(3));
        assert_eq!(rig.taken.try_iter().collect::<Vec<_>>(), ["four\n"]);
    }

    #[test]
    fn pieces_are_whole_lines() {
        let long = format!("{}\n", "y".repeat(2 * PIECE_BYTES));
        let short = "0123456\n".repeat(PIECE_BYTES / 8);
        let text = format!("a\n{short}{long}b\n");
        let found: Vec<&str> = pieces(&text).collect();
        assert_eq!(found.concat(), text);
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|piece| piece.ends_with('\n')));
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn a_line_that_was_cut_is_ended_before_the_next() {
        struct Cut(Vec<u8>, usize);
        impl Write for Cut {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                match self.1 {
                    1 => self.0.write(&bytes[..2]),
                    2 => Err(io::ErrorKind::StorageFull.into()),
                    _ => self.0.write(bytes),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut reader = Cut(Vec::new(), 0);
        assert_eq!(write_whole(&mut reader, "", "first\n"), Err(true));
        assert_eq!(write_whole(&mut reader, "\n", "second\n"), Ok(()));
        assert_eq!(reader.0, b"fi\nsecond\n");
    }
}
