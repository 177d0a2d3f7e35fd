//! Which addresses may be connected to: public ones by the IANA special-purpose registries (RFC 6890), and what the user
//! allows.
//!
//! The guard sits in the connector and judges the very socket address that is connected to, so that no look-up,
//! redirect or fallback gets around it.

mod blocks;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::Failure;
use crate::finding::https::{reach, tcp};

/// The address guard. The default lets through nothing but public addresses.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allow: Vec<IpNet>,
}

/// Addresses by whether they may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Those that may, in the given order.
    pub usable: Vec<IpAddr>,
    /// Those that may not, each with the block that keeps it from being public.
    pub forbidden: Vec<(IpAddr, &'static str)>,
}

/// "Address family not supported" on Linux: a kernel without IPv6.
const NO_FAMILY: i32 = 97;

/// "Permission denied" on Linux: EACCES.
const PROHIBITED: i32 = 13;

/// How long to wait before asking our own machine for a socket again: long enough for others to give one back.
const LOCAL_WAIT: Duration = Duration::from_millis(50);
/// Too many open files, in the process (EMFILE) and in the system (ENFILE): the same numbers on Linux and the BSDs.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

impl Reach {
    /// A guard that lets through public addresses, and those inside the given networks.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow }
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// The block that keeps the address, or an IPv4 address embedded in it, from being public.
    pub fn judge(&self, address: IpAddr) -> Result<(), &'static str> {
        // An IPv4-mapped address is the IPv4 address; no other embedding is allowed by a network of IPv4.
        let address = address.to_canonical();
        if self.allow.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        blocks::block(address).map_or(Ok(()), Err)
    }

    /// Parts addresses into those that may be connected to and those that may not.
    #[must_use]
    pub fn sort(&self, addresses: &[IpAddr]) -> Sorted {
        let mut sorted = Sorted::default();
        for address in addresses {
            match self.judge(*address) {
                Ok(()) => sorted.usable.push(*address),
                Err(block) => sorted.forbidden.push((*address, block)),
            }
        }
        sorted
    }

    /// Opens a TCP connection within `limit`. No packet goes to an address that is not allowed.
    ///
    /// Where our own machine has no descriptor or port left, it waits for one: that says nothing of the host.
    ///
    /// # Errors
    /// `reach.forbidden`, or what `tcp.*` there is; the subject is the socket address.
    pub async fn connect(&self, address: SocketAddr, limit: Duration) -> Result<TcpStream, Failure> {
        if let Err(block) = self.judge(address.ip()) {
            return Err(Failure::new(reach::FORBIDDEN).about(address.to_string()).with("block", block));
        }
        let deadline = Instant::now() + limit;
        let mut shortage = None;
        loop {
            match timeout_at(deadline, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                // Without an address of IPv6 of our own there is nothing to wait for.
                Ok(Err(error)) if is_shortage(&error) && !(address.is_ipv6() && is_no_address(&error)) => {
                    shortage = Some(error);
                    // Sleeping never outlasts the deadline by more than itself.
                    if Instant::now() + LOCAL_WAIT < deadline {
                        sleep(LOCAL_WAIT).await;
                        continue;
                    }
                }
                Ok(Err(error)) => return Err(failure(&error).about(address.to_string())),
                Err(_) => {}
            }
            let failure = match &shortage {
                Some(error) => with_errno(Failure::new(tcp::LOCAL), error),
                None => Failure::new(tcp::TIMEOUT),
            };
            return Err(failure.about(address.to_string()).with("limit_ms", milliseconds(limit)));
        }
    }
}

/// Whether we have no address of this version of IP.
fn is_no_address(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

/// Whether our own machine has run out of descriptors or local ports.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|number| NO_DESCRIPTOR.contains(&number))
}

/// What a failed connect says.
fn failure(error: &io::Error) -> Failure {
    let code = match error.kind() {
        _ if is_no_address(error) => tcp::UNREACHABLE,
        io::ErrorKind::ConnectionRefused => tcp::REFUSED,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => tcp::RESET,
        io::ErrorKind::TimedOut => tcp::TIMEOUT,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            tcp::UNREACHABLE
        }
        // EACCES: what Linux makes of ICMPv6 "administratively prohibited" (a firewall of our own is EPERM).
        io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(PROHIBITED) => tcp::UNREACHABLE,
        // A firewall of our own, and whatever else never left the machine.
        _ => tcp::LOCAL,
    };
    with_errno(Failure::new(code), error)
}

fn with_errno(failure: Failure, error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(number) => failure.with("errno", number),
        None => failure,
    }
}

/// A duration as whole milliseconds for the context of a failure.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
