//! What delivery comes to: how many hosts can be used, until when a sender refuses, and what it would report
//! (RFC 8461 5, RFC 8460 4.3).

use std::time::{Duration, SystemTime};

use super::{Decision, MailHost, Outcome, Sight};
use crate::finding::{Code, Place};
use crate::sts::policy::Policy;

/// What a conforming sender does with mail to the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It delivers, and there is nothing to report.
    Deliver,
    /// It delivers, and reports failures.
    Report,
    /// It refuses to deliver.
    Refuse,
    /// We could not see, or did not ask.
    Unknown,
}

impl Verdict {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Report => "report",
            Self::Refuse => "refuse",
            Self::Unknown => "unknown",
        }
    }
}

/// Which policy a failure is reported under (RFC 8460 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyType {
    /// The MTA-STS policy.
    Sts,
    /// The TLSA records of the mail host.
    Tlsa,
}

impl PolicyType {
    /// The word of RFC 8460 4.4.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Tlsa => "tlsa",
        }
    }
}

/// How often a sender that tries every host at every address once would report a result type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    /// The policy that it is reported under.
    pub policy: PolicyType,
    /// The result type of RFC 8460 4.3.
    pub result_type: &'static str,
    /// The failed sessions.
    pub count: i64,
}

/// What delivery comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What a sender does; `None` where no policy binds it, or no mail is taken.
    pub verdict: Option<Verdict>,
    /// Hosts that a sender may use: covered, where a policy binds, and usable.
    pub usable: usize,
    /// Hosts that a sender must not use.
    pub refused: usize,
    /// Hosts of which we do not know.
    pub unseen: usize,
    /// Until when a sender that fetched the policy now goes on refusing; `None` where it does not refuse, or the time is
    /// none that can be written.
    pub refused_until: Option<SystemTime>,
}

/// Whether a sender would report the code: whether it is a failure of TLS or of the policy.
fn is_told(code: Code) -> bool {
    code.result_type(Place::MailHost).is_some()
}

/// What delivery to the hosts comes to under a decision. `policy` is the one that binds, `at` the time when it was fetched,
/// `reported` whether a sender would report any failure.
#[must_use]
pub fn deliver(
    decision: Decision,
    policy: Option<&Policy>,
    hosts: &[MailHost],
    at: SystemTime,
    reported: bool,
) -> Delivery {
    let verdict = match decision.outcome {
        Outcome::NotAnnounced | Outcome::Unusable | Outcome::None => None,
        // What could not be seen, or was not asked.
        Outcome::Testing if decision.code.is_some_and(|code| code.severity().is_none()) => Some(Verdict::Unknown),
        // A domain that takes no mail, or none of whose hosts is there: there is nothing to deliver.
        Outcome::Testing if !hosts.iter().any(|host| host.sight() == Sight::Passed) => None,
        Outcome::Testing | Outcome::EnforceDeliverable if reported => Some(Verdict::Report),
        Outcome::Testing | Outcome::EnforceDeliverable => Some(Verdict::Deliver),
        Outcome::TestingFailing => Some(Verdict::Report),
        // A host that is simply not there fails with and without the policy; a sender tries again.
        Outcome::EnforceRefused => decision.code.filter(|code| is_told(*code)).map(|_| Verdict::Refuse),
        Outcome::Unknown => policy.map(|_| Verdict::Unknown),
    };
    let mut delivery = Delivery { verdict, usable: 0, refused: 0, unseen: 0, refused_until: None };
    for host in hosts {
        let count = match host.sight() {
            // RFC 8461 4.1: what no pattern covers must not be used, whatever else it is.
            _ if policy.is_some() && !host.covered => &mut delivery.refused,
            Sight::Passed => &mut delivery.usable,
            Sight::Broken(_) => &mut delivery.refused,
            Sight::Unseen(_) | Sight::NotAsked(_) => &mut delivery.unseen,
        };
        *count += 1;
    }
    if verdict == Some(Verdict::Refuse) {
        // RFC 8461 3.2, 5.1: a sender keeps the policy for max_age from the fetch on.
        let age = policy.map(|policy| Duration::from_secs(u64::from(policy.max_age)));
        delivery.refused_until = age.and_then(|age| at.checked_add(age));
    }
    delivery
}
