//! One question through all its tries: which resolver, how long, and what to make of each trouble
//! (RFC 1035 7.2, RFC 6891 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use tokio::time::Instant;

use super::control::Controls;
use super::message::{self, Decoded};
use super::question::Question;
use super::server::{Server, TRIES, Trace};
use super::trouble::Trouble;
use super::udp::Readers;
use crate::error::Error;
use crate::failure::Failure;
use crate::finding::{Code, dane, dns};
use crate::net::NetConfig;
use crate::net::pace::Rate;

/// How much of the time for a question the first tries may wait, in eighths; the last has what is left. Of 8 s, that is
/// 1, 3 and 4 s.
const EIGHTHS: [u32; 2] = [1, 3];
/// How often resolvers may say that they failed, or send what breaks the format, before we believe it.
pub(super) const REPEATS: u32 = 2;
/// FORMERR, NOTIMP and BADVERS: what a server that knows no EDNS may say to it (RFC 6891 7).
pub(super) const NO_EDNS: [u16; 3] = [1, 4, 16];

/// SERVFAIL (RFC 1035 4.1.1): what a resolver says that validates and finds the answer bogus (RFC 4035 5.5), and what every
/// resolver says that got none.
const SERVFAIL: u16 = 2;
/// Extended errors that say that the answer fails validation (RFC 8914 4.7 to 4.13): bogus, signature expired, not yet
/// valid, DNSKEY missing, RRSIGs missing, no zone key, NSEC missing; and 25, a signature that expired before it was valid.
///
/// Not 5, "indeterminate": there the resolver could not get what it needed to tell (RFC 4035 4.3). Not 1, 2 and 27:
/// algorithms and iterations that a resolver does not support make a zone insecure, not bogus.
const EDE_BOGUS: [u16; 8] = [6, 7, 8, 9, 10, 11, 12, 25];
/// Extended errors that say that the servers of a zone could not be reached (RFC 8914 4.23, 4.24). Beside one of them, what
/// is missing was perhaps only not got.
const EDE_NETWORK: [u16; 2] = [22, 23];
/// Failures that may be the resolver's: of those, one that may recover is waited for by whoever has patience.
const PASSING: [Code; 8] = [
    dns::TIMEOUT,
    dns::RESOLVER_DOWN,
    dns::RCODE_2,
    dns::RCODE_5,
    dns::TCP_REFUSED,
    dns::TCP_TIMEOUT,
    dns::TCP_CLOSED,
    dns::TRANSPORT,
];

/// Tries by which a zone's failure is believed although others went to a resolver that was not well: what one might lose by
/// chance, two do not.
const FAIR: u32 = 2;

/// How a question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether to ask on, to tell what is bogus from what is broken.
    pub(super) telling: bool,
    /// How long to wait for resolvers that have fallen silent or answer nothing, before the question counts as failed.
    pub(super) patience: Duration,
}

impl Manner {
    fn is_patient(self) -> bool {
        !self.patience.is_zero()
    }
}

/// The resolvers, and how fast they may be asked.
pub(super) struct Servers {
    servers: Vec<Server>,
    rate: Option<Arc<Rate>>,
    turn: AtomicUsize,
    controls: Controls,
    closed: AtomicBool,
    readers: Readers,
}

impl Servers {
    /// Opens nothing yet.
    pub(super) fn new(config: &NetConfig) -> Result<Self, Error> {
        if config.upstreams.is_empty() {
            return Err(Error::Usage("no resolver to ask".to_owned()));
        }
        let readers = Readers::new();
        let servers: Result<_, _> =
            config.upstreams.iter().map(|upstream| Server::new(upstream, config, &readers)).collect();
        Ok(Self {
            servers: servers?,
            rate: config.rate.map(|rate| Arc::new(Rate::new(rate))),
            turn: AtomicUsize::new(0),
            controls: Controls::new(Arc::clone(&config.dns_canaries)),
            closed: AtomicBool::new(false),
            readers,
        })
    }

