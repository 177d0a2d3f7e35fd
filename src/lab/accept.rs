//! Accepting connections at one address: each is a task that its listener owns and ends.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections to one address at once; more wait in the queue of the listener.
const CONNECTIONS_MAX: usize = 512;

/// Accepts until told to stop, and attends to each connection side by side; what is still open then is dropped.
pub(super) async fn accept<F>(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    attend: impl Fn(TcpStream, IpAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                // An accept that fails is a peer that is gone again, or a machine out of descriptors, which passes.
                let Ok((stream, _)) = accepted else { continue };
                let address = stream.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |local: SocketAddr| local.ip());
                connections.spawn(attend(stream, address));
            }
        }
    }
    connections.shutdown().await;
}
