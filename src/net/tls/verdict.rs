//! The verdict on a chain (RFC 8461 3.3, 4.2), given beside the tasks of the network.

use std::sync::Arc;
use std::time::SystemTime;

use crate::cert::{self, RootStore, Verdict};
use crate::name::HostName;
use crate::net::task;

/// Judges a chain now, on a thread of its own: a hostile one costs up to a second (HOSTILE.md 87). No verdict without a
/// chain.
pub(crate) async fn judge(host: &HostName, chain: &[Vec<u8>], roots: &Arc<[RootStore]>) -> Option<Verdict> {
    if chain.is_empty() {
        return None;
    }
    let (host, chain, roots) = (host.clone(), chain.to_vec(), Arc::clone(roots));
    let at = SystemTime::now();
    task::ended(tokio::task::spawn_blocking(move || cert::judge(&chain, &host, at, &roots)).await)
}