    /// Asks until there is an answer of RCODE 0 or 3, or no more to try; and anew, where that is because the resolvers had
    /// fallen silent or answered nothing, once one of them is back (HOSTILE.md 56). The answer comes with the resolver that
    /// gave it.
    pub(super) async fn ask(
        &self,
        question: &Question,
        manner: Manner,
        trace: &mut Trace,
    ) -> Result<(Message, &Server), Failure> {
        let time = trace.left;
        // Set by the first wait.
        let mut until = None;
        loop {
            (trace.fair, trace.unwell) = (0, false);
            let failure = match self.attempt(question, manner, trace).await {
                Err(failure) if trace.unwell && trace.fair < FAIR => failure,
                Ok((message, server)) if !self.is_believed(&message, server, question, manner, trace).await => {
                    Failure::new(dns::RESOLVER_LIES).with("upstream", server.name())
                }
                outcome => return outcome,
            };
            let start = Instant::now();
            let is_back = self.comes_back(*until.get_or_insert(start + manner.patience)).await;
            trace.waited += start.elapsed();
            if !is_back {
                return Err(failure);
            }
            trace.left = time;
        }
    }

    /// Whether an answer can be believed. That nothing is there is said by a resolver that lies, too, and by one that has
    /// lost its way: it is believed where a canary is found afterwards (HOSTILE.md 56, 58).
    async fn is_believed(
        &self,
        message: &Message,
        server: &Server,
        question: &Question,
        manner: Manner,
        trace: &mut Trace,
    ) -> bool {
        let found = message.answers.iter().any(|record| record.record_type() == question.rtype());
        if found || !manner.is_patient() || self.controls.canaries().is_empty() {
            return true;
        }
        let start = Instant::now();
        let believed = server.tells_the_truth(std::time::Instant::now(), &self.controls).await;
        trace.waited += start.elapsed();
        believed
    }

    /// Waits until any resolver is well.
    async fn comes_back(&self, until: Instant) -> bool {
        let back = async {
            while !self.closed.load(Ordering::Relaxed) {
                for server in &self.servers {
                    if server.is_well(std::time::Instant::now(), &self.controls).await {
                        return true;
                    }
                }
            }
            false
        };
        tokio::time::timeout_at(until, back).await.unwrap_or(false)
    }

