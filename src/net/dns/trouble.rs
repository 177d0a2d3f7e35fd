//! Troubles: why one try to ask one resolver came to nothing, and what that is called in the catalogue.

use std::io;

use crate::failure::Failure;
use crate::finding::{Code, dns};

/// Why one try came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No answer in time.
    Timeout,
    /// Nothing listens there, or no way leads there.
    Down(String),
    /// Only answers that break the format.
    Malformed,
    /// An answer that is neither "no error" nor "no such name", with its extended errors.
    Rcode { rcode: u16, ede: Vec<u16>, words: Option<String> },
    /// The answer was cut off.
    Truncated,
    /// The answer does not repeat the case of the question.
    CaseChanged,
    /// TCP was refused.
    TcpRefused,
    /// TCP took too long.
    TcpTimeout,
    /// TCP ended within the exchange.
    TcpClosed,
    /// The encrypted connection failed.
    Transport(String),
    /// This machine has no socket or port to spare. Ours, not the resolver's: wait and try again.
    Pressure,
}

/// "Too many open files", in this process and in the system: EMFILE and ENFILE are 24 and 23 on every Unix. `std` has no
/// name for them.
const NO_FILES: [i32; 2] = [24, 23];
/// "No buffer space available" on Linux.
const ENOBUFS: i32 = 105;

impl Trouble {
    /// The trouble behind an error of a socket that is no stream.
    pub(super) fn of_datagram(error: &io::Error) -> Self {
        // A datagram needs no port of its own to connect: EADDRNOTAVAIL says that we have no address of that version of IP.
        let no_address = error.kind() == io::ErrorKind::AddrNotAvailable;
        if is_pressure(error) && !no_address { Self::Pressure } else { Self::Down(error.to_string()) }
    }

    /// The trouble behind an error of a TCP connection.
    pub(super) fn of_stream(error: &io::Error) -> Self {
        match error.kind() {
            _ if is_pressure(error) => Self::Pressure,
            io::ErrorKind::ConnectionRefused => Self::TcpRefused,
            io::ErrorKind::TimedOut => Self::TcpTimeout,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Self::Down(error.to_string()),
            _ => Self::TcpClosed,
        }
    }

    /// What it is called when nothing better comes of the question.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Timeout => Failure::new(dns::TIMEOUT),
            Self::Down(why) => Failure::new(dns::RESOLVER_DOWN).with("error", why),
            Self::Malformed => Failure::new(dns::MALFORMED),
            Self::Rcode { rcode, ede, words } => {
                let failure = Failure::new(code(rcode)).with("rcode", rcode).with("ede", ede);
                match words {
                    Some(words) => failure.with("ede_text", words),
                    None => failure,
                }
            }
            // The case matters to datagrams alone; over TCP it is never asked for.
            Self::Truncated | Self::CaseChanged => Failure::new(dns::TRUNCATED),
            Self::TcpRefused => Failure::new(dns::TCP_REFUSED),
            Self::TcpTimeout => Failure::new(dns::TCP_TIMEOUT),
            Self::TcpClosed => Failure::new(dns::TCP_CLOSED),
            Self::Transport(why) => Failure::new(dns::TRANSPORT).with("error", why),
            Self::Pressure => Failure::new(dns::TIMEOUT).with("error", "no socket to spare on this machine"),
        }
    }
}

/// The code of an RCODE that is neither "no error" nor "no such name".
fn code(rcode: u16) -> Code {
    match rcode {
        1 => dns::RCODE_1,
        2 => dns::RCODE_2,
        4 => dns::RCODE_4,
        5 => dns::RCODE_5,
        6 => dns::RCODE_6,
        7 => dns::RCODE_7,
        8 => dns::RCODE_8,
        9 => dns::RCODE_9,
        10 => dns::RCODE_10,
        11 => dns::RCODE_11,
        12 => dns::RCODE_12,
        13 => dns::RCODE_13,
        14 => dns::RCODE_14,
        15 => dns::RCODE_15,
        _ => dns::RCODE_EXTENDED,
    }
}

/// Whether the error is a shortage of this machine (HOSTILE.md 59).
fn is_pressure(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    let kinds = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::AddrInUse, io::ErrorKind::OutOfMemory];
    number.is_some_and(|number| NO_FILES.contains(&number) || number == ENOBUFS) || kinds.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_this_machine_is_nobodys_fault() {
        // EMFILE, ENFILE, ENOMEM, EADDRINUSE, ENOBUFS
        for number in [24, 23, 12, 98, 105] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Trouble::of_datagram(&error), Trouble::Pressure, "{error}");
            assert_eq!(Trouble::of_stream(&error), Trouble::Pressure, "{error}");
        }
        // EADDRNOTAVAIL: no port for a stream, no address at all for a datagram
        let error = io::Error::from_raw_os_error(99);
        assert_eq!(Trouble::of_stream(&error), Trouble::Pressure);
        assert!(matches!(Trouble::of_datagram(&error), Trouble::Down(_)));
    }

    #[test]
    fn what_the_network_says_is_told_apart() {
        // ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ECONNRESET
        for (number, datagram, stream) in [
            (111, dns::RESOLVER_DOWN, dns::TCP_REFUSED),
            (101, dns::RESOLVER_DOWN, dns::RESOLVER_DOWN),
            (113, dns::RESOLVER_DOWN, dns::RESOLVER_DOWN),
            (104, dns::RESOLVER_DOWN, dns::TCP_CLOSED),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(Trouble::of_datagram(&error).failure().code, datagram, "{error}");
            assert_eq!(Trouble::of_stream(&error).failure().code, stream, "{error}");
        }
    }

    #[test]
    fn every_rcode_has_its_code() {
        for rcode in (1..16).filter(|rcode| *rcode != 3) {
            assert_eq!(code(rcode).as_str(), format!("dns.rcode_{rcode}"));
        }
        for rcode in [16, 23, 4095] {
            assert_eq!(code(rcode), dns::RCODE_EXTENDED);
        }
    }
}
