//! Readers of logs that are gone, or that read nothing: they change nothing about what the programs do.

use std::{
    fs::File,
    io::{PipeWriter, Read as _},
    net::TcpStream,
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use swarm_proto::v1::TaskState;

use crate::harness::{
    PATIENCE,
    client::shell_task,
    coordinator::Coordinator,
    pipe::{closed_pipe, full_pipe},
    program::{Program, command},
    wait_until,
};

/// A program that ends waits a second for the reader of its log; an agent says goodbye besides.
const SOON: Duration = Duration::from_secs(15);

/// Starts a program whose stdout and stderr are this pipe.
fn start_into(pipe: &PipeWriter, name: &str, dir: &Path, args: &[&str], farewell: Signal) -> Program {
    let mut command = command(name, dir);
    command
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::from(pipe.try_clone().unwrap()))
        .stderr(Stdio::from(pipe.try_clone().unwrap()));
    Program::start_without_log(name, command, farewell)
}

/// Runs a coordinator and an agent that write into this pipe: they work, and end when they are told.
#[track_caller]
fn work_and_end_into(pipe: &PipeWriter, told: Signal) {
    // Its address is known before anything can be read from the pipe.
    let mut first = Coordinator::start();
    first.stop(PATIENCE);
    let (address, data) = (first.address().to_owned(), first.data_dir());
    let data = data.to_str().unwrap();
    let flags = ["--listen", &address, "--data-dir", data, "--log-level", "debug"];
    let mut coordinator = start_into(pipe, "coordinator", first.dir(), &flags, Signal::SIGTERM);
    wait_until("the coordinator listens", || TcpStream::connect(&address).is_ok());

    let dir = tempfile::tempdir().unwrap();
    let flags = ["--coordinator", &address, "--slots", "1", "--state-dir", "state"];
    let mut agent = start_into(pipe, "agent", dir.path(), &flags, Signal::SIGUSR1);
    let client = first.client();
    client.submit(vec![shell_task("good", "true"), shell_task("bad", "exit 7")]);
    client.wait_for_state("good", TaskState::Succeeded);
    client.wait_for_event("bad", "attempt_failed");
    agent.signal(told);
    assert_eq!(agent.wait(SOON), 0);
    coordinator.signal(told);
    assert_eq!(coordinator.wait(SOON), 0);
    // The end was in order: what was written is there.
    first.start_again();
    assert_eq!(first.client().task("good").state(), TaskState::Succeeded);
}

#[test]
fn a_log_that_nobody_reads_changes_nothing() {
    let (reader, writer) = full_pipe();
    work_and_end_into(&writer, Signal::SIGTERM);
    drop(reader);
}

#[test]
fn a_log_whose_reader_is_gone_changes_nothing() {
    work_and_end_into(&closed_pipe(), Signal::SIGINT);
}

#[test]
fn a_disk_without_room_for_the_log_changes_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    work_and_end_into(
        &PipeWriter::from(std::os::fd::OwnedFd::from(full)),
        Signal::SIGTERM,
    );
}

#[test]
fn a_log_that_nobody_read_for_a_while_says_how_many_lines_are_missing() {
    let (mut reader, writer) = full_pipe();
    let mut first = Coordinator::start();
    first.stop(PATIENCE);
    let (address, data) = (first.address().to_owned(), first.data_dir());
    let data = data.to_str().unwrap();
    let flags = [
        "--listen",
        &address,
        "--data-dir",
        data,
        "--log-level",
        "h2=trace",
    ];
    let mut coordinator = start_into(&writer, "coordinator", first.dir(), &flags, Signal::SIGTERM);
    drop(writer);
    wait_until("the coordinator listens", || TcpStream::connect(&address).is_ok());
    let client = first.client();
    // Each call is some dozens of lines.
    for _ in 0..1_500 {
        client.status();
    }
    coordinator.signal(Signal::SIGTERM);
    let reads = thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    assert_eq!(coordinator.wait(SOON), 0);
    let log = reads.join().unwrap();
    let told = log
        .lines()
        .find(|line| line.ends_with("are missing from this log: nobody took them in time"));
    assert!(
        told.is_some_and(|line| line.contains("ERROR")),
        "{} bytes",
        log.len()
    );
}
