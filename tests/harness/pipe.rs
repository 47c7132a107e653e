//! Pipes for what a program says, whose reader is gone or reads nothing.

use std::{
    io::{ErrorKind, PipeReader, PipeWriter, Write as _},
    os::fd::AsFd as _,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A pipe that takes no byte more. It is stuck as long as its reader is there.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    set_nonblocking(&writer, true);
    loop {
        match writer.write(&[b'\n'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    set_nonblocking(&writer, false);
    (reader, writer)
}

/// A pipe whose reader is gone.
pub(crate) fn closed_pipe() -> PipeWriter {
    let (_reader, writer) = std::io::pipe().unwrap();
    writer
}

fn set_nonblocking(pipe: &PipeWriter, is_nonblocking: bool) {
    let mut flags = OFlag::O_WRONLY;
    flags.set(OFlag::O_NONBLOCK, is_nonblocking);
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(flags)).unwrap();
}
