//! One HTTP/2 connection, from its preface to its end.
//!
//! This speaks to `h2` itself and not through a server above it: what a peer has not taken has to be known to the
//! byte, and a stream that nobody reads has to be ended alone.

use std::sync::Arc;

use h2::server;
use swarm_proto::limits::MAX_CALLS_PER_CONNECTION;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{call, call::Door, incoming::Connection, leaving::Piece, life};
use crate::program::limits::{
    CONNECTION_AGE, CONNECTION_GRACE, CONNECTION_WINDOW_BYTES, MAX_SEND_BUFFER_BYTES, PREFACE_PATIENCE,
    STREAM_WINDOW_BYTES,
};

/// Streams that a peer reset before we saw them (rapid reset, CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that we reset because of the peer's errors (RUSTSEC-2024-0003).
const MAX_ERROR_RESETS: usize = 256;
/// Streams that we reset and whose last frames may still arrive.
const MAX_REMEMBERED_RESETS: usize = 64;
/// Bytes of a request's headers.
const MAX_HEADER_BYTES: u32 = 8 * 1024;

/// Serves a connection until its end; at the shutdown, until its calls under way are answered.
pub(super) async fn serve(io: Connection, door: Arc<Door>, shutdown: CancellationToken) {
    let (peer, traffic) = (io.peer(), io.traffic());
    let handshake = server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .max_concurrent_reset_streams(MAX_REMEMBERED_RESETS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_send_buffer_size(MAX_SEND_BUFFER_BYTES)
        .handshake::<_, Piece>(io);
    let mut connection = match timeout(PREFACE_PATIENCE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection did not begin to speak HTTP/2"),
        Err(_) => return tracing::debug!("a connection was too slow to begin to speak HTTP/2"),
    };
    let ping_pong = connection.ping_pong().expect("it is asked for once");
    let silence = life::until_silent(ping_pong, traffic);
    let last_call = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(CONNECTION_AGE) => {}
        }
    };
    let (mut silence, mut last_call) = (std::pin::pin!(silence), std::pin::pin!(last_call));
    let mut given_up = std::pin::pin!(peer.wire.given_up.notified());
    let mut end = std::pin::pin!(None);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    tokio::spawn(call::answer(request, respond, Arc::clone(&door), Arc::clone(&peer)));
                }
                Some(Err(error)) => return tracing::debug!(%error, "a connection ended early"),
                None => return,
            },
            () = &mut last_call, if end.is_none() => {
                connection.graceful_shutdown();
                end.set(Some(sleep(CONNECTION_GRACE)));
            }
            () = reached(end.as_mut().as_pin_mut()) => return,
            () = &mut given_up => {
                return tracing::debug!("a connection took no answers while others needed their memory");
            }
            () = &mut silence => return tracing::debug!("a connection gave no sign of life"),
        }
    }
}

/// Waits until a timer ends; for ever when there is none.
async fn reached(timer: Option<std::pin::Pin<&mut tokio::time::Sleep>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}
