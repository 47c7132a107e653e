//! The second thin door: plain HTTP/1.1 for the page of metrics, and nothing else.
//!
//! One request a connection, a few connections, and a time after which each is closed: whoever reaches the port
//! cannot take more of the coordinator than that.

mod metrics;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    core::Core,
    machine::clock::Seldom,
    program::limits::{
        ACCEPT_PAUSE, HTTP_PATIENCE, MAX_HTTP_CONNECTIONS, MAX_HTTP_HEADER_BYTES, MAX_HTTP_HEADERS,
    },
};

const METRICS: &str = "/metrics";

/// The version of the text format that every scraper reads.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What every request needs.
struct Door {
    core: Arc<Core>,
    lease_ttl: Duration,
    /// One page is made at a time: a look at everything takes longer than most requests.
    turn: Mutex<()>,
    /// A failed accept fails again at once: it is told once in a while.
    told: Seldom,
}

/// Serves until the shutdown.
pub(crate) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    lease_ttl: Duration,
    shutdown: CancellationToken,
) {
    let door = Arc::new(Door {
        core,
        lease_ttl,
        turn: Mutex::new(()),
        told: Seldom::new(),
    });
    let mut connections = JoinSet::new();
    let serving = async {
        loop {
            while connections.len() >= MAX_HTTP_CONNECTIONS {
                connections.join_next().await;
            }
            match listener.accept().await {
                Ok((stream, _)) => {
                    connections.spawn(answer(stream, Arc::clone(&door)));
                }
                Err(error) => {
                    if door.told.is_due() {
                        tracing::warn!(%error, "cannot accept a connection for metrics");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = serving => {}
    }
    // Who asks at this moment asks again.
    connections.shutdown().await;
}

async fn answer(stream: TcpStream, door: Arc<Door>) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_headers(MAX_HTTP_HEADERS)
        .max_buf_size(MAX_HTTP_HEADER_BYTES)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| {
                let door = Arc::clone(&door);
                async move { Ok::<_, Infallible>(door.respond(&request).await) }
            }),
        );
    match timeout(HTTP_PATIENCE, connection).await {
        Ok(Ok(())) => {}
        // Nothing that we could do better: it spoke badly, or went away.
        Ok(Err(error)) => tracing::debug!(%error, "a connection for metrics ended early"),
        Err(_) => tracing::debug!("a connection for metrics was too slow"),
    }
}

impl Door {
    async fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != METRICS {
            return sentence(StatusCode::NOT_FOUND, "there is nothing here but /metrics\n");
        }
        if request.method() != Method::GET {
            let mut refused = sentence(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            refused
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET"));
            return refused;
        }
        let _turn = self.turn.lock().await;
        let page = metrics::page(&self.core, self.lease_ttl).await;
        with_type(StatusCode::OK, METRICS_TYPE, page.into())
    }
}

fn sentence(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with_type(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(text.as_bytes()),
    )
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
