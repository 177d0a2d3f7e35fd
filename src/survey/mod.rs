//! The survey of one domain: the straight line from the record to everything that hangs on it.

mod delivery;
mod hosts;
mod judge;
mod outlook;
mod rows;

pub use delivery::{COLUMNS as DELIVERY_COLUMNS, Delivery, HOSTS_MAX, Host};
pub use hosts::{Hosts, Known};
pub use judge::{Judged, judge};
pub use outlook::MailOutlook;
pub use rows::{Body, Certificate, Domains, Found, Rejected};

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::discover::{Also, Discovered, discover};
use crate::name::Domain;
use crate::name::HostName;
use crate::net::dns::Resolver;
use crate::net::https::Client;
use crate::net::pace::PerHost;
use crate::net::{NetConfig, smtp};
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
    /// Whether the mail hosts of every domain are asked, with or without a policy.
    pub all_hosts: bool,
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
    /// The mail hosts, where they were asked: distinct, in order of preference, at most [`HOSTS_MAX`].
    pub hosts: Option<Vec<Known>>,
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
            attempts: discovered.attempts,
            fresh: discovered.attempts == 1,
            record: discovered.record,
            policy: None,
            mx: discovered.mx,
            hosts: None,
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
            record: record::Seen::of(None),
            policy: None,
            mx: None,
            hosts: None,
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
            || self.hosts.iter().flatten().any(|known| known.judged.may_pass)
            || self.tlsrpt.as_ref().is_some_and(tlsrpt::Seen::failed)
    }
}

/// Who surveys: the doors to the Internet, and what to ask.
pub struct Surveyor {
    resolver: Resolver,
    /// The same, for what is surveyed: there a bogus answer is told from a broken resolver.
    telling: Resolver,
    client: Client,
    hosts: Arc<Hosts>,
    questions: Questions,
}

impl Surveyor {
    /// A surveyor that asks `questions` by this configuration. Where mail hosts are to be asked, it first finds out by the
    /// mail hosts of the `canaries` whether they can be reached from here; `None` takes that for granted.
    pub async fn open(
        config: &NetConfig,
        resolver: Resolver,
        questions: Questions,
        canaries: Option<&[HostName]>,
    ) -> (Self, MailOutlook) {
        let places = PerHost::new(config.per_host);
        let mail = smtp::Client::new(config, places.clone());
        let outlook = match canaries {
            _ if questions.depth < Depth::Mail => MailOutlook::NotAsked,
            None => MailOutlook::Granted,
            Some(canaries) => MailOutlook::Tried(mail.outlook(&resolver, canaries).await),
        };
        let mail = mail.within(outlook.families().unwrap_or(smtp::Families::OPEN));
        let hosts = Hosts::new(&resolver, mail, Arc::clone(&config.reach), outlook.blocks());
        let surveyor = Self {
            telling: resolver.telling(),
            resolver,
            client: Client::sharing(config, places),
            hosts: Arc::new(hosts),
            questions,
        };
        (surveyor, outlook)
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

    /// What is asked of every domain beside the record.
    #[must_use]
    pub fn also(&self) -> Also {
        self.questions.also
    }

    /// Whether nothing more is wanted of a domain that has no record.
    #[must_use]
    pub fn wants_no_more(&self) -> bool {
        !self.questions.deep && !self.questions.all_hosts
    }

    /// Whether what discovery saw is all that is wanted of the domain.
    #[must_use]
    pub fn is_settled(&self, discovered: &Discovered) -> bool {
        discovered.is_settled() && self.wants_no_more()
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
            survey.record = record::see(&self.telling, domain).await;
            survey.fresh = !survey.record.failed();
        }
        let before = survey.policy.take_if(|policy| policy.failure().is_some());
        if survey.mx.as_ref().is_some_and(mx::Seen::failed) {
            (survey.mx, survey.hosts) = (None, None);
        }
        if let Some(hosts) = survey.hosts.take() {
            survey.hosts = Some(Hosts::again_all(&self.hosts, &hosts).await);
        }
        if survey.tlsrpt.as_ref().is_some_and(tlsrpt::Seen::failed) {
            survey.tlsrpt = None;
        }
        survey.elapsed += start.elapsed();
        let asked = survey.hosts.is_some();
        if !survey.record.failed() {
            self.go_on(domain, survey).await;
        }
        survey.fresh |= !asked && survey.hosts.is_some();
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
        let Self { telling: resolver, client, .. } = self;
        let all_hosts = depth >= Depth::Mail && self.questions.all_hosts;
        let (record, mx) = (&mut survey.record, &mut survey.mx);
        let (policy, hosts, tlsrpt) = (survey.policy.is_none(), survey.hosts.is_none(), survey.tlsrpt.is_none());
        let ((), policy, hosts, tlsrpt) = tokio::join!(
            async {
                if announced && !record.seen_sibling() {
                    record.see_sibling(resolver, domain).await;
                }
                if !announced && deep && !record.seen_elsewhere() {
                    record.see_elsewhere(resolver, domain).await;
                }
            },
            async { if wanted && policy { Some(Box::new(policy::see(resolver, client, domain).await)) } else { None } },
            async {
                if (wanted || all_hosts) && mx.is_none() {
                    *mx = Some(mx::see(resolver, domain).await);
                }
                let mx = mx.as_ref().filter(|_| hosts && depth >= Depth::Mail && (announced || all_hosts))?;
                self.mail_hosts(mx, domain).await
            },
            async { if wanted && tlsrpt { Some(tlsrpt::see(resolver, domain).await) } else { None } },
        );
        survey.policy = survey.policy.take().or(policy);
        survey.hosts = survey.hosts.take().or(hosts);
        survey.tlsrpt = survey.tlsrpt.take().or(tlsrpt);
        // A policy that nothing announces has mail hosts too.
        let served = survey.policy.as_ref().is_some_and(|policy| policy.is_served());
        if depth >= Depth::Mail && served && survey.hosts.is_none() {
            survey.hosts = match &survey.mx {
                Some(mx) => self.mail_hosts(mx, domain).await,
                None => None,
            };
        }
        survey.elapsed += start.elapsed();
    }

    /// The mail hosts of a domain, each asked once in the whole scan; `None` where the MX look-up failed.
    async fn mail_hosts(&self, mx: &mx::Seen, domain: &Domain) -> Option<Vec<Known>> {
        if mx.failed() {
            return None;
        }
        Some(Hosts::ask_all(&self.hosts, mx.askable(domain, HOSTS_MAX)).await)
    }

    /// What is asked of every domain and is still missing after a second attempt.
    async fn fill(&self, domain: &Domain, survey: &mut Survey) {
        let start = Instant::now();
        if self.questions.also.mx && survey.mx.is_none() {
            survey.mx = Some(mx::see(&self.telling, domain).await);
        }
        if self.questions.also.tlsrpt && survey.tlsrpt.is_none() {
            survey.tlsrpt = Some(tlsrpt::see(&self.telling, domain).await);
        }
        survey.elapsed += start.elapsed();
    }
}
