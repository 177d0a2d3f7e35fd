//! Discovery: the one question that is asked of every domain, and that ends most surveys.
//!
//! It is a stage of its own because its cost is the cost of a scan: nearly every name of a large list has no record.

use std::time::{Duration, Instant, SystemTime};

use crate::name::Domain;
use crate::net::dns::Resolver;
use crate::probe::{mx, record, tlsrpt};

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

/// Asks for the record, and side by side for what is asked of every domain.
pub async fn discover(resolver: &Resolver, domain: &Domain, also: Also) -> Discovered {
    let observed_at = SystemTime::now();
    let start = Instant::now();
    let (record, mx, tlsrpt) = tokio::join!(
        record::see(resolver, domain),
        async { if also.mx { Some(mx::see(resolver, domain).await) } else { None } },
        async { if also.tlsrpt { Some(tlsrpt::see(resolver, domain).await) } else { None } },
    );
    Discovered { observed_at, elapsed: start.elapsed(), record, mx, tlsrpt }
}
