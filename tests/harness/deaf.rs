//! An address where nothing listens, and nothing else can.

use tokio::net::TcpSocket;

/// A port that is taken, and refuses every connection for as long as this lives.
pub(crate) struct Deaf {
    address: String,
    _bound: TcpSocket,
}

impl Deaf {
    pub(crate) fn take() -> Deaf {
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Deaf {
            address: bound.local_addr().unwrap().to_string(),
            _bound: bound,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}
