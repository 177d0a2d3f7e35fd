//! The network options, the same for every command that asks the Internet, made into one [`NetConfig`].

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::discover::Also;
use crate::error::Error;
use crate::name::HostName;
use crate::net::dns::system_upstreams;
use crate::net::reach::Reach;
use crate::net::tls::root_store;
use crate::net::{NetConfig, Timeouts, Upstream};
use crate::survey::{Depth, Questions};

/// Connections at a time to one address, unless `--per-host` says otherwise: what a browser's user would cause.
const PER_HOST: usize = 4;

/// Whom to ask, and how.
#[derive(Args, Debug, Clone)]
pub struct NetArgs {
    /// Resolver to ask: ADDR or ADDR:PORT, udp://, tcp://, tls://ADDR#NAME or an https:// URL; repeatable [default: the system's]
    #[arg(long, value_name = "RESOLVER")]
    pub resolver: Vec<String>,
    /// Root store to judge certificates by: mozilla, system or a PEM file; repeatable, the first decides [default: mozilla]
    #[arg(long, value_name = "STORE")]
    pub roots: Vec<String>,
    /// Port of the policy hosts
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    pub https_port: u16,
    /// Port of the mail hosts
    #[arg(long, value_name = "PORT", default_value_t = 25)]
    pub smtp_port: u16,
    /// Name, or address in brackets, that EHLO says we are: best the name that our address resolves to [default: this machine's name]
    #[arg(long, value_name = "NAME", value_parser = helo)]
    pub helo: Option<String>,
    /// Domain that is known to take mail, by which to find out whether mail hosts can be reached from here; repeatable, none
    /// to take it for granted [default: gmail.com, outlook.com, yahoo.com]
    #[arg(long, value_name = "DOMAIN", value_parser = canary)]
    pub smtp_canary: Vec<String>,
    /// URL or mail address that tells a stranger who is asking and why; goes into the user agent
    #[arg(long, value_name = "TEXT", conflicts_with = "no_contact")]
    pub contact: Option<String>,
    /// Say that no contact is wanted
    #[arg(long)]
    pub no_contact: bool,
    /// Believe the resolver's word on DNSSEC (the AD bit): it validates, and the way to it is safe [default: only on this machine]
    #[arg(long)]
    pub trust_ad: bool,
    /// Network that may be talked to although it is not public; repeatable
    #[arg(long, value_name = "CIDR")]
    pub allow_network: Vec<IpNet>,
    /// DNS questions a second, of all resolvers together, or auto: in bulk, as many as each resolver answers without failing
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = pace)]
    pub rate: Pace,
    /// Domain that is known to announce MTA-STS, by which to find out whether a resolver tells the truth; repeatable, none to
    /// take its word for it [default: gmail.com, outlook.com, yahoo.com for a scan, none for a check]
    #[arg(long, value_name = "DOMAIN", value_parser = canary)]
    pub dns_canary: Vec<String>,
    /// Connections at a time to one address
    #[arg(long, value_name = "N", default_value_t = PER_HOST, value_parser = at_least_one)]
    pub per_host: usize,
    /// Seconds for one DNS question, with all its attempts
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    pub timeout_dns: Duration,
    /// Seconds for one TCP connection
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub timeout_connect: Duration,
    /// Seconds for one TLS handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout_tls: Duration,
    /// Seconds for the whole fetch of a policy
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout_https: Duration,
    /// Seconds for the greeting of a mail host
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout_banner: Duration,
    /// Seconds for the whole conversation with a mail host
    #[arg(long, value_name = "SECONDS", default_value = "90", value_parser = seconds)]
    pub timeout_smtp: Duration,
}

/// How fast to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as each resolver can take it.
    Auto,
    /// So many questions a second, at most.
    Limited(u32),
}

impl Pace {
    fn limit(self) -> Option<u32> {
        match self {
            Self::Auto => None,
            Self::Limited(per_second) => Some(per_second),
        }
    }
}

