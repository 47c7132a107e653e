//! Opens a client channel: addresses, keep-alive, timeouts.
//!
//! The channel connects with the first call and again after every loss, so a
//! coordinator that is away at the start is found when it comes back.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use tonic::transport::{Channel, Endpoint};

use crate::DEFAULT_PORT;

/// A silent peer is noticed after this plus [`KEEP_ALIVE_TIMEOUT`].
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a coordinator listens: `host`, `host:port`, `[::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The host as it is written in an address: a name, or a number in brackets if it has colons.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether packets to this address stay on this machine.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The flags with which a coordinator listens at this address. It listens on a number, and for other machines only
    /// with --insecure.
    pub fn listen_flags(&self) -> String {
        match (self.is_loopback(), self.host.as_str()) {
            (true, "localhost") => format!("--listen 127.0.0.1:{}", self.port),
            (true, _) => format!("--listen {self}"),
            (false, _) => format!("--listen 0.0.0.0:{} --insecure", self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        if text.contains("://") {
            return Err(if text.starts_with("https://") {
                format!("'{text}' asks for TLS, and this program speaks plaintext: write HOST:PORT alone")
            } else {
                format!("'{text}' is not HOST:PORT: leave out the scheme")
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address has colons of its own; its port stands behind the bracket.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (
                host,
                port.parse()
                    .map_err(|_| format!("'{port}' is not a port number (1 to 65535)"))?,
            ),
            _ => (text, DEFAULT_PORT),
        };
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => host.to_owned(),
        };
        let plausible =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':' | '%');
        if host.is_empty() || !host.chars().all(plausible) || port == 0 {
            return Err(format!(
                "'{text}' is not HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}"
            ));
        }
        Ok(Address { host, port })
    }
}

/// A channel to the coordinator at this address; connects with the first call.
///
/// # Errors
///
/// A sentence when the address cannot be written as a URI.
pub fn open(address: &Address) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| format!("'{address}' is not a usable address: {error}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expected, loopback) in [
            ("127.0.0.1:50051", "127.0.0.1:50051", true),
            ("localhost", "localhost:50051", true),
            ("[::1]:7", "[::1]:7", true),
            ("::1", "[::1]:50051", true),
            ("http://lab-3:9/", "lab-3:9", false),
            ("10.0.0.5", "10.0.0.5:50051", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.is_loopback()),
                (expected, loopback),
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for text in ["", ":5", "a b", "host:99999", "host:", "https://x", "host:0"] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was accepted");
        }
    }
}
