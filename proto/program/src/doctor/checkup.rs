//! The checks of every doctor: whether a coordinator is there, and whether one can work with it.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    duration::format_duration,
    limits::MAX_MESSAGE_BYTES,
    probe::{self, Peer},
    v1::{
        GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
        admin_service_client::AdminServiceClient,
    },
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::report::Report;

/// How long each step may take: a person waits for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest difference of clocks without a warning. Beyond it, times in different logs are hard to compare.
const MAX_SKEW: Duration = Duration::from_secs(2);

/// A coordinator that answered.
#[derive(Debug)]
pub struct Coordinator {
    /// The coordinator's own description.
    pub info: GetServerInfoResponse,
    /// Its state; `None` when that cannot be had, which the report says.
    pub status: Option<GetStatusResponse>,
}

/// Checks the coordinator at an address; gives nothing when it cannot be asked.
pub async fn coordinator(report: &mut Report, address: &Address) -> Option<Coordinator> {
    if !resolves(report, address).await || !connects(report, address).await {
        return None;
    }
    let asked = SystemTime::now();
    let seen = match timeout(PATIENCE, ask(address)).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(why)) => {
            let message = format!("what answers at {address} does not work as a coordinator: {why}");
            report.wrong(
                "protocol",
                message,
                "name the coordinator's gRPC port, which is usually 50051",
            );
            return None;
        }
        Err(_elapsed) => {
            let message = format!(
                "{address} speaks gRPC and does not answer within {}",
                format_duration(PATIENCE)
            );
            report.wrong(
                "protocol",
                message,
                "look at the coordinator's log and load, then try again",
            );
            return None;
        }
    };
    let answered = SystemTime::now();
    let info = &seen.info;
    report.well(
        "protocol",
        format!(
            "a coordinator answers: cluster {}, start {}",
            info.cluster_id, info.epoch
        ),
    );
    compare_versions(report, &info.version);
    let status = match seen.status {
        Ok(status) => {
            compare_clocks(report, &status, asked, answered);
            compare_positions(report, &status);
            Some(status)
        }
        Err(why) => {
            report.wrong(
                "status",
                format!("the coordinator at {address} answers, and its status cannot be had: {why}"),
                "look at the coordinator's log, and install the same version on both sides",
            );
            None
        }
    };
    Some(Coordinator {
        info: seen.info,
        status,
    })
}

async fn resolves(report: &mut Report, address: &Address) -> bool {
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

async fn connects(report: &mut Report, address: &Address) -> bool {
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

/// The answers of a coordinator.
struct Answers {
    info: GetServerInfoResponse,
    /// Why it cannot be had, otherwise.
    status: Result<GetStatusResponse, String>,
}

/// Asks what answers at an address.
///
/// # Errors
///
/// When it may be no coordinator.
async fn ask(address: &Address) -> Result<Answers, String> {
    let why = |status: tonic::Status| CallFailure::of(&status).message().to_owned();
    let channel = channel::open(address)?;
    let mut service = AdminServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let info = service
        .get_server_info(GetServerInfoRequest {})
        .await
        .map_err(why)?;
    let status = service.get_status(GetStatusRequest {}).await;
    Ok(Answers {
        info: info.into_inner(),
        status: status.map(tonic::Response::into_inner).map_err(why),
    })
}

fn compare_versions(report: &mut Report, theirs: &str) {
    let ours = env!("CARGO_PKG_VERSION");
    if ours == theirs {
        report.well("version", format!("coordinator and this program are {ours}"));
    } else {
        report.notable(
            "version",
            format!("the coordinator is {theirs}, this program is {ours}"),
            "install the same version on both sides when something is not understood",
        );
    }
}

fn compare_clocks(report: &mut Report, status: &GetStatusResponse, asked: SystemTime, answered: SystemTime) {
    let millis = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    };
    let Some(theirs) = &status.server_time else { return };
    let theirs = theirs
        .seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(theirs.nanos) / 1_000_000);
    let skew = skew(millis(asked), millis(answered), theirs);
    let ahead = status.wall_clock_ahead_ms;
    let limit = i64::try_from(MAX_SKEW.as_millis()).unwrap_or(i64::MAX);
    if status.clock_doubt_ms > 0 {
        report.notable(
            "coordinator's clock",
            format!(
                "this coordinator's clock is {} ahead of its last event before the start: it is not believed, \
                 nothing is removed, and its time goes on from that event",
                length(status.clock_doubt_ms)
            ),
            "look at date on its machine: if that is right, start it with --accept-clock, or once more after ten \
             minutes; if it is wrong, set it and start the coordinator again",
        );
    } else if status.time_ahead_ms > MAX_TIME_AHEAD_MS {
        report.notable(
            "coordinator's clock",
            format!(
                "this coordinator's time is {} ahead of its machine's clock, because that was wrong once: nothing is \
                 removed, and deadlines and start times wait for the clock",
                length(status.time_ahead_ms)
            ),
            "look at date on its machine: if that is right, stop the coordinator and run coordinator repair \
             --set-time-back; if it is wrong, set it",
        );
    } else if ahead.abs() > limit {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        report.notable(
            "wall clock",
            format!(
                "the wall clock of the coordinator's machine is {} {direction} the time it counts by",
                seconds(ahead)
            ),
            "the clock was set while it ran: times that it gives are off until the coordinator is started again",
        );
    }
    if skew.abs() > limit {
        let direction = if skew > 0 { "behind" } else { "ahead of" };
        report.notable(
            "clock",
            format!(
                "this machine's clock is {} {direction} the coordinator's",
                seconds(skew)
            ),
            "have both machines set by the same time servers, such as with: timedatectl set-ntp true",
        );
    } else {
        report.well(
            "clock",
            format!("within {} of the coordinator's", format_duration(MAX_SKEW)),
        );
    }
}