/// What to ask.
#[derive(Args, Debug, Clone)]
pub struct QuestionArgs {
    /// How far to go where a record is announced: record, policy, mail
    #[arg(long, value_name = "DEPTH", default_value = "mail", value_parser = depth)]
    pub depth: Depth,
    /// Go on even where no record is announced, to find policies without one
    #[arg(long)]
    pub deep: bool,
    /// Ask these of every domain: mx, tlsrpt, hosts (the mail hosts, at depth mail)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = ["mx", "tlsrpt", "hosts"])]
    pub also: Vec<String>,
}

fn depth(text: &str) -> Result<Depth, String> {
    match text {
        "record" => Ok(Depth::Record),
        "policy" => Ok(Depth::Policy),
        "mail" => Ok(Depth::Mail),
        other => Err(format!("{other} is none of record, policy, mail")),
    }
}

/// A host name with a dot, or an address literal (RFC 5321 4.1.1.1, 4.1.3).
fn helo(text: &str) -> Result<String, String> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_literal = literal.is_some_and(|inside| match inside.strip_prefix("IPv6:") {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => inside.parse::<std::net::Ipv4Addr>().is_ok(),
    });
    if is_literal {
        return Ok(text.to_owned());
    }
    let name = HostName::parse(text).map_err(|error| error.to_string())?;
    let last = name.as_str().rsplit_once('.').map(|(_, last)| last);
    // RFC 5321 2.3.5: a name that is resolved, of letters, digits and hyphens.
    match last {
        Some(last) if !last.bytes().all(|b| b.is_ascii_digit()) && !text.contains('_') => Ok(name.to_string()),
        _ => Err("neither a host name with a dot nor an address in brackets".to_owned()),
    }
}

/// A number of questions a second, or `auto`.
fn pace(text: &str) -> Result<Pace, String> {
    match text.parse() {
        Ok(per_second @ 1..) => Ok(Pace::Limited(per_second)),
        _ if text == "auto" => Ok(Pace::Auto),
        _ => Err(format!("neither a number from 1 to {} nor auto", u32::MAX)),
    }
}

/// A domain, or `none`.
fn canary(text: &str) -> Result<String, String> {
    HostName::parse(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// The name of this machine, as the kernel has it, where EHLO may say it; else a name that is nobody's.
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    helo(name.trim()).unwrap_or_else(|_| "localhost.localdomain".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text} is no number from 1 on")),
        Ok(number) => Ok(number),
    }
}

/// A positive number of seconds; fractions are lawful.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text} is no number of seconds"))?;
    // An hour is beyond every sensible time-out, and well inside what a Duration holds.
    if !(0.001..=3600.0).contains(&number) {
        return Err(format!("{text} is not between 0.001 and 3600 seconds"));
    }
    Ok(Duration::from_secs_f64(number))
}

impl QuestionArgs {
    /// The questions.
    #[must_use]
    pub fn questions(&self) -> Questions {
        let asks = |word: &str| self.also.iter().any(|also| also == word);
        Questions {
            depth: self.depth,
            deep: self.deep,
            also: Also { mx: asks("mx"), tlsrpt: asks("tlsrpt") },
            all_hosts: asks("hosts"),
        }
    }
}

/// Domains that take mail from everywhere, at three operators, whose mail hosts have certificates that fit: all three have
/// announced and enforced MTA-STS for years.
const CANARIES: [&str; 3] = ["gmail.com", "outlook.com", "yahoo.com"];

/// The canaries that were given, or the usual ones; `None` where none are wanted.
fn canaries(given: &[String]) -> Option<Vec<HostName>> {
    let names: Vec<&str> = match given {
        [none] if none == "none" => return None,
        [] => CANARIES.to_vec(),
        given => given.iter().map(String::as_str).collect(),
    };
    Some(names.into_iter().filter_map(|name| HostName::parse(name).ok()).collect())
}

