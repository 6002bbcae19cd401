//! Looking up hosts, so that nobody has to wait for a look-up that hangs.
//!
//! The system's function cannot be interrupted. It runs in a thread of its own, which is forgotten when
//! nobody wants the answer any more; the runtime's own threads would be waited for at its end.

use std::net::{SocketAddr, ToSocketAddrs};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;

/// Asks a function that may block.
pub(super) struct Detached(pub(super) fn(&str) -> std::io::Result<Vec<SocketAddr>>);

/// Asks the system.
pub(super) fn system(host: &str) -> std::io::Result<Vec<SocketAddr>> {
    // The port is put in by who asks.
    (host, 0).to_socket_addrs().map(Iterator::collect)
}

impl Resolve for Detached {
    fn resolve(&self, name: Name) -> Resolving {
        let (answer, answered) = oneshot::channel();
        let ask = self.0;
        let spawned = std::thread::Builder::new()
            .name("names".to_owned())
            // Nobody may be left to hear the answer.
            .spawn(move || drop(answer.send(ask(name.as_str()))));
        Box::pin(async move {
            spawned?;
            let found = answered.await??;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
