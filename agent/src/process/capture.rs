//! One output stream of a process, read while it runs.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::tail::Tail;

/// Bytes per read; a pipe holds 64 KiB on Linux.
const READ_BYTES: usize = 64 * 1024;

/// One output stream. It is read to its end, so that the process never blocks, and its tail is kept.
pub(super) struct Capture {
    tail: Arc<Mutex<Tail>>,
    reader: JoinHandle<()>,
}

impl Capture {
    pub(super) fn of<Pipe: AsyncRead + Unpin + Send + 'static>(pipe: Option<Pipe>) -> Capture {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let shared = Arc::clone(&tail);
        let reader = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut chunk = Vec::with_capacity(READ_BYTES);
            while let Ok(1..) = pipe.read_buf(&mut chunk).await {
                shared
                    .lock()
                    .expect("nothing panics while it keeps output")
                    .push(&chunk);
                chunk.clear();
            }
        });
        Capture { tail, reader }
    }

    pub(super) async fn finish(&mut self, deadline: Instant) {
        if !self.reader.is_finished() {
            let _ = timeout_at(deadline, &mut self.reader).await;
        }
    }

    pub(super) fn take(self) -> (Vec<u8>, u64) {
        self.reader.abort();
        let mut tail = self.tail.lock().expect("nothing panics while it keeps output");
        std::mem::take(&mut *tail).into_parts()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tail
            .lock()
            .expect("nothing panics while it keeps output")
            .is_empty()
    }
}
