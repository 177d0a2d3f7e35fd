//! Discovery: the one question that is asked of every domain, and that ends most surveys.
//!
//! It is a stage of its own because its cost is the cost of a scan: nearly every name of a large list has no record. A scan
//! asks it in bulk (see [`bulk`]), on a thread of its own; [`discover`] asks it of one domain, over whatever channel the
//! resolvers have.

use std::time::{Duration, Instant, SystemTime};

use crate::name::{Domain, HostName};
use crate::net::dns::bulk::{self, Heard, Plain};
use crate::net::dns::{Answer, Lookup, Resolver, Via};
use crate::probe::{mx, record, tlsrpt};
use crate::target::Target;

/// What is asked of every domain beside the record, so that adoption can be given as a share of mail domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Also {
    /// The MX records.
    pub mx: bool,
    /// The TLS reporting record.
    pub tlsrpt: bool,
}

/// What discovery saw of one domain.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// When the first question was asked.
    pub observed_at: SystemTime,
    /// How long it took.
    pub elapsed: Duration,
    /// How often the domain was passed over: 1, and 2 where the first pass came to nothing.
    pub attempts: u8,
    /// The record.
    pub record: record::Seen,
    /// The MX records, where they are asked of every domain.
    pub mx: Option<mx::Seen>,
    /// The TLS reporting record, where it is asked of every domain.
    pub tlsrpt: Option<tlsrpt::Seen>,
}

impl Discovered {
    /// Whether nothing more is to be asked: the record is positively absent, and nothing failed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.record.announced()
            && !self.record.failed()
            && !self.mx.as_ref().is_some_and(mx::Seen::failed)
            && !self.tlsrpt.as_ref().is_some_and(tlsrpt::Seen::failed)
    }
}

impl Discovered {
    /// Whether the look-up of the record failed in a second pass too: then nothing more is to be asked.
    #[must_use]
    pub fn has_failed_for_good(&self) -> bool {
        self.attempts > 1 && self.record.failed()
    }
}

/// Asks for the record, and side by side for what is asked of every domain.
pub async fn discover(resolver: &Resolver, domain: &Domain, also: Also) -> Discovered {
    let observed_at = SystemTime::now();
    let start = Instant::now();
    let (record, mx, tlsrpt) = tokio::join!(
        record::see(resolver, domain),
        async { if also.mx { Some(mx::see(resolver, domain).await) } else { None } },
        async { if also.tlsrpt { Some(tlsrpt::see(resolver, domain).await) } else { None } },
    );
    Discovered { observed_at, elapsed: start.elapsed(), attempts: 1, record, mx, tlsrpt }
}

impl bulk::Named for Target {
    fn host(&self) -> &HostName {
        self.domain.host()
    }
}

impl From<Also> for bulk::Asking {
    fn from(also: Also) -> Self {
        Self { mx: also.mx, tlsrpt: also.tlsrpt }
    }
}

impl Discovered {
    /// What was seen where plainly nothing stands.
    #[must_use]
    pub fn plain<T>(plain: &Plain<T>) -> Self {
        let Plain { absent, security, observed_at, elapsed, sent, attempts, .. } = *plain;
        let answer = Answer {
            lookup: absent.lookup(),
            aliases: Vec::new(),
            security,
            ede: Vec::new(),
            via: Via::Udp,
            sent,
            elapsed,
            case_changed: false,
            trailing: false,
        };
        let record = record::Seen::of(Some(answer));
        Self { observed_at, elapsed, attempts, record, mx: None, tlsrpt: None }
    }

    /// What was seen in bulk, with its target; `None` in its place where something is still to be asked by [`discover`].
    #[must_use]
    pub fn seen(seen: bulk::Seen<Target>, also: Also) -> (Target, Option<Self>) {
        let bulk::Seen { subject, observed_at, elapsed, attempts, record, mx, tlsrpt } = seen;
        let (Some(record), Some(mx), Some(tlsrpt)) = (heard(record), heard(mx), heard(tlsrpt)) else {
            return (subject, None);
        };
        // RFC 5321 5.1: without MX records the domain's own address stands in, and is asked for the slow way.
        if mx.as_ref().is_some_and(|mx| matches!(mx.lookup, Lookup::NoData)) {
            return (subject, None);
        }
        let seen = Self {
            observed_at,
            elapsed,
            attempts,
            record: record::Seen::of(record),
            mx: mx.map(|answer| mx::Seen { answer, apex: None }),
            tlsrpt: also.tlsrpt.then_some(tlsrpt::Seen { answer: tlsrpt }),
        };
        (subject, Some(seen))
    }
}

/// The answer, or that there is none to have; `None` where it is to be had the slow way.
#[expect(clippy::option_option, reason = "an answer that is still to be had is not one that nobody wanted")]
fn heard<T>(heard: Heard<T>) -> Option<Option<Answer<T>>> {
    match heard {
        Heard::NotAsked => Some(None),
        Heard::Slow => None,
        Heard::Answer(answer) => Some(Some(*answer)),
    }
}