impl NetArgs {
    /// The domains by which to find out whether mail hosts can be reached; `None` where that is taken for granted.
    #[must_use]
    pub fn canaries(&self) -> Option<Vec<HostName>> {
        canaries(&self.smtp_canary)
    }

    /// Whether domains were named by which to find out whether a resolver tells the truth.
    #[must_use]
    pub fn names_dns_canaries(&self) -> bool {
        !self.dns_canary.is_empty()
    }

    /// The configuration, made once.
    ///
    /// # Errors
    /// Where a resolver, or a root store, is none.
    pub fn config(&self) -> Result<NetConfig, Error> {
        let upstreams = if self.resolver.is_empty() {
            system_upstreams()?
        } else {
            self.resolver.iter().map(|text| Upstream::parse(text)).collect::<Result<_, _>>()?
        };
        let specs = if self.roots.is_empty() { vec!["mozilla".to_owned()] } else { self.roots.clone() };
        let roots = specs.iter().map(|spec| root_store(spec)).collect::<Result<Vec<_>, _>>()?;
        for (option, names) in [("--smtp-canary", &self.smtp_canary), ("--dns-canary", &self.dns_canary)] {
            if names.len() > 1 && names.iter().any(|name| name == "none") {
                return Err(Error::Usage(format!("{option} none stands alone")));
            }
        }
        if let Some(twice) =
            roots.iter().enumerate().find(|(at, store)| roots[..*at].iter().any(|r| r.name == store.name))
        {
            return Err(Error::Usage(format!("two root stores are named {}", twice.1.name)));
        }
        Ok(NetConfig {
            upstreams,
            roots: roots.into(),
            reach: Arc::new(Reach::new(self.allow_network.clone())),
            https_port: self.https_port,
            smtp_port: self.smtp_port,
            helo: self.helo.clone().unwrap_or_else(own_name),
            user_agent: self.user_agent()?,
            timeouts: Timeouts {
                dns: self.timeout_dns,
                connect: self.timeout_connect,
                tls: self.timeout_tls,
                https: self.timeout_https,
                banner: self.timeout_banner,
                smtp: self.timeout_smtp,
            },
            per_host: self.per_host,
            rate: self.rate.limit(),
            dns_canaries: canaries(&self.dns_canary).unwrap_or_default().into(),
            trust_ad: self.trust_ad,
        })
    }

    /// `stscan/VERSION`, with the contact as a comment (RFC 9110 10.1.5).
    fn user_agent(&self) -> Result<String, Error> {
        let product = concat!("stscan/", env!("CARGO_PKG_VERSION"));
        match &self.contact {
            None => Ok(product.to_owned()),
            Some(contact) if contact.bytes().all(|b| matches!(b, 0x20..=0x7e) && !matches!(b, b'(' | b')' | b'\\')) => {
                Ok(format!("{product} (+{contact})"))
            }
            Some(contact) => Err(Error::Usage(format!("--contact {contact}: only printable ASCII without ( ) \\"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helo_is_a_name_or_a_literal() {
        for text in ["mx.example", "a-1.example.", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert!(helo(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "vm",
            "localhost",
            "192.0.2.1",
            "[::1]",
            "[IPv6:192.0.2.1]",
            "[mx]",
            "_x.example",
            "a b.example",
            "a\r\nb.c",
        ] {
            assert!(helo(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_number_or_auto() {
        assert_eq!(pace("auto"), Ok(Pace::Auto));
        assert_eq!(pace("1"), Ok(Pace::Limited(1)));
        for text in ["", "0", "-1", "4294967296", "none", "Auto", "1.5"] {
            assert!(pace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn canaries_are_the_usual_ones_or_others_or_none() {
        let of = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
            canaries(&given).map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), Some(CANARIES.map(str::to_owned).to_vec()));
        assert_eq!(of(&["a.example", "b.example"]), Some(vec!["a.example".to_owned(), "b.example".to_owned()]));
        assert_eq!(of(&["none"]), None);
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "1e9", "", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
