//! The cause of a lost call, read from the chain of errors that the transport gives.

use std::{error::Error, io};

use tonic::Status;

/// Hyper's text for a name that does not resolve; the type of that error cannot be named.
const DNS_FAILURE: &str = "dns error";

/// Hyper's text for a connection that was not made, whatever the system's reason.
const CONNECT_FAILURE: &str = "tcp connect error";

/// The status and everything that caused it, joined with `: `; tonic's own Display hides the causes.
pub(super) fn chain(status: &Status) -> String {
    let mut parts = vec![status.message().to_owned()];
    for error in causes(status) {
        let text = error.to_string();
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() {
        format!("the call ended with {:?}", status.code())
    } else {
        parts.join(": ")
    }
}

/// Whether no connection was made: the name does not resolve, nothing listens, or the host does not answer.
pub(super) fn is_unsent(status: &Status) -> bool {
    causes(status).any(|error| {
        let refused = error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
            )
        });
        let text = error.to_string();
        refused || text.starts_with(DNS_FAILURE) || text.starts_with(CONNECT_FAILURE)
    })
}

/// The last error of a chain joined with `: `, as part of a sentence and without the system's error number.
pub(super) fn plain(chain: &str) -> String {
    let last = chain.rsplit(": ").next().unwrap_or(chain);
    let last = last.split(" (os error").next().unwrap_or(last);
    let cause = lower_first(last);
    if chain.contains(DNS_FAILURE) {
        return format!("the name does not resolve: {cause}");
    }
    match cause.as_str() {
        "connection refused" => "connection refused: nothing listens there".to_owned(),
        "deadline has elapsed" if chain.contains(CONNECT_FAILURE) => {
            "nothing there answers a connection".to_owned()
        }
        "stream closed because of a broken pipe" | "broken pipe" => "the connection broke".to_owned(),
        "connection reset by peer" | "connection reset" => "the other end closed the connection".to_owned(),
        _ => cause,
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Words such as `HTTP/1.1` keep their capitals.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_cause_reads_as_part_of_a_sentence() {
        for (chain, expected) in [
            (
                "transport error: tcp connect error: Connection refused (os error 111)",
                "connection refused: nothing listens there",
            ),
            (
                "transport error: dns error: failed to lookup address information: Name or service not known",
                "the name does not resolve: name or service not known",
            ),
            (
                "transport error: tcp connect error: deadline has elapsed",
                "nothing there answers a connection",
            ),
            (
                "h2 protocol error: error reading a body from connection: stream closed because of a broken pipe",
                "the connection broke",
            ),
            ("no answer within 20 s", "no answer within 20 s"),
            ("HTTP/1.1 peer", "HTTP/1.1 peer"),
            ("", ""),
        ] {
            assert_eq!(plain(chain), expected);
        }
    }
}
