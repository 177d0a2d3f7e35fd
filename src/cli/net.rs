//! The network options, the same for every command that asks the Internet, made into one [`NetConfig`].

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::discover::Also;
use crate::error::Error;
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
    /// URL or mail address that tells a stranger who is asking and why; goes into the user agent
    #[arg(long, value_name = "TEXT", conflicts_with = "no_contact")]
    pub contact: Option<String>,
    /// Say that no contact is wanted
    #[arg(long)]
    pub no_contact: bool,
    /// Network that may be talked to although it is not public; repeatable
    #[arg(long, value_name = "CIDR")]
    pub allow_network: Vec<IpNet>,
    /// DNS questions a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
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
}

/// What to ask.
#[derive(Args, Debug, Clone)]
pub struct QuestionArgs {
    /// How far to go where a record is announced: record, policy
    #[arg(long, value_name = "DEPTH", default_value = "policy", value_parser = depth)]
    pub depth: Depth,
    /// Go on even where no record is announced, to find policies without one
    #[arg(long)]
    pub deep: bool,
    /// Ask these of every domain: mx, tlsrpt
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = ["mx", "tlsrpt"])]
    pub also: Vec<String>,
}

fn depth(text: &str) -> Result<Depth, String> {
    match text {
        "record" => Ok(Depth::Record),
        "policy" => Ok(Depth::Policy),
        other => Err(format!("{other} is none of record, policy")),
    }
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
        Questions { depth: self.depth, deep: self.deep, also: Also { mx: asks("mx"), tlsrpt: asks("tlsrpt") } }
    }
}

impl NetArgs {
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
            user_agent: self.user_agent()?,
            timeouts: Timeouts {
                dns: self.timeout_dns,
                connect: self.timeout_connect,
                tls: self.timeout_tls,
                https: self.timeout_https,
            },
            per_host: self.per_host,
            rate: self.rate,
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
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "1e9", "", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
