//! What the coordinator asks of the operating system, in order, as strace sees it.

use std::{
    fs,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::harness::{PATIENCE, client::shell_task, coordinator::Coordinator, program::Program, wait_until};

/// Appears in the request, in the journal and in the answer.
const MARK: &str = "task-that-strace-looks-for";

/// The calls that read a request, write, sync, and answer.
const TRACED: [&str; 13] = [
    "read",
    "recvfrom",
    "recvmsg",
    "readv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
];

#[test]
fn an_answer_is_written_only_after_the_journal_is_synced() {
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        // Shown with the output of the tests; the continuous integration fails because of it.
        println!("SKIPPED: strace is not installed");
        return;
    }
    let mut coordinator = Coordinator::start();
    let trace = coordinator.dir().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-yy", "-s", "65536", "-e"])
        .arg(format!("trace={}", TRACED.join(",")))
        // Long enough that an answer which does not wait for it would be seen before its end.
        .args(["-e", "inject=fdatasync:delay_enter=200000"])
        .arg("-o")
        .arg(&trace)
        .args(["-p", &coordinator.program().pid().to_string()])
        .stdin(Stdio::null());
    let log = coordinator.dir().join("strace.log");
    let mut strace = Program::start("strace", strace, &log, Signal::SIGINT);
    wait_until("strace has attached", || strace.log().contains("attached"));

    coordinator.client().submit(vec![shell_task(MARK, "true")]);
    wait_until("the answer is traced", || {
        position(&calls(&trace), is_answer, 0).is_some()
    });
    strace.signal(Signal::SIGINT);
    strace.wait(PATIENCE);

    let calls = calls(&trace);
    let find = |what: &str, is: fn(&Call) -> bool, from: usize| {
        position(&calls, is, from).unwrap_or_else(|| panic!("no {what} after call {from} of:\n{calls:#?}"))
    };
    let request = find(
        "request",
        |call| call.on_socket() && call.is_any(&["read", "recv"]) && call.marked(),
        0,
    );
    let written = find(
        "write to the journal",
        |call| call.on_journal() && call.marked(),
        request + 1,
    );
    let synced = find(
        "sync of the journal",
        |call| call.on_journal() && call.is_any(&["fdatasync", "fsync"]) && call.succeeded(),
        written + 1,
    );
    let answer = find("answer", is_answer, request + 1);
    assert!(
        synced < answer,
        "the answer left before the journal was synced:\n{calls:#?}"
    );
}

/// A system call, where it ended.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
}

impl Call {
    fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.starts_with(name))
    }

    fn marked(&self) -> bool {
        self.text.contains(MARK)
    }

    /// Whether it returned 0; strace writes behind it what it did to the call.
    fn succeeded(&self) -> bool {
        self.text
            .rsplit_once("= ")
            .is_some_and(|(_, result)| result.split(' ').next() == Some("0"))
    }

    fn on_socket(&self) -> bool {
        self.text.contains("<TCP:")
    }

    fn on_journal(&self) -> bool {
        self.text.contains("/journal/")
    }
}

fn is_answer(call: &Call) -> bool {
    call.on_socket() && call.is_any(&["write", "send"]) && call.marked()
}

fn position(calls: &[Call], is: fn(&Call) -> bool, from: usize) -> Option<usize> {
    (from..calls.len()).find(|&n| is(&calls[n]))
}

/// The calls of a trace in the order in which they ended; one that another thread interrupted is put together.
fn calls(trace: &std::path::Path) -> Vec<Call> {
    let mut begun = std::collections::BTreeMap::new();
    let mut calls = Vec::new();
    let text = String::from_utf8_lossy(&fs::read(trace).unwrap_or_default()).into_owned();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread.to_owned(), start.to_owned());
            continue;
        }
        let whole = match rest.split_once(" resumed>") {
            Some((_, end)) => format!("{}{end}", begun.remove(thread).unwrap_or_default()),
            None => rest.to_owned(),
        };
        if let Some((name, _)) = whole.split_once('(') {
            calls.push(Call {
                name: name.to_owned(),
                text: whole,
            });
        }
    }
    calls
}
