//! The probe of the policy: its host, the fetch, and what the body says (RFC 8461 3.2, 3.3).

mod columns;

pub use columns::COLUMNS;
pub(crate) use columns::body_sha256;

use crate::failure::Failure;
use crate::finding::{self, Code, Finding, Reading, Severity, Stage};
use crate::name::{Domain, HostName};
use crate::net::dns::{Addresses, Lookup, Resolver};
use crate::net::https::{Client, Fetch};
use crate::probe;
use crate::sts::policy::{self, Policy};
use crate::sts::sender::PolicyView;
use crate::sts::serve::{self, Response};

/// The evidence.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The policy host, `mta-sts.<domain>`; `None` where no such name can exist.
    pub host: Option<HostName>,
    /// Whether the host is lawful in a URL (RFC 5891): else nobody can fetch from it.
    pub url_host_ok: bool,
    /// Its addresses.
    pub addresses: Option<Addresses>,
    /// The fetch, where there was an address.
    pub fetch: Option<Fetch>,
}

/// Looks up the policy host and fetches the policy.
pub async fn see(resolver: &Resolver, client: &Client, domain: &Domain) -> Seen {
    let Some(host) = domain.policy_host() else {
        return Seen { host: None, url_host_ok: false, addresses: None, fetch: None };
    };
    let addresses = resolver.addresses(&host).await;
    let all = addresses.all();
    let url_host_ok = domain.url_host_ok();
    let fetch = if all.is_empty() || !url_host_ok { None } else { Some(client.fetch(&host, &all).await) };
    Seen { host: Some(host), url_host_ok, addresses: Some(addresses), fetch }
}

impl Seen {
    /// The failure that kept us from an answer of the policy host, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        let failure = match &self.fetch {
            Some(fetch) => self.unseen_family().or(fetch.failure.as_ref()),
            None => self.lookup_failure(),
        };
        failure.filter(|failure| failure.code.severity().is_none())
    }

    /// The look-up of one version of IP that failed while no address of the other let us in: what we did not see might have
    /// served the policy, so the addresses that we saw prove nothing against the domain.
    fn unseen_family(&self) -> Option<&Failure> {
        let stopped = self.fetch.as_ref()?.failure.as_ref()?;
        let addresses = self.addresses.as_ref().filter(|_| stopped.code.entry().stage <= Stage::Tcp)?;
        probe::failure(&addresses.v4).or_else(|| probe::failure(&addresses.v6))
    }

    /// How far the probe came: an address, a connection, a certificate, an answer.
    #[must_use]
    pub fn reached(&self) -> u8 {
        let has_address = self.addresses.as_ref().is_some_and(|addresses| !addresses.all().is_empty());
        match &self.fetch {
            Some(fetch) if fetch.response.is_some() => 4,
            Some(fetch) if !fetch.chain.is_empty() => 3,
            Some(fetch) if fetch.connected.is_some() => 2,
            _ => u8::from(has_address),
        }
    }

    /// Without an address, one failed look-up is enough not to know.
    fn lookup_failure(&self) -> Option<&Failure> {
        let addresses = self.addresses.as_ref().filter(|addresses| addresses.all().is_empty())?;
        probe::failure(&addresses.v4).or_else(|| probe::failure(&addresses.v6))
    }

    /// Whether something is served under the status that a policy has.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.response().is_some_and(|response| response.status == 200)
    }

    fn response(&self) -> Option<&Response> {
        self.fetch.as_ref()?.response.as_ref()
    }

    fn authenticated(&self) -> Option<bool> {
        self.fetch.as_ref()?.verdict.as_ref().map(|verdict| verdict.authenticated)
    }

    /// The targets of the CNAMEs from the policy host.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        self.addresses.as_ref().map_or(&[], Addresses::aliases)
    }
}

/// The evidence with what it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The evidence.
    pub seen: Seen,
    /// The reading of the body, whatever it stood behind; `None` where there was no body to read.
    pub observed: Option<Reading<Policy>>,
    /// What is wrong from the policy host to the body, in the order of the stages.
    pub findings: Vec<Finding>,
    /// What a sender makes of it, less the policy itself: see [`Judged::view`].
    decisive: Option<Code>,
}

