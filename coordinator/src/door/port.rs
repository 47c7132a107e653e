//! A port: taken before the data are opened, which may take long, and open when they are.

use std::net::SocketAddr;

use swarm_program::{exit::Exit, failure::Failure};
use tokio::net::{TcpListener, TcpSocket};

use crate::program::{failure::chain, limits::CONNECTION_BACKLOG};

/// A port on which no other program listens, and which refuses connections until it is opened.
pub(crate) struct Port {
    flag: &'static str,
    asked: SocketAddr,
    socket: TcpSocket,
}

impl Port {
    /// Takes the port for which this flag was given.
    pub(crate) fn take(flag: &'static str, asked: SocketAddr) -> Result<Port, Failure> {
        let failed = |error| cannot_listen(flag, asked, &error);
        let socket = match asked {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(failed)?;
        // Connections that an earlier run had must not keep the port from this one.
        #[cfg(unix)]
        socket.set_reuseaddr(true).map_err(failed)?;
        socket.bind(asked).map_err(failed)?;
        Ok(Port { flag, asked, socket })
    }

    /// Takes connections from now on. The address has the port's number, also where any was asked for.
    pub(crate) fn open(self) -> Result<(TcpListener, SocketAddr), Failure> {
        let failed = |error| cannot_listen(self.flag, self.asked, &error);
        let listener = self.socket.listen(CONNECTION_BACKLOG).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, address))
    }
}

fn cannot_listen(flag: &str, address: SocketAddr, error: &std::io::Error) -> Failure {
    let help = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "another program has that port; take another one: {flag} {}:PORT (0 takes a free one)",
                address.ip()
            )
        }
        _ => format!("name an address of this machine: {flag} IP:PORT"),
    };
    Failure::new(
        Exit::Configuration,
        format!("cannot listen on {address}: {}", chain(error)),
    )
    .help(help)
}