    /// Asks until there is an answer of RCODE 0 or 3, or no more to try.
    ///
    /// What the resolvers fail to answer is bogus where they say so, and, if this is to be told, where one of them has a
    /// signed answer once it does not validate, and fails yet again as soon as it does.
    async fn attempt(
        &self,
        question: &Question,
        manner: Manner,
        trace: &mut Trace,
    ) -> Result<(Message, &Server), Failure> {
        let time = trace.left;
        let mut worst = None;
        let mut edns = true;
        let (mut failed, mut bogus) = (None, None);
        let (mut tries, mut repeats, mut down) = (0, 0, 0);
        let mut at = self.first();
        while tries < TRIES && repeats < REPEATS && down < self.servers.len() && !trace.left.is_zero() {
            let server = &self.servers[at];
            let wait = match (server.is_reliable(), self.servers.len()) {
                (true, 1) => trace.left,
                (true, _) => trace.left / 2,
                (false, _) => share(time, tries).min(trace.left),
            };
            let begun = std::time::Instant::now();
            let outcome = server.ask(question, edns, wait, self.rate.as_deref(), trace).await;
            let trouble = match outcome.and_then(|decoded| accept(decoded, trace)) {
                Ok(message) => return Ok((message, server)),
                Err(trouble) => trouble,
            };
            let failure = trouble.clone().failure().with("upstream", server.name());
            if manner.is_patient()
                && PASSING.contains(&failure.code)
                && !self.is_fair(server, &trouble, begun, trace).await
            {
                worst = worse(worst, failure);
                down += 1;
                at = (at + 1) % self.servers.len();
                continue;
            }
            if let Trouble::Rcode { rcode: SERVFAIL, ede, .. } = &trouble {
                if is_bogus(ede) {
                    bogus = Some(failure.clone());
                }
                failed = Some(server);
            }
            worst = worse(worst, failure);
            tries += 1;
            match trouble {
                // RFC 6891 7: ask the same server again without EDNS.
                Trouble::Rcode { rcode, .. } if edns && NO_EDNS.contains(&rcode) => {
                    edns = false;
                    continue;
                }
                Trouble::Rcode { .. } | Trouble::Malformed => repeats += 1,
                // Nobody got that datagram, so it does not count against the question.
                Trouble::Down(_) => {
                    down += 1;
                    tries -= 1;
                }
                Trouble::Timeout if !server.is_reliable() => {}
                // The same resolver would do the same again at once; another may not.
                _ if self.servers.len() == 1 => break,
                _ => {}
            }
            at = (at + 1) % self.servers.len();
        }
        if let Some(failure) = bogus {
            return Err(called_bogus(failure, "ede").with("attempts", trace.sent));
        }
        let mut failure = worst.unwrap_or_else(|| Trouble::Timeout.failure());
        if let Some(server) = failed
            && manner.telling
            && edns
            && failure.code == dns::RCODE_2
            && self.has_signed(server, question, trace).await
            && !trace.left.is_zero()
        {
            // What fails validation fails again. What answers now is seen, and was in trouble that has passed.
            let begun = std::time::Instant::now();
            let outcome = server.ask(question, edns, trace.left, self.rate.as_deref(), trace).await;
            let trouble = match outcome.and_then(|decoded| accept(decoded, trace)) {
                Ok(message) => return Ok((message, server)),
                Err(trouble) => trouble,
            };
            if let Trouble::Rcode { rcode: SERVFAIL, ede, .. } = &trouble {
                let told_by = match is_bogus(ede) {
                    true => Some("ede"),
                    // One whose validation is broken would make every signed zone bogus.
                    false if !manner.is_patient() || server.knows_the_root(begun).await => Some("cd"),
                    false => None,
                };
                if let Some(told_by) = told_by {
                    failure = called_bogus(trouble.failure().with("upstream", server.name()), told_by);
                }
            }
        }
        Err(failure.with("attempts", trace.sent))
    }

    /// Whether a try that failed was fair: the resolver was well when it did, so that it is the zone's failure. Any other
    /// does not count against the question.
    async fn is_fair(&self, server: &Server, trouble: &Trouble, begun: std::time::Instant, trace: &mut Trace) -> bool {
        let start = Instant::now();
        let fair = !matches!(trouble, Trouble::Down(_)) && server.is_well(begun, &self.controls).await;
        trace.waited += start.elapsed();
        trace.fair += u32::from(fair);
        trace.unwell |= !fair;
        fair
    }

    /// Whether a resolver that failed to answer has a signed answer once it does not validate (RFC 4035 3.2.2). One try.
    ///
    /// Only what is signed can fail validation, and what cannot be got cannot be got without validation either. A zone
    /// whose signatures are all gone looks like one that never had any, so there nothing is told: to call a passing trouble
    /// bogus would be worse. A liar gains nothing by it, for a failure it could have feigned anyway.
    async fn has_signed(&self, server: &Server, question: &Question, trace: &mut Trace) -> bool {
        if trace.left.is_zero() {
            return false;
        }
        // DO is a flag of EDNS (RFC 3225 3), which a resolver that validates knows (RFC 4035 4.1).
        let outcome = server.ask(&question.without_checking(), true, trace.left, self.rate.as_deref(), trace).await;
        outcome.is_ok_and(|Decoded { message, .. }| {
            matches!(u16::from(message.response_code), 0 | 3)
                && message.answers.iter().chain(&message.authorities).any(|r| r.record_type() == RecordType::RRSIG)
        })
    }

