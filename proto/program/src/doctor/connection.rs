//! The way to a coordinator: its name, its port, and what listens there.

use std::{io, net::SocketAddr, time::Duration};

use swarm_proto::{
    channel::Address,
    duration::format_duration,
    probe::{self, Peer},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::report::Report;

/// How long each step may take: a person waits for the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the name of an address resolves.
pub(super) async fn resolves(report: &mut Report, address: &Address) -> bool {
    let found = timeout(PATIENCE, lookup_host(address.to_string())).await;
    let why = match found {
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> = addresses
                .map(|found: SocketAddr| found.ip().to_string())
                .collect();
            report.well("address", format!("{address} is {}", addresses.join(", ")));
            return true;
        }
        Ok(Err(error)) => plain(&error),
        Err(_elapsed) => format!("no answer within {}", format_duration(PATIENCE)),
    };
    report.wrong(
        "address",
        format!("the name {} does not resolve: {why}", address.host()),
        "write the name as the network knows it, or a number: --coordinator 10.0.0.5:50051",
    );
    false
}

/// Whether something listens at an address that may be a coordinator.
pub(super) async fn connects(report: &mut Report, address: &Address) -> bool {
    let why = match timeout(PATIENCE, TcpStream::connect(address.to_string())).await {
        Ok(Ok(connection)) => {
            // Some servers serve one connection at a time.
            drop(connection);
            return speaks(report, address).await;
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "connection refused: nothing listens there".to_owned()
        }
        Ok(Err(error)) => plain(&error),
        Err(_elapsed) => format!("no connection within {}", format_duration(PATIENCE)),
    };
    let fix = if address.is_loopback() {
        format!("start a coordinator with: coordinator {}", address.listen_flags())
    } else {
        format!(
            "start a coordinator there with: coordinator {}; else see whether a firewall is between",
            address.listen_flags()
        )
    };
    report.wrong("connection", format!("cannot connect to {address}: {why}"), fix);
    false
}

async fn speaks(report: &mut Report, address: &Address) -> bool {
    let peer = probe::probe(address).await;
    match (peer.fault(), peer) {
        (Some(fault), _) => {
            report.wrong(
                "connection",
                format!("{address} is no coordinator: {fault}"),
                peer.help().unwrap_or_default(),
            );
            false
        }
        (None, Peer::Unknown) => {
            report.wrong(
                "connection",
                format!("{address} closes connections without a word"),
                "a coordinator that stops does so, or one with too many connections: look at its log",
            );
            false
        }
        (None, _) => {
            report.well("connection", format!("{address} speaks HTTP/2"));
            true
        }
    }
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
