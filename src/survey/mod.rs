//! The survey of one domain: the straight line from the record to everything that hangs on it.

mod judge;
mod rows;

pub use judge::{Judged, judge};
pub use rows::{Body, Certificate, Domains, Found, Rejected};

use std::time::{Duration, Instant, SystemTime};

use crate::discover::{Also, Discovered, discover};
use crate::name::Domain;
use crate::net::dns::Resolver;
use crate::net::https::Client;
use crate::probe::{mx, policy, record, tlsrpt};

/// How far a survey goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Only the record.
    Record,
    /// The record, the policy, and the DNS of mail and reporting.
    Policy,
    /// All that, and the mail hosts themselves.
    Mail,
}

impl Depth {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Policy => "policy",
            Self::Mail => "mail",
        }
    }
}

/// What a survey asks.
#[derive(Clone, Copy, Debug)]
pub struct Questions {
    /// How far it goes where a record is announced.
    pub depth: Depth,
    /// Whether to go on where no record is announced, to find policies without one and records in the wrong place.
    pub deep: bool,
    /// What is asked of every domain.
    pub also: Also,
}

/// All that was seen of one domain.
#[derive(Clone, Debug)]
pub struct Survey {
    /// When the first question was asked.
    pub observed_at: SystemTime,
    /// From then to the last answer, less the wait before a second attempt.
    pub elapsed: Duration,
    /// How often it was attempted: 1, and more where something failed.
    pub attempts: u8,
    /// Whether the last attempt asked for something for the first time, so that its failures are owed another.
    pub fresh: bool,
    /// The record.
    pub record: record::Seen,
    /// The policy, where it was asked for. Boxed: nearly every survey has none, and thousands wait in queues.
    pub policy: Option<Box<policy::Seen>>,
    /// The MX records, where they were asked for.
    pub mx: Option<mx::Seen>,
    /// The TLS reporting record, where it was asked for.
    pub tlsrpt: Option<tlsrpt::Seen>,
    /// A fault of ours ended the survey: nothing above is to be trusted.
    pub panicked: bool,
}

impl From<Discovered> for Survey {
    fn from(discovered: Discovered) -> Self {
        Self {
            observed_at: discovered.observed_at,
            elapsed: discovered.elapsed,
            attempts: 1,
            fresh: true,
            record: discovered.record,
            policy: None,
            mx: discovered.mx,
            tlsrpt: discovered.tlsrpt,
            panicked: false,
        }
    }
}

impl Survey {
    /// The survey of a domain that a fault of ours ended: one row, so that no line is lost.
    #[must_use]
    pub fn panicked() -> Self {
        Self {
            observed_at: SystemTime::now(),
            elapsed: Duration::ZERO,
            attempts: 1,
            fresh: false,
            record: record::Seen { answer: None, sibling: None, apex: None, parent: None },
            policy: None,
            mx: None,
            tlsrpt: None,
            panicked: true,
        }
    }

    /// Whether something failed that was asked for only once.
    #[must_use]
    pub fn is_owed_another(&self) -> bool {
        self.fresh && self.failed()
    }

    /// Whether something failed that may pass, so that a second attempt is due.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.record.failed()
            || self.record.elsewhere_failure().is_some()
            || self.policy.as_ref().is_some_and(|policy| policy.failure().is_some())
            || self.mx.as_ref().is_some_and(mx::Seen::failed)
            || self.tlsrpt.as_ref().is_some_and(tlsrpt::Seen::failed)
    }
}

/// Who surveys: the doors to the Internet, and what to ask.
pub struct Surveyor {
    resolver: Resolver,
    client: Client,
    questions: Questions,
}

impl Surveyor {
    /// A surveyor that asks `questions` through these doors.
    #[must_use]
    pub fn new(resolver: Resolver, client: Client, questions: Questions) -> Self {
        Self { resolver, client, questions }
    }

