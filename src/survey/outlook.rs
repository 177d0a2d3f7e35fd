//! Whether mail hosts can be asked from here, and what is said of it before a survey begins.

use crate::failure::Failure;
use crate::finding::{self, Code};
use crate::net::smtp::{Families, Heard, Obstacle, Outlook};

/// Whether mail hosts can be asked from here.
#[derive(Clone, Debug, PartialEq)]
pub enum MailOutlook {
    /// They are not to be asked.
    NotAsked,
    /// The user takes it for granted.
    Granted,
    /// What those that are known to work say of it.
    Tried(Outlook),
}

impl MailOutlook {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Granted => "granted",
            Self::Tried(Outlook::Open { .. }) => "open",
            Self::Tried(Outlook::Blocked(_)) => "blocked",
            Self::Tried(Outlook::Unknown(_)) => "unknown",
        }
    }

    /// Over which version of IP mail hosts are asked, where that was tried and one of them is open.
    #[must_use]
    pub fn families(&self) -> Option<Families> {
        match self {
            Self::Tried(Outlook::Open { families, .. }) => Some(*families),
            _ => None,
        }
    }

    /// Why no mail host is asked, where that is so: what a network in between does is never held against a host.
    #[must_use]
    pub fn blocks(&self) -> Option<Code> {
        match self {
            Self::Tried(Outlook::Blocked(_)) => Some(finding::sts::PORT_BLOCKED),
            Self::Tried(Outlook::Unknown(_)) => Some(finding::sts::PORT_UNKNOWN),
            Self::NotAsked | Self::Granted | Self::Tried(Outlook::Open { .. }) => None,
        }
    }

    /// What went wrong at a mail host that is known to work, so that none is asked, or none over one version of IP.
    #[must_use]
    pub fn cause(&self) -> Option<Code> {
        match self {
            Self::NotAsked | Self::Granted => None,
            Self::Tried(Outlook::Open { obstacle, .. }) => obstacle.as_ref().map(|obstacle| obstacle.cause),
            Self::Tried(Outlook::Blocked(obstacle)) => Some(obstacle.cause),
            Self::Tried(Outlook::Unknown(failure)) => Some(failure.code),
        }
    }

    /// What a user should know before the scan begins, if there is something.
    #[must_use]
    pub fn notice(&self, port: u16) -> Option<String> {
        match self {
            Self::NotAsked | Self::Granted => None,
            Self::Tried(Outlook::Open { obstacle, .. }) => obstacle.as_ref().map(|obstacle| {
                let family = if obstacle.address.is_ipv4() { "IPv4" } else { "IPv6" };
                let what = what(obstacle, port, &format!(" over {family}"));
                format!("{what}: no mail host is asked at an address of {family}, and none is judged by one")
            }),
            Self::Tried(Outlook::Blocked(obstacle)) => {
                Some(format!("{}: no mail host is asked, and none is judged", what(obstacle, port, "")))
            }
            Self::Tried(Outlook::Unknown(Failure { code, subject, .. })) => Some(format!(
                "whether port {port} of mail hosts can be reached from here is unknown ({code} {subject}): no mail host is \
                 asked; --smtp-canary names a domain to try"
            )),
        }
    }
}

/// What happened at a mail host that is known to work.
fn what(obstacle: &Obstacle, port: u16, over: &str) -> String {
    let Obstacle { host, address, cause, heard } = obstacle;
    let cause = format!("{cause}, {}", cause.entry().sentence);
    match heard {
        Heard::Nothing => {
            format!(
                "port {port} of mail hosts cannot be reached from this network{over} ({host} at {address}: {cause})"
            )
        }
        Heard::Silence => {
            format!(
                "mail hosts do not talk to us{over} ({host} at {address} took the connection and said nothing: {cause})"
            )
        }
        Heard::Words => format!(
            "mail hosts do not let us in{over} ({host} at {address}, or somebody in its place, answered: {cause})"
        ),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;
    use crate::finding::{smtp, sts, tcp};
    use crate::name::HostName;
    use crate::net::smtp::Way;

    #[test]
    fn what_stands_in_the_way_is_said_with_its_cause_and_place() {
        let obstacle = |cause, heard, address: &str| Obstacle {
            host: HostName::parse("mx.example").unwrap(),
            address: address.parse().unwrap(),
            cause,
            heard,
        };
        let families = Families { v4: Way::Open, v6: Way::Blocked };
        let (v4, v6) = ("192.0.2.1:25", "[2001:db8::1]:25");
        let refused = obstacle(tcp::REFUSED, Heard::Nothing, v6);
        let no_address = Failure::new(finding::mx::NO_ADDRESS).about("mx.example");
        let rows = [
            (Outlook::Blocked(obstacle(tcp::REFUSED, Heard::Nothing, v4)), "blocked", Some(sts::PORT_BLOCKED), v4),
            (Outlook::Blocked(obstacle(smtp::BANNER_5XX, Heard::Words, v4)), "blocked", Some(sts::PORT_BLOCKED), v4),
            (
                Outlook::Blocked(obstacle(smtp::BANNER_TIMEOUT, Heard::Silence, v4)),
                "blocked",
                Some(sts::PORT_BLOCKED),
                v4,
            ),
            (Outlook::Open { families, obstacle: Some(refused) }, "open", None, v6),
            (Outlook::Unknown(no_address), "unknown", Some(sts::PORT_UNKNOWN), ""),
        ];
        for (outlook, word, blocks, place) in rows {
            let mail = MailOutlook::Tried(outlook);
            assert_eq!((mail.word(), mail.blocks()), (word, blocks));
            let (cause, notice) = (mail.cause().unwrap(), mail.notice(25).unwrap());
            for part in [cause.as_str(), "mx.example", place] {
                assert!(notice.contains(part), "{part} is missing in {notice}");
            }
        }
        let open = Outlook::Open { families: Families::OPEN, obstacle: None };
        for mail in [MailOutlook::NotAsked, MailOutlook::Granted, MailOutlook::Tried(open)] {
            assert_eq!((mail.cause(), mail.notice(25), mail.blocks()), (None, None, None));
        }
    }
}