/// A coordinator whose time is ahead of the wall clock by more than this removes nothing.
const MAX_TIME_AHEAD_MS: u64 = 60_000;

/// Tells when an agent has seen events that the coordinator does not have.
fn compare_positions(report: &mut Report, status: &GetStatusResponse) {
    if status.agents_saw_seq > 0 {
        report.wrong(
            "history",
            format!(
                "an agent has seen event {}, and the journal had ended before it: these data are older than what was \
                 acknowledged",
                status.agents_saw_seq
            ),
            "stop the coordinator and put the newer data in place, or lay out the backup with coordinator restore",
        );
    }
}

/// How far the coordinator's clock is surely ahead of ours, in milliseconds: 0 when the time that the answer took may
/// explain the difference.
fn skew(asked: i64, answered: i64, theirs: i64) -> i64 {
    match theirs {
        theirs if theirs > answered => theirs - answered,
        theirs if theirs < asked => theirs - asked,
        _ => 0,
    }
}

fn seconds(millis: i64) -> String {
    length(millis.unsigned_abs())
}

fn length(millis: u64) -> String {
    format_duration(Duration::from_secs(millis / 1_000))
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(asked: u64, answered: u64, theirs: i64, ahead: i64) -> String {
        let mut report = Report::default();
        let status = GetStatusResponse {
            server_time: Some(prost_types::Timestamp {
                seconds: theirs,
                nanos: 0,
            }),
            wall_clock_ahead_ms: ahead,
            ..GetStatusResponse::default()
        };
        let time = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        compare_clocks(&mut report, &status, time(asked), time(answered));
        report.to_string()
    }

    #[test]
    fn a_difference_of_clocks_is_told_unless_the_way_explains_it() {
        assert!(clocks(100, 100, 101, 0).starts_with("✔ clock"));
        assert!(clocks(100, 110, 100, 0).starts_with("✔ clock"));
        let behind = clocks(100, 101, 200, 0);
        assert!(
            behind.starts_with("! clock: this machine's clock is 1m 39s behind the coordinator's\n"),
            "{behind}"
        );
        assert!(clocks(100, 101, 10, 0).contains("1m 30s ahead of"));
        assert!(clocks(100, 100, 100, -7_000).contains("is 7s behind the time it counts by"));
    }

    #[test]
    fn a_clock_in_doubt_and_a_time_ahead_of_it_are_told_with_what_mends_them() {
        let told = |clock_doubt_ms, time_ahead_ms, agents_saw_seq| {
            let mut report = Report::default();
            let status = GetStatusResponse {
                server_time: Some(prost_types::Timestamp {
                    seconds: 100,
                    nanos: 0,
                }),
                wall_clock_ahead_ms: 7_000,
                clock_doubt_ms,
                time_ahead_ms,
                agents_saw_seq,
                ..GetStatusResponse::default()
            };
            let now = UNIX_EPOCH + Duration::from_secs(100);
            compare_clocks(&mut report, &status, now, now);
            compare_positions(&mut report, &status);
            report.to_string()
        };
        let doubt = told(30 * 86_400_000, 0, 0);
        assert!(
            doubt.contains("this coordinator's clock is 30d ahead of its last event"),
            "{doubt}"
        );
        assert!(doubt.contains("--accept-clock"), "{doubt}");
        let ahead = told(0, 30 * 86_400_000, 0);
        assert!(ahead.contains("this coordinator's time is 30d ahead"), "{ahead}");
        assert!(ahead.contains("--set-time-back"), "{ahead}");
        assert!(told(0, 500, 0).contains("wall clock"));
        assert!(told(0, 0, 17).contains("an agent has seen event 17"));
    }

    #[tokio::test]
    async fn an_address_where_nothing_listens_is_told_with_what_to_start() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let mut report = Report::default();
        let address: Address = format!("127.0.0.1:{port}").parse().unwrap();
        assert!(coordinator(&mut report, &address).await.is_none());
        let said = report.to_string();
        assert!(
            said.contains("connection refused: nothing listens there"),
            "{said}"
        );
        assert!(
            said.contains(&format!("coordinator --listen 127.0.0.1:{port}")),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told() {
        let mut report = Report::default();
        let address: Address = "no-such-host.invalid:1".parse().unwrap();
        assert!(coordinator(&mut report, &address).await.is_none());
        assert!(
            report
                .to_string()
                .starts_with("✘ address: the name no-such-host.invalid"),
            "{report}"
        );
    }
}
