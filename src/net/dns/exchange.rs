//! One question through all its tries: which resolver, how long, and what to make of each trouble
//! (RFC 1035 7.2, RFC 6891 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::message::{self, Decoded};
use super::question::Question;
use super::server::{Server, TRIES, Trace};
use super::trouble::Trouble;
use super::udp::Readers;
use crate::error::Error;
use crate::failure::Failure;
use crate::finding::{dane, dns};
use crate::net::NetConfig;
use crate::net::pace::Rate;

/// How much of the time for a question the first tries may wait, in eighths; the last has what is left. Of 8 s, that is
/// 1, 3 and 4 s.
const EIGHTHS: [u32; 2] = [1, 3];
/// How often resolvers may say that they failed, or send what breaks the format, before we believe it.
const REPEATS: u32 = 2;
/// FORMERR, NOTIMP and BADVERS: what a server that knows no EDNS may say to it (RFC 6891 7).
const NO_EDNS: [u16; 3] = [1, 4, 16];

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
/// How long the preflight waits for the other resolvers once one has answered, to learn whether they validate: about what a
/// resolver with an empty cache takes to validate the root.
const LEARN: Duration = Duration::from_millis(500);

/// The resolvers, and how fast they may be asked.
pub(super) struct Servers {
    servers: Vec<Server>,
    rate: Option<Arc<Rate>>,
    turn: AtomicUsize,
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
            readers,
        })
    }

    /// Asks until there is an answer of RCODE 0 or 3, or no more to try.
    /// The answer comes with the resolver that gave it.
    ///
    /// What the resolvers fail to answer is bogus where they say so, and, if this is to be `told`, where one of them has a
    /// signed answer once it does not validate, and fails yet again as soon as it does.
    pub(super) async fn ask(
        &self,
        question: &Question,
        told: bool,
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
            let outcome = server.ask(question, edns, wait, self.rate.as_deref(), trace).await;
            let trouble = match outcome.and_then(|decoded| accept(decoded, trace)) {
                Ok(message) => return Ok((message, server)),
                Err(trouble) => trouble,
            };
            let failure = trouble.clone().failure().with("upstream", server.name());
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
            && told
            && edns
            && failure.code == dns::RCODE_2
            && self.has_signed(server, question, trace).await
            && !trace.left.is_zero()
        {
            // What fails validation fails again. What answers now is seen, and was in trouble that has passed.
            let outcome = server.ask(question, edns, trace.left, self.rate.as_deref(), trace).await;
            let trouble = match outcome.and_then(|decoded| accept(decoded, trace)) {
                Ok(message) => return Ok((message, server)),
                Err(trouble) => trouble,
            };
            if let Trouble::Rcode { rcode: SERVFAIL, ede, .. } = &trouble {
                let told_by = if is_bogus(ede) { "ede" } else { "cd" };
                failure = called_bogus(trouble.failure().with("upstream", server.name()), told_by);
            }
        }
        Err(failure.with("attempts", trace.sent))
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

    /// Finds out whether any resolver answers at all, all of them side by side, and which of them validate.
    pub(super) async fn preflight(self: &Arc<Self>, question: &Question, time: Duration) -> Result<(), Failure> {
        let mut asking = JoinSet::new();
        for at in 0..self.servers.len() {
            let (servers, question) = (Arc::clone(self), question.clone());
            asking.spawn(async move {
                let server = &servers.servers[at];
                let outcome = server.answers(&question, time).await;
                outcome.map_err(|trouble| trouble.failure().about(server.name()))
            });
        }
        let mut worst = None;
        // Set by the first answer.
        let mut until: Option<Instant> = None;
        loop {
            let outcome = match until {
                Some(until) => tokio::time::timeout_at(until, asking.join_next()).await.unwrap_or(None),
                None => asking.join_next().await,
            };
            match outcome {
                Some(Ok(Ok(()))) => until = until.or_else(|| Some(Instant::now() + LEARN)),
                Some(Ok(Err(failure))) => worst = worse(worst, failure),
                // A panic of ours: the other resolvers may still answer.
                Some(Err(_)) => {}
                None => break,
            }
        }
        asking.shutdown().await;
        match until {
            Some(_) => Ok(()),
            None => Err(worst.unwrap_or_else(|| Trouble::Timeout.failure())),
        }
    }

    /// What everything that asks these resolvers shares, if the user limits it.
    pub(super) fn rate(&self) -> Option<Arc<Rate>> {
        self.rate.clone()
    }

    /// Closes every socket and awaits every task.
    pub(super) async fn close(&self) {
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
fn share(time: Duration, tries: u32) -> Duration {
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
fn worse(old: Option<Failure>, new: Failure) -> Option<Failure> {
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
