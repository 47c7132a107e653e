//! How a log line looks.
//!
//! ```text
//! 2026-11-30 15:04:05 begins k3v7q2mzdh (thumbs)          for people: the message, then what it is about
//! 2026-11-30 15:04:05 succeeded after 12 ms k3v7q2mzdh
//! ```
//!
//! With `debug` and `trace`, with a filter and as JSON, each line has all of its fields. Whatever stands in it
//! comes from somewhere else, perhaps from a stranger: nothing in it ends the line or steers a terminal.

use std::fmt::{self, Write};

use swarm_proto::terminal::steers;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::MakeExt as _,
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer, debug_fn},
    },
    registry::LookupSpan,
};

const ITALIC: &str = "\u{1b}[3m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const DIMMED: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The line for people: its time to the second in the local zone, its level unless it is INFO, its message, its task,
/// and those fields that say more.
pub(super) struct Short;

/// What a short line shows of its event.
#[derive(Default)]
struct Told {
    message: String,
    task: String,
    name: String,
    attempt: u64,
    rest: Vec<(&'static str, String)>,
}

/// Fields that only say in another way what the message says, or that are of use to machines alone.
const FOR_MACHINES: [&str; 4] = ["job_id", "queue", "duration_ms", "agent_id"];

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "task_id" => value.clone_into(&mut self.task),
            "task_name" => value.clone_into(&mut self.name),
            name if FOR_MACHINES.contains(&name) => {}
            name => self.rest.push((name, format!("{value:?}"))),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "attempt" => self.attempt = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name if FOR_MACHINES.contains(&name) => {}
            name => self.rest.push((name, format!("{value:?}"))),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Short
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let is_coloured = writer.has_ansi_escapes();
        let mut part = |ink: &str, text: &str| match is_coloured && !ink.is_empty() {
            true => {
                writer.write_str(ink)?;
                write!(Escaping(&mut writer), "{text}")?;
                writer.write_str(PLAIN)
            }
            false => write!(Escaping(&mut writer), "{text}"),
        };
        part(DIMMED, &now)?;
        part("", " ")?;
        match *event.metadata().level() {
            Level::ERROR => part(RED, "ERROR ")?,
            Level::WARN => part(YELLOW, "WARN ")?,
            _ => {}
        }
        part("", &told.message)?;
        if !told.task.is_empty() {
            part("", &format!(" {}", told.task))?;
        }
        if told.attempt > 1 {
            part(DIMMED, &format!(" attempt {}", told.attempt))?;
        }
        if !told.name.is_empty() {
            part("", &format!(" ({})", told.name))?;
        }
        for (name, value) in &told.rest {
            // Such as the word `exit` beside a message about an exit code.
            if *name == "reason" && told.message.contains(value.trim_matches('"')) {
                continue;
            }
            part(DIMMED, &format!(" {name}="))?;
            part("", value)?;
        }
        writer.write_char('\n')
    }
}

/// The message and `name=value` of each field.
pub(super) fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field, value| {
        match (field.name(), writer.has_ansi_escapes()) {
            ("message", _) => {}
            (name, true) => write!(writer, "{ITALIC}{name}{PLAIN}{DIMMED}={PLAIN}")?,
            (name, false) => write!(writer, "{name}=")?,
        }
        write!(Escaping(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Writes what steers a terminal as Rust does in a text: a line end is `\n`, and ESC is `\u{1b}`.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(steers) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                write!(self.0, "{}", c.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_done() {
        let mut shown = String::new();
        write!(
            Escaping(&mut shown),
            "a\nb\r\u{1b}[31m\u{7}\u{9b}\u{202e}c é ✔ \\n"
        )
        .unwrap();
        assert_eq!(shown, r"a\nb\r\u{1b}[31m\u{7}\u{9b}\u{202e}c é ✔ \n");
    }

    /// Takes lines in place of a log.
    #[derive(Clone, Default)]
    struct Taken(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Taken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(say: impl FnOnce()) -> Vec<String> {
        let taken = Taken::default();
        let writer = taken.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(Short)
            .finish();
        tracing::subscriber::with_default(log, say);
        let text = String::from_utf8(taken.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_for_people_is_short_and_says_what_it_is_about() {
        let lines = lines(|| {
            tracing::info!(
                task_id = "k3v7q2mzdh",
                attempt = 1_u32,
                task_name = "thumbs",
                job_id = "j",
                queue = "default",
                "begins"
            );
            tracing::info!(
                task_id = "k3v7q2mzdh",
                attempt = 2_u32,
                duration_ms = 12_u64,
                "succeeded after {} ms",
                12
            );
            tracing::info!(
                task_id = "t",
                attempt = 1_u32,
                reason = "exit",
                "failed: exit code 3"
            );
            tracing::warn!(error = %io::Error::other("no\nroom"), reason = "disk", "cannot write");
        });
        let (times, said): (Vec<&str>, Vec<&str>) = lines.iter().map(|line| line.split_at(20)).unzip();
        assert_eq!(
            said,
            [
                "begins k3v7q2mzdh (thumbs)",
                "succeeded after 12 ms k3v7q2mzdh attempt 2",
                "failed: exit code 3 t",
                "WARN cannot write error=no\\nroom reason=\"disk\"",
            ]
        );
        for time in times {
            let shape: String = time
                .chars()
                .map(|c| if c.is_ascii_digit() { '0' } else { c })
                .collect();
            assert_eq!(shape, "0000-00-00 00:00:00 ");
        }
    }
}
