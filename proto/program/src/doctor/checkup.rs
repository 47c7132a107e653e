//! The checks of every doctor: whether a coordinator is there, and whether one can work with it.

use std::time::SystemTime;

use swarm_proto::{
    call::CallFailure,
    channel::{self, Address},
    duration::format_duration,
    limits::MAX_MESSAGE_BYTES,
    v1::{
        GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
        admin_service_client::AdminServiceClient,
    },
};
use tokio::time::timeout;

use super::{
    clock::compare_clocks,
    connection::{PATIENCE, connects, resolves},
    report::Report,
};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_are_older_than_what_agents_saw_are_told() {
        let mut report = Report::default();
        let status = GetStatusResponse {
            agents_saw_seq: 17,
            ..GetStatusResponse::default()
        };
        compare_positions(&mut report, &status);
        assert!(
            report.to_string().contains("an agent has seen event 17"),
            "{report}"
        );
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