/// Judges the evidence.
#[must_use]
pub fn judge(seen: Seen) -> Judged {
    let mut story = Story::default();
    host(&seen, &mut story);
    let mut observed = None;
    if let Some(fetch) = &seen.fetch {
        story.findings(mixed(fetch));
        let failure = seen.unseen_family().cloned().or_else(|| fetch.failure.clone());
        let (early, late) = match failure {
            Some(failure) if failure.code.entry().stage < Stage::Cert => (Some(failure), None),
            late => (None, late),
        };
        early.into_iter().for_each(|failure| story.failure(failure));
        if let Some(verdict) = &fetch.verdict {
            story.findings(verdict.findings.iter().cloned());
        }
        if let Some(response) = &fetch.response {
            story.findings(serve::judge(response));
        }
        late.into_iter().for_each(|failure| story.failure(failure));
        if let Some(response) = fetch.response.as_ref().filter(|_| fetch.failure.is_none()) {
            let reading = policy::read(&response.body);
            // RFC 8461 3.3: a body counts only with status 200, over an authenticated connection, and whole.
            if story.decisive.is_none() {
                story.findings(reading.findings.iter().cloned());
            }
            observed = Some(reading);
        }
    }
    Judged { seen, observed, findings: story.findings, decisive: story.decisive }
}

/// What went wrong so far; the first that no reading saves, or that hid the rest, decides.
#[derive(Default)]
struct Story {
    findings: Vec<Finding>,
    decisive: Option<Code>,
}

impl Story {
    fn findings(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if finding.severity() == Severity::Fatal {
                self.decisive.get_or_insert(finding.code);
            }
            self.findings.push(finding);
        }
    }

    fn failure(&mut self, failure: Failure) {
        self.decisive.get_or_insert(failure.code);
        // A handshake that fails over the certificate says what the verdict on the chain says already.
        match failure.into_finding() {
            Ok(finding) if !self.findings.iter().any(|found| found.code == finding.code) => self.findings.push(finding),
            Ok(_) | Err(_) => {}
        }
    }
}

/// The policy host's name and addresses (RFC 8461 3.3, 8.2).
fn host(seen: &Seen, story: &mut Story) {
    let Some(host) = &seen.host else {
        story.failure(Failure::new(finding::list::PREFIX_TOO_LONG));
        return;
    };
    let Some(addresses) = &seen.addresses else { return };
    if let Some(failure) = seen.lookup_failure() {
        story.failure(failure.clone());
        return;
    }
    let alias = seen.aliases().last();
    if addresses.all().is_empty() {
        let gone = matches!(addresses.v4.lookup, Lookup::NxDomain) || matches!(addresses.v6.lookup, Lookup::NxDomain);
        story.findings([match alias {
            Some(target) if gone => Finding::new(finding::policy::HOST_DANGLING).about(target.as_str()),
            _ => Finding::new(finding::policy::HOST_NONE).about(host.as_str()),
        }]);
        return;
    }
    story.findings(alias.map(|target| Finding::new(finding::policy::HOST_DELEGATED).about(target.as_str())));
    if !seen.url_host_ok {
        story.findings([Finding::new(finding::policy::NOT_URL).about(host.as_str())]);
    }
}

/// Addresses that are not public beside public ones (HOSTILE.md 65).
fn mixed(fetch: &Fetch) -> Option<Finding> {
    let none_usable = fetch.failure.as_ref().is_some_and(|failure| failure.code == finding::reach::FORBIDDEN);
    if fetch.forbidden.is_empty() || none_usable {
        return None;
    }
    let forbidden = fetch.forbidden.iter().map(|(address, block)| format!("{address} ({block})")).collect::<Vec<_>>();
    Some(Finding::new(finding::reach::MIXED).with("forbidden", forbidden.join(", ")))
}

impl Judged {
    /// What a sender makes of it.
    #[must_use]
    pub fn view(&self) -> PolicyView<'_> {
        match (self.decisive, self.observed.as_ref().and_then(|reading| reading.value.as_ref())) {
            (Some(code), _) if code.severity().is_some() => PolicyView::Unusable(code),
            (Some(code), _) => PolicyView::Failed(code),
            (None, Some(policy)) => PolicyView::Usable(policy),
            // Without a body there is a failure or a fatal finding; this arm only keeps the match total.
            (None, None) => PolicyView::NotAsked,
        }
    }

    /// The policy, where a sender may use it.
    #[must_use]
    pub fn usable(&self) -> Option<&Policy> {
        match self.view() {
            PolicyView::Usable(policy) => Some(policy),
            PolicyView::NotAsked | PolicyView::Failed(_) | PolicyView::Unusable(_) => None,
        }
    }

    /// Whether policy and serving keep every MUST and SHOULD to the letter; `None` where we could not see.
    #[must_use]
    pub fn strict_ok(&self) -> Option<bool> {
        match self.view() {
            PolicyView::NotAsked | PolicyView::Failed(_) => None,
            PolicyView::Unusable(_) => Some(false),
            PolicyView::Usable(_) => Some(self.findings.iter().all(|f| f.severity() < Severity::Violation)),
        }
    }

    /// The failure that kept us from seeing, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.seen.failure()
    }
}
