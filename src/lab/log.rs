//! The lab's log: every request that came, counted, and written down where that was asked for.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::world::rtype;
use crate::error::Error;
use crate::text;

/// Lines kept in memory where that was asked for: the last of them, whatever the length of the scan.
const LINES_MAX: usize = 100_000;

/// What came.
#[derive(Debug, Default)]
pub(super) struct Log {
    udp: AtomicU64,
    tcp: AtomicU64,
    tls: AtomicU64,
    http: AtomicU64,
    smtp: AtomicU64,
    smtp_violations: AtomicU64,
    smtp_now: Mutex<HashMap<IpAddr, u64>>,
    smtp_most_at_once: AtomicU64,
    /// Where lines go; none: they are only counted.
    lines: Option<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    file: Option<BufWriter<File>>,
}

/// How many requests came, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSnapshot {
    /// Questions over UDP.
    pub dns_udp: u64,
    /// Questions over TCP.
    pub dns_tcp: u64,
    /// Connections to an HTTPS port.
    pub connections: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Connections to an SMTP port.
    pub smtp_connections: u64,
    /// The most connections to the SMTP port of one address at the same time.
    pub smtp_most_at_once: u64,
    /// What no scan may do at a mail server: talk before the greeting, or say MAIL, RCPT, DATA and their like.
    pub smtp_violations: u64,
    /// `dns NAME TYPE`, `dns-tcp NAME TYPE`, `connect ADDRESS`, `http HOST METHOD PATH`, `smtp-connect ADDRESS`, `smtp HOST
    /// VERB` (the address in place of the host until TLS names one), `smtp-tls HOST ADDRESS` where a ClientHello came,
    /// `smtp-violation ADDRESS WHAT`, the last of them, if they are kept.
    pub lines: Vec<String>,
}

impl Log {
    /// A log that keeps lines, or writes them to a file, or only counts.
    pub(super) fn new(keep: bool, file: Option<&Path>) -> Result<Self, Error> {
        let file = match file {
            None => None,
            Some(path) => Some(BufWriter::new(
                File::create(path).map_err(|source| Error::Create { path: path.to_owned(), source })?,
            )),
        };
        let lines = (keep || file.is_some()).then(|| Mutex::new(Lines { kept: VecDeque::new(), file }));
        Ok(Self { lines, ..Self::default() })
    }

    pub(super) fn dns_udp(&self, name: &str, asked: u16) {
        self.udp.fetch_add(1, Ordering::Relaxed);
        self.line(|| format!("dns {name} {}", type_word(asked)));
    }

    pub(super) fn dns_tcp(&self, name: &str, asked: u16) {
        self.tcp.fetch_add(1, Ordering::Relaxed);
        self.line(|| format!("dns-tcp {name} {}", type_word(asked)));
    }

    pub(super) fn connection(&self, address: IpAddr) {
        self.tls.fetch_add(1, Ordering::Relaxed);
        self.line(|| format!("connect {address}"));
    }

    pub(super) fn request(&self, host: &str, method: &str, path: &str) {
        self.http.fetch_add(1, Ordering::Relaxed);
        self.line(|| format!("http {host} {method} {path}"));
    }

    /// Counts a connection to a mail server until the guard is dropped.
    pub(super) fn smtp_connection(self: &Arc<Self>, address: IpAddr) -> SmtpConnection {
        self.smtp.fetch_add(1, Ordering::Relaxed);
        // A panic while the lock was held can only have miscounted, here and below.
        let mut now = self.smtp_now.lock().unwrap_or_else(PoisonError::into_inner);
        let here = now.entry(address).or_default();
        *here += 1;
        self.line(|| format!("smtp-connect {address}"));
        SmtpConnection { log: Arc::clone(self), address }
    }

    pub(super) fn smtp_command(&self, host: &str, verb: &str) {
        self.line(|| format!("smtp {host} {verb}"));
    }

    pub(super) fn smtp_tls(&self, host: &str, address: IpAddr) {
        self.line(|| format!("smtp-tls {host} {address}"));
    }

    pub(super) fn smtp_violation(&self, address: IpAddr, what: &str) {
        self.smtp_violations.fetch_add(1, Ordering::Relaxed);
        self.line(|| format!("smtp-violation {address} {what}"));
    }

    pub(super) fn snapshot(&self) -> LogSnapshot {
        LogSnapshot {
            dns_udp: self.udp.load(Ordering::Relaxed),
            dns_tcp: self.tcp.load(Ordering::Relaxed),
            connections: self.tls.load(Ordering::Relaxed),
            requests: self.http.load(Ordering::Relaxed),
            smtp_connections: self.smtp.load(Ordering::Relaxed),
            smtp_most_at_once: self.smtp_most_at_once.load(Ordering::Relaxed),
            smtp_violations: self.smtp_violations.load(Ordering::Relaxed),
            lines: self.locked(|lines| lines.kept.iter().cloned().collect()).unwrap_or_default(),
        }
    }

    /// Writes out what is buffered.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let flushed = self.locked(|lines| lines.file.as_mut().map_or(Ok(()), Write::flush));
        flushed.unwrap_or(Ok(())).map_err(Error::io("cannot write the log"))
    }

    fn line(&self, line: impl FnOnce() -> String) {
        self.locked(|lines| {
            let line = text::shown(&line());
            if let Some(file) = &mut lines.file {
                // A log that cannot be written is seen at the flush; the lab goes on.
                let _ = writeln!(file, "{line}");
            } else {
                if lines.kept.len() == LINES_MAX {
                    lines.kept.pop_front();
                }
                lines.kept.push_back(line);
            }
        });
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Lines) -> T) -> Option<T> {
        // A panic while the lock was held can only have lost a line.
        self.lines.as_ref().map(|lines| work(&mut lines.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A connection to a mail server that lasts.
#[derive(Debug)]
pub(super) struct SmtpConnection {
    log: Arc<Log>,
    pub(super) address: IpAddr,
}

impl SmtpConnection {
    /// Connections to its address that last.
    fn now(&self) -> u64 {
        let now = self.log.smtp_now.lock().unwrap_or_else(PoisonError::into_inner);
        now.get(&self.address).copied().unwrap_or(0)
    }

    /// Whether there were never so many at one address at the same time.
    pub(super) fn is_record(&self) -> bool {
        self.now() > self.log.smtp_most_at_once.load(Ordering::Relaxed)
    }

    /// Counts those that last now.
    pub(super) fn count(&self) {
        self.log.smtp_most_at_once.fetch_max(self.now(), Ordering::Relaxed);
    }
}

impl Drop for SmtpConnection {
    fn drop(&mut self) {
        let mut now = self.log.smtp_now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = now.get_mut(&self.address) {
            *here = here.saturating_sub(1);
        }
    }
}

fn type_word(number: u16) -> String {
    match number {
        rtype::A => "A".to_owned(),
        rtype::NS => "NS".to_owned(),
        rtype::CNAME => "CNAME".to_owned(),
        rtype::MX => "MX".to_owned(),
        rtype::TXT => "TXT".to_owned(),
        rtype::AAAA => "AAAA".to_owned(),
        rtype::TLSA => "TLSA".to_owned(),
        other => format!("TYPE{other}"),
    }
}