    /// The resolver, for what is asked outside a survey.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Ends the surveyor, and gives the resolver back to be closed.
    #[must_use]
    pub fn into_resolver(self) -> Resolver {
        self.resolver
    }

    /// The one question that is asked of every domain.
    pub async fn discover(&self, domain: &Domain) -> Discovered {
        discover(&self.resolver, domain, self.questions.also).await
    }

    /// Whether what discovery saw is all that is wanted of the domain.
    #[must_use]
    pub fn is_settled(&self, discovered: &Discovered) -> bool {
        discovered.is_settled() && !self.questions.deep
    }

    /// Asks everything else.
    pub async fn survey(&self, domain: &Domain, discovered: Discovered) -> Survey {
        let mut survey = Survey::from(discovered);
        // What failed is not asked on: the second attempt begins there.
        if !survey.record.failed() {
            self.go_on(domain, &mut survey).await;
        }
        survey
    }

    /// Asks again what failed, once (RULES.md: a passing failure is tried again later in the same run).
    pub async fn again(&self, domain: &Domain, survey: &mut Survey) {
        let start = Instant::now();
        survey.attempts = survey.attempts.saturating_add(1);
        survey.fresh = false;
        if survey.record.failed() {
            survey.record = record::see(&self.resolver, domain).await;
            survey.fresh = !survey.record.failed();
        }
        let before = survey.policy.take_if(|policy| policy.failure().is_some());
        if survey.mx.as_ref().is_some_and(mx::Seen::failed) {
            survey.mx = None;
        }
        if survey.tlsrpt.as_ref().is_some_and(tlsrpt::Seen::failed) {
            survey.tlsrpt = None;
        }
        survey.elapsed += start.elapsed();
        if !survey.record.failed() {
            self.go_on(domain, survey).await;
        }
        // What failed again, and did not come as far as before, is no better evidence.
        if let (Some(before), Some(now)) = (before, &survey.policy)
            && now.failure().is_some()
            && before.reached() > now.reached()
        {
            survey.policy = Some(before);
        }
        self.fill(domain, survey).await;
    }

    /// Everything that hangs on the record, side by side, as far as it is still missing.
    async fn go_on(&self, domain: &Domain, survey: &mut Survey) {
        let start = Instant::now();
        let announced = survey.record.announced();
        let Questions { depth, deep, .. } = self.questions;
        let wanted = depth >= Depth::Policy && (announced || deep);
        let Self { resolver, client, .. } = self;
        let record = &mut survey.record;
        let (policy, mx, tlsrpt) = (survey.policy.is_none(), survey.mx.is_none(), survey.tlsrpt.is_none());
        let ((), policy, mx, tlsrpt) = tokio::join!(
            async {
                if announced && !record.seen_sibling() {
                    record.see_sibling(resolver, domain).await;
                }
                if !announced && deep && !record.seen_elsewhere() {
                    record.see_elsewhere(resolver, domain).await;
                }
            },
            async { if wanted && policy { Some(Box::new(policy::see(resolver, client, domain).await)) } else { None } },
            async { if wanted && mx { Some(mx::see(resolver, domain).await) } else { None } },
            async { if wanted && tlsrpt { Some(tlsrpt::see(resolver, domain).await) } else { None } },
        );
        survey.policy = survey.policy.take().or(policy);
        survey.mx = survey.mx.take().or(mx);
        survey.tlsrpt = survey.tlsrpt.take().or(tlsrpt);
        survey.elapsed += start.elapsed();
    }

    /// What is asked of every domain and is still missing after a second attempt.
    async fn fill(&self, domain: &Domain, survey: &mut Survey) {
        let start = Instant::now();
        if self.questions.also.mx && survey.mx.is_none() {
            survey.mx = Some(mx::see(&self.resolver, domain).await);
        }
        if self.questions.also.tlsrpt && survey.tlsrpt.is_none() {
            survey.tlsrpt = Some(tlsrpt::see(&self.resolver, domain).await);
        }
        survey.elapsed += start.elapsed();
    }
}