    /// The resolvers.
    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// What is asked to tell whether they work.
    pub(super) fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What everything that asks these resolvers shares, if the user limits it.
    pub(super) fn rate(&self) -> Option<Arc<Rate>> {
        self.rate.clone()
    }

    /// Closes every socket and awaits every task.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.readers.close().await;
        self.servers.iter().for_each(Server::close);
    }

    /// The next resolver in turn, one that is up if there is any.
    fn first(&self) -> usize {
        let count = self.servers.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        (turn..turn + count).map(|at| at % count).find(|at| self.servers[*at].is_up()).unwrap_or(turn)
    }
}

/// How long a try may wait.
pub(super) fn share(time: Duration, tries: u32) -> Duration {
    let eighths = usize::try_from(tries).ok().and_then(|tries| EIGHTHS.get(tries));
    eighths.map_or(time, |eighths| time * *eighths / 8)
}

/// A SERVFAIL that is known to be a failure of validation, and how: by its extended errors, or by the signed answer to CD.
fn called_bogus(failure: Failure, told_by: &'static str) -> Failure {
    Failure { code: dane::BOGUS, ..failure }.with("told_by", told_by)
}

/// Whether the extended errors of a SERVFAIL say that the answer fails validation.
fn is_bogus(ede: &[u16]) -> bool {
    ede.iter().any(|code| EDE_BOGUS.contains(code)) && !ede.iter().any(|code| EDE_NETWORK.contains(code))
}

/// Takes an answer of RCODE 0 or 3; of any other, the trouble that it is.
fn accept(decoded: Decoded, trace: &mut Trace) -> Result<Message, Trouble> {
    let (ede, words) = message::extended_errors(&decoded.message);
    trace.ede.clone_from(&ede);
    trace.trailing |= decoded.trailing;
    match u16::from(decoded.message.response_code) {
        0 | 3 => Ok(decoded.message),
        rcode => Err(Trouble::Rcode { rcode, ede, words }),
    }
}

/// The failure that says more: an answer of whatever kind before silence, silence before a dead port; else the later one.
pub(super) fn worse(old: Option<Failure>, new: Failure) -> Option<Failure> {
    let says = |failure: &Failure| match failure.code {
        code if code == dns::RESOLVER_DOWN => 0,
        code if code == dns::TIMEOUT => 1,
        _ => 2,
    };
    match old {
        Some(old) if says(&old) > says(&new) => Some(old),
        _ => Some(new),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn the_tries_wait_longer_and_longer_within_the_time() {
        let time = Duration::from_secs(8);
        assert_eq!([0, 1, 2].map(|tries| share(time, tries).as_secs()), [1, 3, 8]);
    }

    #[test]
    fn what_fails_validation_is_told_from_what_was_not_got() {
        for bogus in [&[6][..], &[7], &[8], &[9], &[10], &[11], &[12], &[25], &[3, 6], &[9, 0]] {
            assert!(is_bogus(bogus), "{bogus:?}");
        }
        for broken in [&[][..], &[0], &[1], &[2], &[3], &[5], &[13], &[22], &[23], &[27], &[9, 22], &[23, 6]] {
            assert!(!is_bogus(broken), "{broken:?}");
        }
    }

    #[test]
    fn the_failure_that_says_more_is_kept() {
        let (down, silent) = (Failure::new(dns::RESOLVER_DOWN), Failure::new(dns::TIMEOUT));
        let (failed, refused) = (Failure::new(dns::RCODE_2), Failure::new(dns::RCODE_5));
        for (old, new, kept) in [
            (&down, &silent, dns::TIMEOUT),
            (&silent, &down, dns::TIMEOUT),
            (&failed, &silent, dns::RCODE_2),
            (&failed, &refused, dns::RCODE_5),
        ] {
            assert_eq!(worse(Some(old.clone()), new.clone()).unwrap().code, kept);
        }
    }
}
