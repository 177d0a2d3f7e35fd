//! Upstreams: the resolvers to ask, as they are written on a command line and in `/etc/resolv.conf`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use resolv_conf::ScopedIp;

use crate::error::Error;
use crate::name::HostName;
use crate::net::Upstream;

/// The port of DNS (RFC 1035 4.2).
const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858 3.1).
const TLS_PORT: u16 = 853;
/// Where Unix systems name their resolvers (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Resolvers taken from there: those that the system's own library reads (MAXNS of resolv.conf(5)).
const SYSTEM_MAX: usize = 3;

impl Upstream {
    /// Reads `ADDR`, `ADDR:PORT`, `[ADDR]:PORT` after `udp://` (or nothing), `tcp://` or `tls://` (with `#name` to
    /// authenticate by name), or an `https://` URL.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad =
            || Error::Usage(format!("{text} is no resolver: give ADDR[:PORT], udp://, tcp://, tls:// or https://"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return socket(text, DNS_PORT).map(Self::Udp).ok_or_else(bad);
        };
        match scheme {
            "udp" => socket(rest, DNS_PORT).map(Self::Udp),
            "tcp" => socket(rest, DNS_PORT).map(Self::Tcp),
            "tls" => {
                let (address, name) = match rest.split_once('#') {
                    Some((address, name)) => (address, Some(HostName::parse(name).map_err(|_| bad())?)),
                    None => (rest, None),
                };
                socket(address, TLS_PORT).map(|to| Self::Tls(to, name.map(|name| name.to_string())))
            }
            "https" => reqwest::Url::parse(text).ok().filter(|url| url.has_host()).map(|url| Self::Https(url.into())),
            _ => None,
        }
        .ok_or_else(bad)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(to) => write!(f, "udp://{to}"),
            Self::Tcp(to) => write!(f, "tcp://{to}"),
            Self::Tls(to, None) => write!(f, "tls://{to}"),
            Self::Tls(to, Some(name)) => write!(f, "tls://{to}#{name}"),
            Self::Https(url) => f.write_str(url),
        }
    }
}

/// The resolvers of the system.
///
/// # Errors
/// [`Error::Io`] where they cannot be read, [`Error::Unavailable`] where there are none.
pub fn system_upstreams() -> Result<Vec<Upstream>, Error> {
    let path = Path::new(RESOLV_CONF);
    let text = match std::fs::read(path) {
        // Without the file there is no resolver, just as with an empty one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(Error::io(format!("cannot read {RESOLV_CONF}")))?,
    };
    let upstreams = from_resolv_conf(&text);
    if upstreams.is_empty() {
        return Err(Error::Unavailable(format!("{RESOLV_CONF} names no resolver: give one with --resolver")));
    }
    Ok(upstreams)
}

/// The resolvers that a resolv.conf names. As the system does, lines that make no sense are passed over.
fn from_resolv_conf(text: &[u8]) -> Vec<Upstream> {
    let (config, _errors) = resolv_conf::Config::parse_with_errors(text);
    // A zone index needs the system's table of interfaces; a resolver on a link-local address is left out.
    let unscoped = |address: &ScopedIp| !matches!(address, ScopedIp::V6(_, Some(_)));
    let addresses = config.nameservers.into_iter().filter(unscoped).map(IpAddr::from);
    addresses.take(SYSTEM_MAX).map(|address| Upstream::Udp(SocketAddr::new(address, DNS_PORT))).collect()
}

/// An address with or without a port; IPv6 in brackets where a port follows.
fn socket(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Some(SocketAddr::new(address, port));
    }
    text.parse().ok().filter(|to: &SocketAddr| to.port() != 0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_and_written() {
        for (text, wanted) in [
            ("192.0.2.1", "udp://192.0.2.1:53"),
            ("192.0.2.1:5353", "udp://192.0.2.1:5353"),
            ("2001:db8::1", "udp://[2001:db8::1]:53"),
            ("[2001:db8::1]", "udp://[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "udp://[2001:db8::1]:5353"),
            ("udp://127.0.0.53", "udp://127.0.0.53:53"),
            ("tcp://192.0.2.1", "tcp://192.0.2.1:53"),
            ("tls://192.0.2.1", "tls://192.0.2.1:853"),
            ("tls://192.0.2.1:8853#dns.example", "tls://192.0.2.1:8853#dns.example"),
            ("https://dns.example/dns-query", "https://dns.example/dns-query"),
        ] {
            let upstream = Upstream::parse(text).unwrap();
            assert_eq!(upstream.to_string(), wanted);
            assert_eq!(Upstream::parse(wanted).unwrap(), upstream);
        }
    }

    #[test]
    fn what_is_no_upstream_is_refused() {
        for text in [
            "",
            "dns.example",
            "192.0.2.1:0",
            "192.0.2.1:65536",
            "192.0.2.256",
            "udp://dns.example",
            "tls://192.0.2.1#",
            "tls://192.0.2.1#a b",
            "http://dns.example/dns-query",
            "https://",
            "quic://192.0.2.1",
        ] {
            assert!(matches!(Upstream::parse(text), Err(Error::Usage(_))), "{text}");
        }
    }

    #[test]
    fn the_system_file_is_read_as_the_system_reads_it() {
        let text = b"# made by hand\nnameserver 192.0.2.1\nnonsense\nsearch example\nnameserver fe80::1%eth0\n\
            nameserver 2001:db8::1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let written: Vec<_> = from_resolv_conf(text).iter().map(ToString::to_string).collect();
        assert_eq!(written, ["udp://192.0.2.1:53", "udp://[2001:db8::1]:53", "udp://192.0.2.2:53"]);
        assert!(from_resolv_conf(b"search example\n").is_empty());
    }
}
